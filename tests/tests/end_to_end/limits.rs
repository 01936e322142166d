//! The limits that the configuration sets.

use kvgate_tests::client::{Batches, entry};
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::rpc_error::{refused, refused_field};
use kvgate_tests::server::Server;
use kvgate_tests::wait::until;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

async fn start(folder: &Folder, limits: &str) -> Outcome<Server> {
    let stores = "[stores.main]\ntype = \"memory\"\nmax_entries_per_collection = 100\n";
    folder.start(&format!("default_store = \"main\"\n[server.limits]\n{limits}\n{stores}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls() -> Outcome {
    let folder = Folder::new()?;
    let server = start(&folder, "concurrent_calls_max = 2").await?;
    let client = server.client().await?;
    let here = client.collection("", "c");
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut batches = Batches::open(&client).await?;
        batches.send(here.batch(Vec::new())).await?;
        expect_equal("StreamPutMany", batches.acknowledged().await?, Some(0))?;
        open.push(batches);
    }
    let answer = here.get("key").await;
    let error = refused(answer, "Get", Code::ResourceExhausted, "TOO_MANY_CALLS")?;
    error.expect_metadata("limit", "2")?;
    error.expect_metadata("limit_name", "concurrent_calls_max")?;
    error.expect_retry()?;
    // a busy server is alive
    HealthClient::new(client.channel()).check(HealthCheckRequest::default()).await?;
    open.pop();
    until("a call is admitted again", async || Ok(here.get("key").await.ok().map(|_| ()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_per_call() -> Outcome {
    let folder = Folder::new()?;
    let server = start(&folder, "keys_per_call_max = 3").await?;
    let here = server.client().await?.collection("", "c");
    expect_equal("GetMany", here.get_many(&["a", "b", "c"]).await?.len(), 3)?;
    let answer = here.get_many(&["a", "b", "c", "d"]).await;
    let error = refused_field(answer, "GetMany", "TOO_MANY_KEYS", "keys")?;
    error.expect_metadata("limit", "3")
}

#[tokio::test(flavor = "multi_thread")]
async fn names_values_and_nesting() -> Outcome {
    let folder = Folder::new()?;
    let limits = "key_bytes_max = 10\ncollection_bytes_max = 20\nvalue_bytes_max = 20\n\
                  json_depth_max = 2";
    let server = start(&folder, limits).await?;
    let client = server.client().await?;
    let here = client.collection("", "c");
    here.put("0123456789", r#"{"a":"12345678901"}"#).await?;
    refused_field(here.get("01234567890").await, "Get", "INVALID_KEY", "key")?;
    let there = client.collection("", "012345678901234567890");
    refused_field(there.get("key").await, "Get", "INVALID_COLLECTION", "collection")?;
    let answer = here.put("key", r#"{"a":"1234567890123"}"#).await;
    let error = refused_field(answer, "Put", "VALUE_TOO_LARGE", "value")?;
    error.expect_metadata("limit", "20")?;
    error.expect_metadata("limit_name", "value_bytes_max")?;
    here.put("key", r#"{"a":[]}"#).await?;
    refused_field(here.put("key", r#"{"a":[[]]}"#).await, "Put", "INVALID_VALUE", "value")?;
    let store = client.get_store("").await?.limits.unwrap_or_default();
    let found = (store.key_bytes_max, store.collection_bytes_max, store.value_bytes_max);
    let known = [(10, 20, 20), (0, 0, 0)].contains(&found);
    expect(known, format!("the store's limits are {found:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn message_bytes() -> Outcome {
    let folder = Folder::new()?;
    let server = start(&folder, "message_bytes_max = 16777216").await?;
    let here = server.client().await?.collection("", "c");
    let value = format!(r#"{{"pad":"{}"}}"#, "x".repeat(10 << 20));
    here.put("key", value.clone()).await?;
    let found = here.value("key").await?;
    expect(found.is_some_and(|found| found == value), "10 MiB did not come back")?;
    let value = format!(r#"{{"pad":"{}"}}"#, "x".repeat(17 << 20));
    let answer = here.put("key", value).await;
    refused(answer, "Put", Code::ResourceExhausted, "REQUEST_TOO_LARGE")?
        .expect_metadata("limit", "16777216")
}

/// A memory store drops entries to stay within its bound.
#[tokio::test(flavor = "multi_thread")]
async fn entries_of_a_memory_collection() -> Outcome {
    let folder = Folder::new()?;
    let server = start(&folder, "").await?;
    let here = server.client().await?.collection("", "c");
    for first in (0..5_000).step_by(500) {
        let entries = (first..first + 500).map(|n| entry(format!("key-{n}"), "{}"));
        here.put_many(entries.collect()).await?;
    }
    until("at most 100 entries are left", async || {
        Ok((here.keys("", 0).await?.len() <= 100).then_some(()))
    })
    .await
}
