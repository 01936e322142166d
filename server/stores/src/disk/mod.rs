//! Entries in a diskcache directory, the one that py-key-value's `DiskStore` keeps:
//! both may have it open at the same time.
//!
//! From the outside in:
//!
//! - this file: settings and the store; a collection is a prefix of the stored keys
//! - `cache.rs`: a directory of stored keys and envelopes, all that `multidisk` needs
//! - writing: `queue.rs` (group commit) → `batch.rs` (one transaction, its files)
//!   → `writing.rs` (its statements)
//! - reading: `readers.rs` (connections) → `snapshot.rs` (what one of them sees)
//! - `schema.rs` (opening), `files.rs` (long values), `fault.rs` (errors)

mod batch;
mod cache;
mod change;
pub(crate) mod fault;
mod files;
mod queue;
mod readers;
mod schema;
mod snapshot;
#[cfg(test)]
mod tests;
mod writing;

use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use kvgate_core::name::{self, Sanitize};
use kvgate_core::{
    BlockingPool, Capabilities, Clock, Entry, Limits, ListedKey, Page, PageRequest, Removed,
    Result, Store, envelope,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use cache::{Cache, StoredEntry};

use crate::StoreConfig;
use crate::local::{Durability, directory};
use crate::ordered::{self, KeyRange, Listing};

/// Settings of a Disk store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the entries are kept. It is made if its parent exists. It must be
    /// empty, or one that kvgate or diskcache (py-key-value) made.
    directory: PathBuf,
    /// The most bytes on disk; over it the entries that were stored first are
    /// dropped. Without it there is no limit.
    #[serde(default)]
    max_size: Option<NonZeroU64>,
    /// What an acknowledged write survives.
    #[serde(default)]
    durability: Durability,
    /// How collections are stored that the form of the keys has no room for. With
    /// `v1` as they are, as py-key-value does it: then a collection `a::b` and keys
    /// of a collection `a` that begin with `b::` are the same.
    #[serde(default)]
    sanitize: Sanitize,
    /// The most reads at the same time.
    #[serde(default = "default_threads_max")]
    threads_max: NonZeroUsize,
}

pub(crate) fn default_threads_max() -> NonZeroUsize {
    const { NonZeroUsize::new(4).unwrap() }
}

/// How a cache is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) max_size: Option<NonZeroU64>,
    pub(crate) durability: Durability,
    /// How many connections for reading stay open.
    pub(crate) readers_idle_max: usize,
}

impl StoreConfig for Config {
    type Store = DiskStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<DiskStore> {
        directory::prepare(&self.directory, self.durability)?;
        let options = Options {
            max_size: self.max_size,
            durability: self.durability,
            readers_idle_max: self.threads_max.get(),
        };
        let pool = BlockingPool::new(self.threads_max.get());
        let cache = Cache::open(&self.directory, options, Arc::clone(&clock), pool)?;
        Ok(DiskStore { config: self, clock, cache })
    }
}

/// A store in one diskcache directory.
pub struct DiskStore {
    config: Config,
    clock: Arc<dyn Clock>,
    cache: Cache,
}

impl DiskStore {
    /// Under which name a collection stands in stored keys.
    fn stored(&self, collection: &str) -> String {
        ordered::stored_name(collection, self.config.sanitize)
    }

    fn stored_keys(&self, collection: &str, keys: &[&str]) -> Vec<String> {
        let stored = self.stored(collection);
        keys.iter().map(|key| name::compound(&stored, key)).collect()
    }
}

#[async_trait]
impl Store for DiskStore {
    fn capabilities(&self) -> Capabilities {
        capabilities(self.config.max_size)
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        self.cache.get_many(self.stored_keys(collection, keys)).await
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let stored = self.stored(collection);
        let entry = |(key, entry): &(&str, Entry)| StoredEntry {
            key: name::compound(&stored, key),
            text: envelope::encode(entry, Some((collection, key))),
            expires_at: entry.expires_at,
        };
        self.cache.put_many(entries.iter().map(entry).collect()).await
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        self.cache.delete_many(self.stored_keys(collection, keys)).await
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let stored = self.stored(collection);
        let first = name::compound(&stored, page.prefix);
        let mut range = KeyRange::with_prefix(&first);
        if let Some(last) = page.cursor {
            range = range.after(&name::compound(&stored, last));
        }
        // one more tells whether another page follows
        let listed = self.cache.list(range, page.limit.saturating_add(1)).await?;
        let before_key = first.len() - page.prefix.len();
        let listed = listed
            .into_iter()
            .map(|(key, expires_at)| ListedKey { key: key[before_key..].to_owned(), expires_at });
        Ok(Page::of_ordered(listed, page.limit, |listed| &listed.key))
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let listing = Listing::new(page, self.config.sanitize, self.clock.now());
        self.cache.read(move |snapshot| listing.read(snapshot)).await
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        let range = ordered::range_of(&self.stored(collection));
        self.cache.clear(range).await
    }

    async fn destroy(&self) -> Result<()> {
        self.cache.clear_all().await.map(drop)
    }

    async fn cull(&self) -> Result<u64> {
        self.cache.cull().await
    }

    async fn check(&self) -> Result<()> {
        self.cache.check().await
    }
}

/// What stores of diskcache directories can do.
pub(crate) fn capabilities(max_size: Option<NonZeroU64>) -> Capabilities {
    Capabilities { evicts: max_size.is_some(), ..Capabilities::FULL }
}

impl fmt::Display for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (directory, durability) = (self.config.directory.display(), self.config.durability);
        write!(f, "disk {directory}, durability {durability}")?;
        match self.config.max_size {
            Some(max_size) => write!(f, ", at most {max_size} bytes"),
            None => Ok(()),
        }
    }
}
