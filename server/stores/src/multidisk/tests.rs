//! What the conformance suite can't see from outside.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kvgate_core::{
    Clock, Entry, Error, Kind, ManualClock, PageRequest, Store, StoreExt, SystemClock, Timestamp,
    Value,
};
use serde_json::json;

use super::{Config, MultiDiskStore};
use crate::StoreConfig;

fn try_open(settings: serde_json::Value) -> Result<MultiDiskStore, Error> {
    try_open_at(settings, Arc::new(SystemClock))
}

fn try_open_at(
    settings: serde_json::Value,
    clock: Arc<dyn Clock>,
) -> Result<MultiDiskStore, Error> {
    let config: Config = serde_json::from_value(settings).expect("settings");
    StoreConfig::open(config, clock)
}

fn open(directory: &Path) -> MultiDiskStore {
    try_open(json!({ "directory": directory })).expect("opens")
}

fn entry() -> Entry {
    Entry {
        value: Value::from_checked(Bytes::from_static(b"{}")),
        created_at: None,
        expires_at: None,
    }
}

fn subdirectories(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

async fn collections(store: &MultiDiskStore, prefix: &str, limit: usize) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { prefix, cursor: cursor.as_deref(), limit };
        let page = store.list_collections(&page).await.expect("a page");
        all.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            all.sort();
            return all;
        }
    }
}

#[tokio::test]
async fn reading_makes_no_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    assert_eq!(store.get("c", "k").await.expect("get"), None);
    assert!(!store.delete("c", "k").await.expect("delete"));
    assert!(!store.delete_collection("c").await.expect("deleted"));
    let page = PageRequest { prefix: "", cursor: None, limit: 1 };
    assert!(store.list_keys("c", &page).await.expect("a page").items.is_empty());
    assert!(subdirectories(directory.path()).is_empty());
}

#[tokio::test]
async fn a_deleted_collection_leaves_an_empty_cache() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    store.put("c", "k", entry()).await.expect("put");
    assert!(directory.path().join("c/cache.db").exists());
    assert!(store.delete_collection("c").await.expect("deleted"));
    assert!(directory.path().join("c/cache.db").exists());
    assert!(collections(&store, "", 10).await.is_empty());
    assert!(!store.delete_collection("c").await.expect("nothing left"));
    store.put("c", "k", entry()).await.expect("put again");
    store.destroy().await.expect("destroyed");
    assert!(collections(&store, "", 10).await.is_empty());
}

#[tokio::test]
async fn lists_collections_by_the_names_they_were_given() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(1));
    let settings = json!({ "directory": directory.path() });
    let store = try_open_at(settings, clock.clone()).expect("opens");
    let names = ["a", "a b", "a/b", "..", "S_x", "con", "é"];
    for name in names {
        store.put(name, "k", entry()).await.expect("put");
    }
    let expired = Entry { expires_at: Some(Timestamp::from_micros(2)), ..entry() };
    store.put("old", "k", expired).await.expect("put");
    clock.set(2);
    fs::create_dir(directory.path().join("empty")).expect("made");
    fs::write(directory.path().join("file"), "other").expect("written");
    for limit in [1, 3, 100] {
        for prefix in ["", "a", "S_", "..", "z"] {
            let mut expected: Vec<_> =
                names.into_iter().filter(|name| name.starts_with(prefix)).collect();
            expected.sort_unstable();
            assert_eq!(collections(&store, prefix, limit).await, expected, "{prefix:?}");
        }
    }
    assert_eq!(store.cull().await.expect("cull"), 1);
    store.check().await.expect("there");
}

#[tokio::test]
async fn opens_no_more_than_it_may() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = json!({ "directory": directory.path(), "max_open_collections": 2 });
    let store = Arc::new(try_open(settings).expect("opens"));
    let calls: Vec<_> = (0..100)
        .map(|i| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let (collection, key) = (format!("c{}", i % 10), format!("k{i}"));
                store.put(&collection, &key, entry()).await.expect("put");
                assert!(store.caches.open_now() <= 2);
                store.get(&collection, &key).await.expect("get").expect("there");
            })
        })
        .collect();
    for call in calls {
        call.await.expect("no panic");
    }
    assert_eq!(collections(&store, "", 100).await.len(), 10);
    assert_eq!(store.get("none", "k").await.expect("get"), None);
    assert!(store.caches.open_now() <= 2);
}

#[tokio::test]
async fn refuses_the_directory_of_a_disk_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = json!({ "directory": directory.path() });
    let disk: crate::disk::Config = serde_json::from_value(settings).expect("settings");
    StoreConfig::open(disk, Arc::new(SystemClock)).expect("opens");
    let Err(error) = try_open(json!({ "directory": directory.path() })) else {
        panic!("it was opened");
    };
    assert_eq!(error.kind(), Kind::Misconfigured);
}

#[tokio::test]
async fn v1_refuses_what_names_no_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = json!({ "directory": directory.path(), "sanitize": "v1" });
    let store = try_open(settings).expect("opens");
    let error = store.put("..", "k", entry()).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::InvalidCollection);
    store.put("a/b", "k", entry()).await.expect("put");
    assert_eq!(subdirectories(directory.path()), ["ab"]);
    assert_eq!(collections(&store, "", 10).await, ["a/b"]);
}
