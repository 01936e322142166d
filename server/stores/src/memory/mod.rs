//! Entries in the server's memory.
//!
//! This is the commented template of an adapter. It has three parts, in this
//! order in every adapter:
//!
//! 1. `Config`: the settings, with the names that py-key-value uses, each with a
//!    default and a comment (the comments become the configuration reference).
//! 2. `impl StoreConfig for Config`: makes the store from its settings.
//! 3. `impl Store`: the operations, nothing else. Expiry, limits and names of
//!    errors are [`kvgate_core::LiveStore`]'s work, which is put around it.
//!
//! What is special here: a collection is a cache that evicts, and beside
//! it an ordered index for listing, see `collection.rs`.

mod collection;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use kvgate_core::{
    Capabilities, Clock, Entry, Error, Kind, Limits, ListedKey, Page, PageRequest, Removed, Result,
    Store,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::StoreConfig;
use collection::{Collection, PutRefused};

/// Settings of a Memory store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "the names are py-key-value's")]
pub struct Config {
    /// The most entries of one collection. Over it the least used ones are dropped.
    max_entries_per_collection: NonZeroUsize,
    /// The most collections. A put that would make another one is refused.
    max_collections: NonZeroUsize,
    /// The most bytes of keys and values in all collections together. A put that
    /// would go over it is refused.
    max_size: NonZeroUsize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_entries_per_collection: const { NonZeroUsize::new(1_000_000).unwrap() },
            max_collections: const { NonZeroUsize::new(10_000).unwrap() },
            max_size: const { NonZeroUsize::new(1024 * 1024 * 1024).unwrap() },
        }
    }
}

impl StoreConfig for Config {
    type Store = MemoryStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<MemoryStore> {
        let (size, collections) = (Arc::default(), RwLock::default());
        Ok(MemoryStore { config: self, clock, size, collections })
    }
}

/// A store in the server's memory.
pub struct MemoryStore {
    config: Config,
    clock: Arc<dyn Clock>,
    /// Bytes of keys and values in all collections.
    size: Arc<AtomicUsize>,
    collections: RwLock<Collections>,
}

type Collections = BTreeMap<String, Arc<Collection>>;

impl MemoryStore {
    // a panic can't leave the map half changed: each change of it is one call
    fn read(&self) -> RwLockReadGuard<'_, Collections> {
        self.collections.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Collections> {
        self.collections.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn collection(&self, name: &str) -> Option<Arc<Collection>> {
        self.read().get(name).cloned()
    }

    fn collection_or_new(&self, name: &str) -> Result<Arc<Collection>> {
        if let Some(collection) = self.collection(name) {
            return Ok(collection);
        }
        let mut collections = self.write();
        let max = self.config.max_collections.get();
        if !collections.contains_key(name) && collections.len() >= max {
            collections.retain(|_, collection| !collection.close_if_empty());
            if collections.len() >= max {
                return Err(full("max_collections", max, "collections"));
            }
        }
        let collection = collections.entry(name.to_owned()).or_insert_with(|| {
            let max_entries = self.config.max_entries_per_collection;
            Arc::new(Collection::new(max_entries, Arc::clone(&self.size)))
        });
        Ok(Arc::clone(collection))
    }

    fn put(&self, collection: &str, key: &str, entry: &Entry) -> Result<()> {
        let max_size = self.config.max_size.get();
        loop {
            let target = self.collection_or_new(collection)?;
            match target.put(key, entry, self.clock.now(), max_size) {
                Ok(()) => return Ok(()),
                // deleted since we looked it up: the next look-up makes a new one
                Err(PutRefused::Closed) => {}
                Err(PutRefused::Full) => {
                    return Err(full("max_size", max_size, "bytes"));
                }
            }
        }
    }
}

fn full(name: &'static str, max: usize, what: &str) -> Error {
    let context = format!("the store holds {what} up to its limit of {max} ({name})");
    Error::new(Kind::Full, context).with_limit(name, max as u64)
}

#[async_trait]
impl Store for MemoryStore {
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
        let collection = self.collection(collection);
        let get = |key: &&str| Ok(collection.as_ref().and_then(|collection| collection.get(key)));
        Ok(keys.iter().map(get).collect())
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        Ok(entries.iter().map(|(key, entry)| self.put(collection, key, entry)).collect())
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let collection = self.collection(collection);
        let delete = |key: &&str| {
            let entry = collection.as_ref().and_then(|collection| collection.delete(key));
            Ok(entry.map(|entry| Removed { expires_at: entry.expires_at }))
        };
        Ok(keys.iter().map(delete).collect())
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        match self.collection(collection) {
            Some(collection) => Ok(collection.list(page)),
            None => Ok(Page::empty()),
        }
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let now = self.clock.now();
        let collections = self.read();
        let listed = collections
            .range::<str, _>((page.start(), Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(page.prefix))
            .filter(|(_, collection)| collection.has_live(now))
            .map(|(name, _)| name.clone());
        Ok(Page::of_ordered(listed, page.limit, |name| name))
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        let mut collections = self.write();
        Ok(collections.remove(collection).is_some_and(|collection| collection.close()))
    }

    async fn destroy(&self) -> Result<()> {
        let mut collections = self.write();
        for collection in std::mem::take(&mut *collections).into_values() {
            collection.close();
        }
        Ok(())
    }

    async fn cull(&self) -> Result<u64> {
        let now = self.clock.now();
        let collections = self.read();
        Ok(collections.values().map(|collection| collection.cull(now)).sum())
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl fmt::Display for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { max_entries_per_collection, max_size, .. } = self.config;
        let used = self.size.load(Ordering::Relaxed);
        write!(
            f,
            "memory, at most {max_entries_per_collection} entries a collection, \
             {used} of {max_size} bytes used"
        )
    }
}
