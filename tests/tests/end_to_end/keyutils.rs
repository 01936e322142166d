//! The keyring store on the keys of the Linux kernel: these are the machine's own, so
//! the test takes little and removes it.

use kvgate_tests::client::Collection;
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::server::Server;
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn entries_outlive_the_server() -> Outcome {
    let folder = Folder::new()?;
    let server = folder
        .start(&format!(
            "[stores.main]\ntype = \"keyring\"\nbackend = \"keyutils\"\n\
             service_name = \"kvgate-tests-{}\"\n",
            std::process::id()
        ))
        .await?;
    let here = server.client().await?.collection("", "c");
    let first = here.put("key", r#"{"n":1}"#).await;
    if !kernel_keeps_keys() {
        // as in many containers
        let error = refused(first, "Put", Code::Unavailable, "STORE_UNAVAILABLE")?;
        return expect(error.message.contains("keyring"), error.to_string());
    }
    first?;
    let server = checked(here, server, &folder).await?;
    let here = server.client().await?.collection("", "c");
    for key in ["key", &"k".repeat(4096), &"large".repeat(800)] {
        expect_equal("Delete", here.delete(key).await?, true)?;
        expect_equal("Delete", here.delete(key).await?, false)?;
        expect_equal("Get", here.get(key).await?, None)?;
    }
    Ok(())
}

async fn checked(here: Collection, server: Server, folder: &Folder) -> Outcome<Server> {
    here.put("key", r#"{"n":2}"#).await?;
    let large = format!(r#"{{"pad":"{}"}}"#, "x".repeat(24_000));
    here.put(&"large".repeat(800), large.clone()).await?;
    here.put(&"k".repeat(4096), "{}").await?;
    let too_large = format!(r#"{{"pad":"{}"}}"#, "x".repeat(33_000));
    let (code, reason) = (Code::InvalidArgument, "VALUE_TOO_LARGE");
    let error = refused(here.put("key", too_large).await, "Put", code, reason)?;
    error.expect_metadata("limit_name", "value_bytes_max")?;
    // it is the names and times that make this one too large
    let too_large = format!(r#"{{"pad":"{}"}}"#, "x".repeat(32_750));
    refused(here.put("key", too_large).await, "Put", code, reason)?;
    let listed = here.list_keys("", 0, "").await;
    refused(listed, "ListKeys", Code::Unimplemented, "OPERATION_NOT_SUPPORTED")?;

    server.kill().await?;
    let server = Server::start(&folder.configuration()).await?;
    let here = server.client().await?.collection("", "c");
    expect_equal("Get", here.value("key").await?.as_deref(), Some(br#"{"n":2}"#.as_slice()))?;
    let found = here.value(&"large".repeat(800)).await?;
    expect_equal("Get", found.as_deref(), Some(large.as_bytes()))?;
    Ok(server)
}

/// Whether this process may have keys; it may always look at those it has.
fn kernel_keeps_keys() -> bool {
    std::fs::read_to_string("/proc/keys").is_ok_and(|keys| !keys.is_empty())
}
