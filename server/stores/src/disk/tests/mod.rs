//! What the conformance suite can't see from outside.

mod format;
mod opening;
mod reads;
mod writes;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kvgate_core::{
    Clock, Entry, Error, Kind, LiveStore, ManualClock, Outcome, PageRequest, Store, StoreExt,
    SystemClock, Timestamp, Value,
};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::{Config, DiskStore};
use crate::StoreConfig;

fn try_open(settings: serde_json::Value, clock: Arc<dyn Clock>) -> Result<DiskStore, Error> {
    let config: Config = serde_json::from_value(settings).expect("settings");
    StoreConfig::open(config, clock)
}

fn open(directory: &Path) -> DiskStore {
    let settings = json!({ "directory": directory });
    try_open(settings, Arc::new(SystemClock)).expect("opens")
}

fn new() -> (TempDir, DiskStore) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    (directory, store)
}

fn database(directory: &Path) -> Connection {
    Connection::open(directory.join("cache.db")).expect("a database")
}

fn query<T: rusqlite::types::FromSql>(directory: &Path, statement: &str) -> Vec<T> {
    let database = database(directory);
    let mut statement = database.prepare(statement).expect(statement);
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("rows of one type")
}

fn entry(value: &str) -> Entry {
    Entry {
        value: Value::from_checked(Bytes::copy_from_slice(value.as_bytes())),
        created_at: None,
        expires_at: None,
    }
}

/// An entry whose envelope has about so many characters `c`.
fn long(c: char, chars: usize) -> Entry {
    let text: String = std::iter::repeat_n(c, chars).collect();
    entry(&format!("{{\"a\":\"{text}\"}}"))
}

fn expiring(value: &str, micros: i64) -> Entry {
    Entry { expires_at: Some(Timestamp::from_micros(micros)), ..entry(value) }
}

fn value_files(directory: &Path) -> usize {
    let is_directory = |path: &Path| path.is_dir();
    let entries = fs::read_dir(directory).expect("a directory");
    entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let is_value = path.extension().is_some_and(|ending| ending == "val");
            let below = if is_directory(&path) { value_files(&path) } else { 0 };
            usize::from(is_value) + below
        })
        .sum()
}

async fn collections(store: &impl Store, prefix: &str, limit: usize) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { prefix, cursor: cursor.as_deref(), limit };
        let page = store.list_collections(&page).await.expect("a page");
        assert!(page.items.len() <= limit);
        all.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}
