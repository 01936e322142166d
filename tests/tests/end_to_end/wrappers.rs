//! What a wrapper does to the store below it, seen with and without it.

use kvgate_tests::client::entry;
use kvgate_tests::failure::{Outcome, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::server::Server;
use tonic::Code;

async fn start(folder: &Folder, wrap: &str) -> Outcome<Server> {
    let directory = folder.path("data");
    let directory = directory.display();
    let store = format!("[stores.main]\ntype = \"disk\"\ndirectory = '{directory}'\n{wrap}\n");
    folder.start(&format!("default_store = \"main\"\n{store}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only() -> Outcome {
    let folder = Folder::new()?;
    let server = start(&folder, "").await?;
    server.client().await?.collection("", "c").put("key", r#"{"a":1}"#).await?;
    server.terminate().await?;

    let server = start(&folder, "wrap = [{ type = \"read_only\" }]").await?;
    let client = server.client().await?;
    let here = client.collection("", "c");
    let streamed = here.stream_put_many(vec![here.batch(vec![entry("key", "{}")])]).await;
    for (call, error) in [
        ("Put", here.put("key", "{}").await.err()),
        ("PutMany", here.put_many(vec![entry("key", "{}")]).await.err()),
        ("StreamPutMany", streamed.map_or_else(Some, |(_, error)| error)),
        ("Delete", here.delete("key").await.err()),
        ("Delete of nothing", here.delete("none").await.err()),
        ("DeleteMany", here.delete_many(&["key"]).await.err()),
        ("DeleteCollection", here.delete_collection().await.err()),
        ("DestroyStore", client.destroy_store("main").await.err()),
        ("Cull", client.cull("main").await.err()),
    ] {
        let answer = error.map_or(Ok(()), Err);
        let error = refused(answer, call, Code::FailedPrecondition, "READ_ONLY")?;
        error.expect_metadata("store", "main")?;
    }
    expect_equal("Get", here.value("key").await?.as_deref(), Some(&br#"{"a":1}"#[..]))?;
    expect_equal("ListKeys", here.keys("", 0).await?, ["key"])?;
    expect_equal("ScanEntries", here.scan("").await?.len(), 1)?;
    expect_equal("ListCollections", client.collections("", "", 0).await?, ["c"])
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes() -> Outcome {
    let folder = Folder::new()?;
    let wrap = "wrap = [{ type = \"prefix_keys\", prefix = \"k\" }, \
                { type = \"prefix_collections\", prefix = \"c\" }]";
    let server = start(&folder, wrap).await?;
    let client = server.client().await?;
    client.collection("", "one").put("key", r#"{"a":1}"#).await?;
    client.collection("", "").put("key", r#"{"a":2}"#).await?;
    server.terminate().await?;

    // Beside what the wrapped store sees, there is what it must not see.
    let server = start(&folder, "").await?;
    let client = server.client().await?;
    let inner = client.collection("", "c__one");
    expect_equal("ListKeys", inner.keys("", 0).await?, ["k__key"])?;
    expect_equal("Get", inner.value("k__key").await?.as_deref(), Some(&br#"{"a":1}"#[..]))?;
    let default = client.collection("", "c__default_collection");
    expect_equal("Get", default.value("k__key").await?.as_deref(), Some(&br#"{"a":2}"#[..]))?;
    inner.put("other", "{}").await?;
    client.collection("", "one").put("k__key", "{}").await?;
    server.terminate().await?;

    let server = start(&folder, wrap).await?;
    let client = server.client().await?;
    let here = client.collection("", "one");
    expect_equal("ListKeys", here.keys("", 0).await?, ["key"])?;
    expect_equal("ScanEntries", here.scan("").await?.len(), 1)?;
    let mut collections = client.collections("", "", 0).await?;
    collections.sort_unstable();
    expect_equal("ListCollections", collections, ["default_collection", "one"])?;
    // Destroying what is seen leaves what is not, or is not offered.
    match client.destroy_store("main").await {
        Ok(()) => {
            expect_equal("ListKeys", here.keys("", 0).await?, Vec::<String>::new())?;
            server.terminate().await?;
            let server = start(&folder, "").await?;
            let unseen = server.client().await?.collection("", "one");
            expect_equal("ListKeys", unseen.keys("", 0).await?, ["k__key"])
        }
        Err(error) => error.expect(Code::Unimplemented, "OPERATION_NOT_SUPPORTED"),
    }
}
