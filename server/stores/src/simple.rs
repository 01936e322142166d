//! Entries in a plain ordered map. For tests, and to read: nothing here is clever.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use kvgate_core::{
    Capabilities, Clock, Entry, Limits, ListedKey, Page, PageRequest, Removed, Result, Store,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::StoreConfig;

/// Settings of a Simple store.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The most entries of all collections together; the oldest goes first.
    #[serde(default = "default_max_entries")]
    max_entries: NonZeroUsize,
}

fn default_max_entries() -> NonZeroUsize {
    const { NonZeroUsize::new(100_000).unwrap() }
}

impl StoreConfig for Config {
    type Store = SimpleStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<SimpleStore> {
        let collections = RwLock::default();
        Ok(SimpleStore { max_entries: self.max_entries.get(), clock, collections })
    }
}

type Collections = BTreeMap<String, BTreeMap<String, Entry>>;

/// A store in a plain map.
#[derive(Debug)]
pub struct SimpleStore {
    max_entries: usize,
    clock: Arc<dyn Clock>,
    collections: RwLock<Collections>,
}

impl SimpleStore {
    // a panic elsewhere can't leave the map half changed: each change is one call
    fn read(&self) -> RwLockReadGuard<'_, Collections> {
        self.collections.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Collections> {
        self.collections.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the oldest entry of all.
fn evict_oldest(collections: &mut Collections) {
    let entries = collections
        .iter()
        .flat_map(|(collection, entries)| entries.iter().map(move |entry| (collection, entry)));
    let oldest = entries.min_by_key(|(_, (_, entry))| entry.created_at);
    if let Some((collection, (key, _))) = oldest {
        let (collection, key) = (collection.clone(), key.clone());
        collections.get_mut(&collection).map(|entries| entries.remove(&key));
    }
}

#[async_trait]
impl Store for SimpleStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { persistent: false, shared: false, evicts: true, ..Capabilities::FULL }
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let collections = self.read();
        let entries = collections.get(collection);
        Ok(keys
            .iter()
            .map(|key| Ok(entries.and_then(|entries| entries.get(*key)).cloned()))
            .collect())
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let mut collections = self.write();
        for (key, entry) in entries {
            let known = collections.get(collection).is_some_and(|all| all.contains_key(*key));
            if !known && collections.values().map(BTreeMap::len).sum::<usize>() >= self.max_entries
            {
                evict_oldest(&mut collections);
            }
            let all = collections.entry(collection.to_owned()).or_default();
            all.insert((*key).to_owned(), entry.detached());
        }
        Ok(entries.iter().map(|_| Ok(())).collect())
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let mut collections = self.write();
        let Some(entries) = collections.get_mut(collection) else {
            return Ok(keys.iter().map(|_| Ok(None)).collect());
        };
        let removed = keys.iter().map(|key| {
            let entry = entries.remove(*key);
            Ok(entry.map(|entry| Removed { expires_at: entry.expires_at }))
        });
        Ok(removed.collect())
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let collections = self.read();
        let Some(entries) = collections.get(collection) else {
            return Ok(Page::empty());
        };
        let listed = entries
            .range::<str, _>((page.start(), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(page.prefix))
            .map(|(key, entry)| ListedKey { key: key.clone(), expires_at: entry.expires_at });
        Ok(Page::of_ordered(listed, page.limit, |listed| &listed.key))
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let now = self.clock.now();
        let collections = self.read();
        let listed = collections
            .range::<str, _>((page.start(), Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(page.prefix))
            .filter(|(_, entries)| entries.values().any(|entry| entry.is_live(now)))
            .map(|(name, _)| name.clone());
        Ok(Page::of_ordered(listed, page.limit, |name| name))
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        Ok(self.write().remove(collection).is_some_and(|entries| !entries.is_empty()))
    }

    async fn destroy(&self) -> Result<()> {
        self.write().clear();
        Ok(())
    }

    async fn cull(&self) -> Result<u64> {
        let now = self.clock.now();
        let mut culled = 0;
        for entries in self.write().values_mut() {
            let before = entries.len();
            entries.retain(|_, entry| entry.is_live(now));
            culled += (before - entries.len()) as u64;
        }
        Ok(culled)
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl fmt::Display for SimpleStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "simple, at most {} entries", self.max_entries)
    }
}
