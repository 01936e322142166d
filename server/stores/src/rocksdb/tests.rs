//! What the conformance suite can't see from outside.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use kvgate_core::{
    Clock, Entry, Error, Kind, ManualClock, PageRequest, Store, StoreExt, SystemClock, Timestamp,
    Value,
};
use rocksdb::{DB, IteratorMode, Options};
use serde_json::json;
use tempfile::TempDir;

use super::{Config, RocksDbStore};
use crate::StoreConfig;

fn try_open(settings: serde_json::Value, clock: Arc<dyn Clock>) -> Result<RocksDbStore, Error> {
    let config: Config = serde_json::from_value(settings).expect("settings");
    StoreConfig::open(config, clock)
}

fn open(path: &Path, clock: Arc<dyn Clock>) -> RocksDbStore {
    try_open(json!({ "path": path }), clock).expect("opens")
}

fn new(clock: Arc<dyn Clock>) -> (TempDir, RocksDbStore) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), clock);
    (directory, store)
}

fn refuse(path: &Path) -> Error {
    match try_open(json!({ "path": path }), Arc::new(SystemClock)) {
        Ok(store) => panic!("{store} was opened"),
        Err(error) => error,
    }
}

fn entry(value: &str, expires_at: Option<i64>) -> Entry {
    Entry {
        value: Value::from_checked(Bytes::copy_from_slice(value.as_bytes())),
        created_at: None,
        expires_at: expires_at.map(Timestamp::from_micros),
    }
}

/// The stored keys, as another program sees them.
fn raw_keys(path: &Path) -> Vec<String> {
    let db = DB::open_default(path).expect("a database");
    let keys = db.iterator(IteratorMode::Start).map(|item| item.expect("an entry").0);
    keys.map(|key| String::from_utf8(key.into_vec()).expect("text")).collect()
}

#[tokio::test]
async fn a_compaction_drops_what_has_expired_and_nothing_else() {
    let clock = Arc::new(ManualClock::at(0));
    let (directory, store) = new(Arc::clone(&clock) as _);
    for (key, expires_at) in [("ends", Some(10)), ("lives", Some(11)), ("stays", None)] {
        store.put("c", key, entry("{}", expires_at)).await.expect("put");
    }
    drop(store);
    let db = DB::open_default(directory.path()).expect("a database");
    let unreadable = r#"{"expires_at": "1970-01-01T00:00:00.000005+00:00"}"#;
    db.put("c::unreadable", unreadable).expect("put");
    drop(db);

    let store = open(directory.path(), Arc::clone(&clock) as _);
    clock.set(10);
    store.database.compact();
    drop(store);
    assert_eq!(raw_keys(directory.path()), ["\0layout", "c::lives", "c::stays", "c::unreadable"]);
}

/// A tombstone in the place of what was dropped: without it, an older value below
/// would be seen again.
#[tokio::test]
async fn what_a_compaction_drops_uncovers_nothing() {
    let clock = Arc::new(ManualClock::at(0));
    let (_directory, store) = new(Arc::clone(&clock) as _);
    store.put("c", "k", entry(r#"{"old":1}"#, None)).await.expect("put");
    store.database.compact();
    store.put("c", "k", entry(r#"{"new":1}"#, Some(10))).await.expect("put");
    clock.set(10);
    store.database.compact();
    assert_eq!(store.get("c", "k").await.expect("get"), None);
}

#[tokio::test]
async fn a_cull_goes_through_everything_and_counts_what_it_removes() {
    let clock = Arc::new(ManualClock::at(0));
    let (directory, store) = new(Arc::clone(&clock) as _);
    // several steps, of which some have nothing to remove
    for (collection, expires_at) in [("a", None), ("b", Some(10)), ("c", None)] {
        let keys: Vec<_> = (0..1500).map(|n| format!("{n:04}")).collect();
        let entries: Vec<_> =
            keys.iter().map(|key| (key.as_str(), entry("{}", expires_at))).collect();
        store.put_many(collection, &entries).await.expect("put");
    }
    assert_eq!(store.cull().await.expect("cull"), 0);
    clock.set(10);
    assert_eq!(store.cull().await.expect("cull"), 1500);
    assert_eq!(store.cull().await.expect("cull"), 0);
    drop(store);
    let keys = raw_keys(directory.path());
    assert_eq!(keys.len(), 3001, "with the layout");
    assert!(!keys.iter().any(|key| key.starts_with("b::")));
}

/// Keys expire, are culled and are put again, all at once.
#[tokio::test]
async fn a_cull_removes_nothing_that_was_put_meanwhile() {
    let (_directory, store) = new(Arc::new(ManualClock::at(10)));
    let (store, done) = (Arc::new(store), Arc::new(AtomicBool::new(false)));
    let culling = {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        tokio::spawn(async move {
            let mut culled = 0;
            while !done.load(Relaxed) {
                culled += store.cull().await.expect("cull");
            }
            culled
        })
    };
    for round in 0..2000 {
        let key = format!("k{}", round % 3);
        store.put("c", &key, entry("{}", Some(10))).await.expect("put");
        store.put("c", &key, entry("{}", None)).await.expect("put");
        assert!(store.get("c", &key).await.expect("get").is_some(), "lost in round {round}");
    }
    done.store(true, Relaxed);
    assert!(culling.await.expect("ended") > 0, "no cull came between the puts");
}

#[tokio::test]
async fn says_why_a_directory_can_not_be_used() {
    let base = tempfile::tempdir().expect("a directory");
    let path = |name: &str| base.path().join(name);
    let refused = |name: &str, words: &str| {
        let error = refuse(&path(name));
        assert_eq!(error.kind(), Kind::Misconfigured, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    refused("not/there", "parent does not exist");
    fs::create_dir(path("filled")).expect("made");
    fs::write(path("filled/other.txt"), "other").expect("written");
    refused("filled", "is not empty and has no RocksDB database");
    refused("filled/other.txt", "is not a directory");
    fs::create_dir(path("left")).expect("made");
    fs::write(path("left/000004.log"), "writes").expect("written");
    refused("left", "is not empty and has no RocksDB database");

    let other = DB::open_default(path("other")).expect("a database");
    other.put("key", "value").expect("put");
    refused("other", "open already");
    drop(other);
    refused("other", "this type of store did not make");
    assert_eq!(raw_keys(&path("other")), ["key"]);

    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_comparator("rocksdict", Box::new(|a: &[u8], b: &[u8]| -> Ordering { a.cmp(b) }));
    drop(DB::open(&options, path("python")).expect("a database"));
    refused("python", "this type of store did not make");

    let newer = DB::open_default(path("newer")).expect("a database");
    newer.put("\0layout", "kvgate 2").expect("put");
    drop(newer);
    refused("newer", "newer version");
}

#[tokio::test]
async fn opens_what_a_killed_first_start_has_left() {
    let base = tempfile::tempdir().expect("a directory");
    fs::create_dir(base.path().join("lost+found")).expect("made");
    for file in ["LOCK", "LOG", "IDENTITY", "MANIFEST-000001", "000001.dbtmp"] {
        fs::write(base.path().join(file), "").expect("written");
    }
    open(base.path(), Arc::new(SystemClock));
    // the database was made, the mark of ours was not
    let base = tempfile::tempdir().expect("a directory");
    drop(DB::open_default(base.path()).expect("a database"));
    open(base.path(), Arc::new(SystemClock));
}

#[tokio::test]
async fn notices_that_its_files_were_removed() {
    let (directory, store) = new(Arc::new(SystemClock));
    store.check().await.expect("there");
    for file in fs::read_dir(directory.path()).expect("a directory") {
        fs::remove_file(file.expect("a file").path()).expect("removed");
    }
    let expect_gone = async || {
        for error in [
            store.put("c", "k", entry("{}", None)).await.expect_err("gone"),
            store.get("c", "k").await.expect_err("gone"),
            store.check().await.expect_err("gone"),
        ] {
            assert_eq!(error.kind(), Kind::Unavailable, "{error}");
        }
    };
    expect_gone().await;
    fs::write(directory.path().join("LOCK"), "").expect("written");
    expect_gone().await;
}

/// A page begins after the cursor, whatever has been removed since.
#[tokio::test]
async fn a_page_of_collections_goes_on_where_the_last_one_ended() {
    let (_directory, store) = new(Arc::new(SystemClock));
    let names = ["A", "S_x", "a", "a::b", "a:", "b", "ü"];
    for name in names {
        for key in ["1", "2"] {
            store.put(name, key, entry("{}", None)).await.expect("put");
        }
    }
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { prefix: "", cursor: cursor.as_deref(), limit: 1 };
        let page = store.list_collections(&page).await.expect("a page");
        for name in page.items {
            assert!(store.delete_collection(&name).await.expect("deleted"), "{name}");
            all.push(name);
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    all.sort_unstable();
    let mut expected = names.map(str::to_owned);
    expected.sort_unstable();
    assert_eq!(all, expected);
}
