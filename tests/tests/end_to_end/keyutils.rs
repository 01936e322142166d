//! The keyring store on the keys of the Linux kernel: these are the machine's own, so
//! the test takes little and removes it.

use std::process::Command;

use futures::future::join_all;
use kvgate_tests::client::Collection;
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::{Folder, SERVER_SETTINGS};
use kvgate_tests::rpc_error::refused;
use kvgate_tests::server::{Server, binary};
use tonic::Code;

/// Starts the server with a session keyring of its own, as a login has one; others may
/// not use the keys that they make.
async fn start(folder: &Folder) -> Outcome<Server> {
    let mut command = Command::new("keyctl");
    command.args(["session", "-"]).arg(binary()?);
    let started = Server::start_with(command, &folder.configuration()).await;
    started.map_err(|failure| {
        failure.within("keyctl (`tests/backends/install secretservice` installs it)")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_outlive_the_server() -> Outcome {
    let folder = Folder::new()?;
    folder.configure(&format!(
        "{SERVER_SETTINGS}[stores.main]\ntype = \"keyring\"\nbackend = \"keyutils\"\n\
         service_name = \"kvgate-tests-{}\"\n",
        std::process::id()
    ))?;
    let server = start(&folder).await?;
    let here = server.client().await?.collection("", "c");
    let (long, large) = ("k".repeat(4096), format!(r#"{{"pad":"{}"}}"#, "x".repeat(24_000)));
    here.put("key", r#"{"n":1}"#).await?;
    here.put("key", r#"{"n":2}"#).await?;
    here.put(&long, large.clone()).await?;
    expect_limits(&here).await?;
    let listed = here.list_keys("", 0, "").await;
    refused(listed, "ListKeys", Code::Unimplemented, "OPERATION_NOT_SUPPORTED")?;

    server.kill().await?;
    let server = start(&folder).await?;
    let here = server.client().await?.collection("", "c");
    expect_equal("Get", here.value("key").await?.as_deref(), Some(br#"{"n":2}"#.as_slice()))?;
    expect_equal("Get", here.value(&long).await?.as_deref(), Some(large.as_bytes()))?;
    for key in ["key", &long] {
        // of many who delete it, one is told that it was there
        let deleted = join_all((0..16).map(|_| here.delete(key))).await;
        let deleted = deleted.into_iter().collect::<Result<Vec<bool>, _>>()?;
        expect_equal("Delete", deleted.into_iter().filter(|deleted| *deleted).count(), 1)?;
        expect_equal("Get", here.get(key).await?, None)?;
    }
    Ok(())
}

/// A value that is too large by itself, and one that is so with its names and times.
async fn expect_limits(here: &Collection) -> Outcome {
    for bytes in [33_000, 32_750] {
        let value = format!(r#"{{"pad":"{}"}}"#, "x".repeat(bytes));
        let put = here.put("key", value).await;
        let error = refused(put, "Put", Code::InvalidArgument, "VALUE_TOO_LARGE")?;
        error.expect_metadata("limit_name", "value_bytes_max")?;
        error.expect_metadata("limit", "32767")?;
    }
    Ok(())
}

/// A process without a session keyring of its own is told what it lacks.
#[tokio::test(flavor = "multi_thread")]
async fn denied_keys_are_unavailable() -> Outcome {
    let folder = Folder::new()?;
    let server =
        folder.start("[stores.main]\ntype = \"keyring\"\nbackend = \"keyutils\"\n").await?;
    let here = server.client().await?.collection("", "c");
    let Err(error) = here.put("kvgate-tests", "{}").await else {
        // this test was started with one, from a login
        expect_equal("Delete", here.delete("kvgate-tests").await?, true)?;
        return Ok(());
    };
    error.expect(Code::Unavailable, "STORE_UNAVAILABLE")?;
    expect(error.message.contains("session keyring"), error.to_string())
}
