//! Streams of any length, left early, and loads that fail half-way.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use kvgate_client::{Client, ErrorKind, PutEntry};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use serde_json::{Value, json};

use crate::stub::Stub;

const STORES: &str = "default_store = \"main\"\n[stores.main]\ntype = \"memory\"\n\
                      [stores.sealed]\ntype = \"memory\"\nwrap = [{ type = \"read_only\" }]\n";

const COUNT: u64 = 30_000;

fn entry(n: u64) -> PutEntry {
    PutEntry::new(format!("key-{n}"), &json!({ "n": n }))
}

#[tokio::test]
async fn any_number_of_entries() -> Outcome {
    let folder = Folder::new()?;
    let server = folder.start(STORES).await?;
    let here = Client::new(server.place())?.collection("many");
    let mut told = Vec::new();
    let entries = futures::stream::iter((0..COUNT).map(entry));
    let stored = here.stream_put_many(entries).on_stored(|stored| told.push(stored)).await?;
    expect_equal("stored", stored, COUNT)?;
    expect(told.is_sorted() && told.last() == Some(&COUNT) && told.len() > 1, "told as it goes")?;

    // so many that they take several requests
    let keys = (0..4 * COUNT).map(|n| format!("key-{}", n % COUNT));
    let mut results = here.stream_get_many(futures::stream::iter(keys));
    let mut n = 0;
    while let Some(result) = results.try_next().await? {
        let expected = json!({ "n": n % COUNT });
        expect_equal(result.key.clone(), result.parse::<Value>()?, Some(expected))?;
        n += 1;
    }
    expect_equal("results", n, 4 * COUNT)?;
    let scanned: Vec<_> = here.scan("key-1").try_collect().await?;
    let expected = (0..COUNT).filter(|n| n.to_string().starts_with('1')).count();
    expect_equal("scanned", scanned.len(), expected)?;
    server.terminate().await
}

#[tokio::test]
async fn entries_of_several_collections() -> Outcome {
    let folder = Folder::new()?;
    let server = folder.start(STORES).await?;
    let client = Client::new(server.place())?;
    let entries = (0..5_000).map(|n| (Arc::from(format!("collection-{}", n % 3)), entry(n)));
    let stored = client.stream_put_many(futures::stream::iter(entries)).await?;
    expect_equal("stored", stored, 5_000)?;
    let mut collections: Vec<_> = client.list_collections("").try_collect().await?;
    collections.sort_unstable();
    expect_equal("collections", collections, ["collection-0", "collection-1", "collection-2"])
}

#[tokio::test]
async fn a_bad_entry_says_where_it_stands() -> Outcome {
    let folder = Folder::new()?;
    let server = folder.start(STORES).await?;
    let here = Client::new(server.place())?.collection("bad");
    let unwritable = std::collections::HashMap::from([((1, 2), 3)]);
    for (bad, field) in [
        (PutEntry::new("", &json!({})), "entries[3000].key"),
        (PutEntry::new("key", &unwritable), "entries[3000].value"),
    ] {
        let entries = (0..3_000).map(entry).chain([bad]);
        let load = here.stream_put_many(futures::stream::iter(entries)).await;
        let error = load.expect_err("a bad entry");
        expect_equal("kind", error.kind(), ErrorKind::InvalidArgument)?;
        expect_equal("field", error.field(), Some(field))?;
        expect(error.put_many().is_some(), "it says what is stored")?;
    }
    server.terminate().await
}

#[tokio::test]
async fn the_status_of_a_load_that_ends_early() -> Outcome {
    let folder = Folder::new()?;
    let server = folder.start(STORES).await?;
    let here = Client::new(server.place())?.with_store("sealed").collection("sealed");
    let value = json!({ "text": "x".repeat(2_000) });
    for _ in 0..5 {
        // without end: it ends when the server does
        let entries = futures::stream::repeat_with(|| PutEntry::new("key", &value));
        let error = here.stream_put_many(entries).await.expect_err("read only");
        expect_equal("kind", error.kind(), ErrorKind::ReadOnly)?;
        let stored = error.put_many().ok_or_else(|| Failure::new("nothing is said"))?;
        expect_equal("stored", (stored.acknowledged, stored.uncertain), (0, false))?;
    }
    server.terminate().await
}

#[tokio::test]
async fn a_stream_left_early_ends_on_the_server() -> Outcome {
    let stub = Stub::start([]).await?;
    let client = Client::new(stub.url())?;
    let mut results = client.collection("").scan("");
    expect(results.next().await.is_some(), "an entry")?;
    drop(results);
    stub.cancelled().await;
    Ok(())
}
