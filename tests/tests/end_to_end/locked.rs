//! Another process that holds the database for long.

use std::time::{Duration, Instant};

use kvgate_proto::v1::PutRequest;
use kvgate_tests::failure::{Failure, Outcome, expect};
use kvgate_tests::folder::Folder;
use kvgate_tests::raw::plain_client;
use kvgate_tests::rpc_error::RpcError;
use rusqlite::Connection;
use tonic::{Code, Request};

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_unavailable_and_reads_go_on() -> Outcome {
    let folder = Folder::new()?;
    let directory = folder.path("data");
    let stores = format!(
        "default_store = \"main\"\n[stores.main]\ntype = \"disk\"\ndirectory = '{}'\n",
        directory.display()
    );
    let server = folder.start(&stores).await?;
    let here = server.client().await?.collection("", "c");
    here.put("key", r#"{"n":1}"#).await?;

    let other = Connection::open(directory.join("cache.db"))?;
    other.busy_timeout(Duration::from_secs(10))?;
    other.execute_batch("BEGIN IMMEDIATE; UPDATE Settings SET value = value")?;
    let writing = async {
        match here.put("key", r#"{"n":2}"#).await {
            Ok(()) => Err(Failure::new("Put was answered while the database was held")),
            Err(error) => Ok(error),
        }
    };
    let deadline = deadline(&server);
    let reading = async {
        let found = here.value("key").await?.unwrap_or_default();
        expect(found == r#"{"n":1}"#, here.describe("Get", &"key"))
    };
    let (error, (), ()) = futures::future::try_join3(writing, deadline, reading).await?;
    error.expect(Code::Unavailable, "STORE_UNAVAILABLE")?;
    error.expect_retry()?;
    other.execute_batch("ROLLBACK")?;

    here.put("key", r#"{"n":3}"#).await?;
    let found = here.value("key").await?.unwrap_or_default();
    expect(found == r#"{"n":3}"#, here.describe("Get", &"key"))
}

/// The caller's deadline ends the wait for the database.
async fn deadline(server: &kvgate_tests::server::Server) -> Outcome {
    let mut client = plain_client(server.address());
    let mut request = Request::new(PutRequest {
        collection: "c".to_owned(),
        key: "deadline".to_owned(),
        value: "{}".into(),
        ..PutRequest::default()
    });
    request.set_timeout(Duration::from_millis(300));
    let start = Instant::now();
    let Err(status) = client.put(request).await else {
        return Err(Failure::new("Put was answered while the database was held"));
    };
    let error = RpcError::of_call("Put", &status);
    error.expect(Code::DeadlineExceeded, "DEADLINE_EXCEEDED")?;
    let taken = start.elapsed();
    expect(taken < Duration::from_secs(3), format!("a deadline of 0.3 s ended after {taken:?}"))
}
