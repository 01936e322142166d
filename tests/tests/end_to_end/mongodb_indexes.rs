//! The indexes of a MongoDB collection: made where they are missing, done without where
//! the server refuses them.

use std::time::Duration;

use futures::TryStreamExt as _;
use futures::future::try_join_all;
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::running::Running;
use kvgate_tests::setups::ALL;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::{Client, Collection, IndexModel};

const HOUR: Duration = Duration::from_hours(1);

/// A server, and the collection in its backend.
async fn start() -> Outcome<(Running, Collection<Document>)> {
    let setup = ALL.iter().find(|setup| setup.name == "mongodb");
    let running = Running::start(setup.ok_or_else(|| Failure::new("no setup"))?).await?;
    let place = running.python();
    let text = |name: &str| place[name].as_str().unwrap_or_default().to_owned();
    let client = Client::with_uri_str(text("url")).await?;
    let collection = client.database(&text("db_name")).collection("letters");
    Ok((running, collection))
}

/// Name, whether it is unique, and after how long it lets documents expire.
type Index = (String, bool, Option<Duration>);

async fn indexes(collection: &Collection<Document>) -> Outcome<Vec<Index>> {
    let indexes: Vec<IndexModel> = collection.list_indexes().await?.try_collect().await?;
    let mut indexes: Vec<Index> = indexes
        .into_iter()
        .filter_map(|index| index.options)
        .map(|it| (it.name.unwrap_or_default(), it.unique == Some(true), it.expire_after))
        .filter(|(name, ..)| name != "_id_")
        .collect();
    indexes.sort_unstable();
    Ok(indexes)
}

#[tokio::test(flavor = "multi_thread")]
async fn made_where_they_are_missing() -> Outcome {
    let (running, collection) = start().await?;
    collection.insert_one(doc! { "key": "other", "value": { "object": { "n": 1 } } }).await?;
    let here = running.server.client().await?.collection("", "letters");
    expect_equal("Get", here.value("other").await?.as_deref(), Some(br#"{"n":1}"#.as_slice()))?;
    expect_equal("indexes that a read needs", indexes(&collection).await?, Vec::new())?;
    here.put("key", "{}").await?;
    let made = [
        ("expires_at_1".to_owned(), false, Some(Duration::ZERO)),
        ("key_unique".to_owned(), true, None),
    ];
    expect_equal("indexes", indexes(&collection).await?, made.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn done_without_where_they_are_refused() -> Outcome {
    let (running, collection) = start().await?;
    for (n, millis) in [(1, 1_000), (3, 3_000), (2, 2_000)] {
        let created_at = DateTime::from_millis(millis);
        let value = doc! { "object": { "n": n } };
        collection
            .insert_one(doc! { "key": "several", "value": value, "created_at": created_at })
            .await?;
    }
    // of the same name, and it lets nothing expire
    collection.create_index(IndexModel::builder().keys(doc! { "expires_at": 1 }).build()).await?;

    let here = running.server.client().await?.collection("", "letters");
    here.put_for("key", "{}", HOUR).await?;
    let there =
        [("expires_at_1".to_owned(), false, None), ("key_1".to_owned(), false, None)].to_vec();
    expect_equal("indexes", indexes(&collection).await?, there)?;
    let log = running.server.log();
    let told = log.matches("going on without an index").count();
    expect_equal("warnings about indexes", told, 2)?;
    expect(!log.contains("several"), format!("the log shows a key:\n{log}"))?;

    expect(here.ttl("key").await?.ttl.is_some(), "the entry has no time to live")?;
    let found = here.value("several").await?;
    expect_equal("the newest", found.as_deref(), Some(br#"{"n":3}"#.as_slice()))?;
    expect_equal("ListKeys", here.sorted_keys("").await?, owned(&["key", "several"]))?;
    first_writers(&here, &collection).await?;

    here.put("several", r#"{"n":4}"#).await?;
    let found = here.value("several").await?;
    expect_equal("what was put", found.as_deref(), Some(br#"{"n":4}"#.as_slice()))?;
    expect_equal("Delete", here.delete("several").await?, true)?;
    expect_equal("Get", here.get("several").await?, None)?;
    let left = collection.count_documents(doc! { "key": "several" }).await?;
    expect_equal("documents that are left", left, 0)
}

/// Of 64 who put a new key at the same time one makes the document.
async fn first_writers(
    here: &kvgate_tests::client::Collection,
    collection: &Collection<Document>,
) -> Outcome {
    try_join_all((0..64).map(|_| here.put("new", "{}"))).await?;
    let made = collection.count_documents(doc! { "key": "new" }).await?;
    expect_equal("documents of 64 first writers", made, 1)
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
