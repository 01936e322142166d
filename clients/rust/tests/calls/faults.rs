//! Which calls are tried again, and what a failure says.

use std::time::Duration;

use futures::TryStreamExt;
use kvgate_client::{BATCH_ENTRIES_MAX, Client, Code, ErrorKind, PutEntry};
use kvgate_proto::v1;
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use prost::Message;
use serde_json::{Value, json};
use tonic::Status;
use tonic_types::pb;

use crate::stub::{Stub, failure};

fn down() -> Status {
    failure(Code::Unavailable, Some("STORE_UNAVAILABLE"), Some(10))
}

#[tokio::test]
async fn what_may_pass_is_tried_again() -> Outcome {
    let broken = failure(Code::Unavailable, None, None);
    let busy = failure(Code::ResourceExhausted, Some("TOO_MANY_CALLS"), Some(10));
    for fault in [down(), broken, busy] {
        let stub = Stub::start([Some(fault.clone()), Some(fault.clone()), Some(fault)]).await?;
        let found = Client::new(stub.url())?.collection("").get::<Value>("key").await?;
        expect_equal("the value", found, Some(json!({})))?;
        expect_equal("the number of tries", stub.calls().len(), 4)?;
    }
    Ok(())
}

#[tokio::test]
async fn no_more_often_than_told() -> Outcome {
    let stub = Stub::start(vec![Some(down()); 9]).await?;
    let client = Client::builder(stub.url()).attempts_max(3).build()?;
    let error = client.collection("").get::<Value>("key").await.expect_err("down");
    expect_equal("tries", (error.attempts(), stub.calls().len()), (3, 3))?;
    expect_equal("kind", error.kind(), ErrorKind::Unavailable)?;
    expect_equal("reason", error.reason(), Some("STORE_UNAVAILABLE"))?;
    expect_equal("when again", error.retry_after(), Some(Duration::from_millis(10)))
}

#[tokio::test]
async fn what_does_not_pass_is_not() -> Outcome {
    let full = failure(Code::ResourceExhausted, Some("STORE_FULL"), None);
    let stub = Stub::start([Some(full)]).await?;
    let found = Client::new(stub.url())?.collection("").get::<Value>("key").await;
    let error = found.expect_err("full");
    expect_equal("kind", error.kind(), ErrorKind::ResourceExhausted)?;
    expect_equal("tries", (error.attempts(), stub.calls().len()), (1, 1))
}

#[tokio::test]
async fn not_beyond_the_deadline() -> Outcome {
    let later = failure(Code::Unavailable, Some("STORE_UNAVAILABLE"), Some(3_600_000));
    let stub = Stub::start([Some(later)]).await?;
    let found = Client::new(stub.url())?.collection("").get::<Value>("key").await;
    expect_equal("kind", found.expect_err("down").kind(), ErrorKind::Unavailable)?;
    expect_equal("tries", stub.calls().len(), 1)
}

#[tokio::test]
async fn a_stream_before_its_first_answer() -> Outcome {
    let stub = Stub::start([Some(down())]).await?;
    let mut results = Client::new(stub.url())?.collection("").scan("");
    let first = results.try_next().await?.ok_or_else(|| Failure::new("no entry"))?;
    expect_equal("the key", first.key.as_str(), "key")?;
    expect_equal("tries", stub.calls().len(), 2)
}

#[tokio::test]
async fn a_bulk_load_never() -> Outcome {
    let stub = Stub::start([None, Some(down())]).await?;
    let entries = (0..2_500).map(|n| PutEntry::new(n.to_string(), &json!({})));
    let here = Client::new(stub.url())?.collection("");
    let load = here.stream_put_many(futures::stream::iter(entries)).await;
    let error = load.expect_err("down");
    let stored = error.put_many().ok_or_else(|| Failure::new("it doesn't say what is stored"))?;
    expect_equal("acknowledged", stored.acknowledged, BATCH_ENTRIES_MAX as u64)
}

#[tokio::test]
async fn what_an_earlier_try_stored_is_not_known() -> Outcome {
    let sealed = failure(Code::FailedPrecondition, Some("READ_ONLY"), None);
    let stub = Stub::start([Some(down()), Some(sealed)]).await?;
    let put = Client::new(stub.url())?.collection("").put_many([("a", &json!({}))]).await;
    let error = put.expect_err("read only");
    expect_equal("kind", error.kind(), ErrorKind::ReadOnly)?;
    expect(error.put_many().is_some_and(|stored| stored.uncertain), "it may be stored")
}

#[tokio::test]
async fn what_a_failed_load_has_stored() -> Outcome {
    let unavailable = pb::Status { code: Code::Unavailable.into(), ..pb::Status::default() };
    let failed = v1::FailedEntry { index: 1, key: "b".to_owned(), error: Some(unavailable) };
    let detail = v1::PutManyFailure {
        stored_bitmap: vec![0b101, 0b10].into(),
        stored_count: 3,
        uncertain: false,
        first_failures: vec![failed],
    };
    let any = prost_types::Any {
        type_url: "type.googleapis.com/keyvalue.v1.PutManyFailure".to_owned(),
        value: detail.encode_to_vec(),
    };
    let status = failure(Code::Internal, Some("INTERNAL"), None);
    let mut details = pb::Status::decode(status.details())?;
    details.details.push(any);
    let status = Status::with_details(Code::Internal, "", details.encode_to_vec().into());
    let stub = Stub::start([None, Some(status)]).await?;
    let entries = (0..2_000).map(|n| PutEntry::new(n.to_string(), &json!({})));
    let here = Client::new(stub.url())?.collection("");
    let load = here.stream_put_many(futures::stream::iter(entries)).await;
    let error = load.expect_err("made to fail");
    let stored = error.put_many().ok_or_else(|| Failure::new("it doesn't say what is stored"))?;
    expect_equal("acknowledged", stored.acknowledged, 1_000)?;
    expect_equal("stored", &stored.stored, &vec![1_000, 1_002, 1_009])?;
    expect(!stored.uncertain, "it is certain")?;
    let failed = stored.first_failures.first().ok_or_else(|| Failure::new("no entry failed"))?;
    expect_equal("the failed entry", (failed.index, failed.key.as_str()), (1_001, "b"))?;
    expect_equal("why", failed.error.kind(), ErrorKind::Unavailable)
}

#[tokio::test]
async fn a_server_that_is_not_there() -> Outcome {
    // a port that was free a moment ago
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let here = Client::new(format!("http://{address}"))?.collection("");
    let error = here.put_many([("a", &json!({}))]).await.expect_err("nobody listens");
    expect_equal("kind", error.kind(), ErrorKind::Unavailable)?;
    expect_equal("reason and tries", (error.reason(), error.attempts()), (None, 4))?;
    expect(error.put_many().is_some_and(|stored| stored.uncertain), "nothing is known")?;
    expect(error.message().contains("refused"), error)
}

#[tokio::test]
async fn a_deadline_ends_the_call() -> Outcome {
    let stub = Stub::hanging().await?;
    let hurried = Client::builder(stub.url()).timeout(Duration::from_millis(200)).build()?;
    let error = hurried.collection("").put_many([("a", &json!({}))]).await.expect_err("late");
    expect_equal("kind", error.kind(), ErrorKind::DeadlineExceeded)?;
    expect_equal("code", error.code(), Code::DeadlineExceeded)?;
    expect(error.put_many().is_some_and(|stored| stored.uncertain), "it may be stored")?;
    let sent = stub.calls().first().is_some_and(|call| call.contains_key("grpc-timeout"));
    expect(sent, "the server is told the deadline")
}

#[tokio::test]
async fn a_collection_with_a_deadline_of_its_own() -> Outcome {
    let stub = Stub::hanging().await?;
    let here = Client::new(stub.url())?.collection("").with_timeout(Duration::from_millis(200));
    let get = here.get::<Value>("key").await.expect_err("late");
    expect_equal("get", get.kind(), ErrorKind::DeadlineExceeded)?;
    let scan = here.scan("").try_next().await.expect_err("late");
    expect_equal("scan", scan.kind(), ErrorKind::DeadlineExceeded)?;
    let entries = futures::stream::iter([PutEntry::new("a", &json!({}))]);
    let load = here.stream_put_many(entries).await.expect_err("late");
    expect_equal("load", load.kind(), ErrorKind::DeadlineExceeded)
}
