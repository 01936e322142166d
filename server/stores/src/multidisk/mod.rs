//! Entries in one diskcache directory for each collection, as py-key-value's
//! `MultiDiskStore` keeps them: both may have them open at the same time.
//!
//! Each collection is a `Cache` of `disk/` whose stored keys are the keys
//! themselves. `names.rs` decides the directory, `open.rs` which caches are open.

mod base;
mod names;
mod open;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::io;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use kvgate_core::name::{self, Sanitize};
use kvgate_core::{
    BlockingPool, Capabilities, Clock, Entry, Limits, ListedKey, Page, PageRequest, Removed,
    Result, Store, envelope,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::StoreConfig;
use crate::disk::{Options, StoredEntry, capabilities, default_threads_max};
use crate::local::{self, Durability, directory};
use crate::ordered::{KeyRange, StoredKeys};
use names::directory_name;
use open::{Lease, OpenCaches};

/// The most collections that are looked at for one page of a listing: each has to
/// be opened.
const LOOKED_AT_MAX: usize = 1000;

/// Settings of a `MultiDisk` store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the directories of the collections are. It is made if its parent
    /// exists.
    directory: PathBuf,
    /// The most bytes on disk of each collection; over it the entries that were
    /// stored first are dropped. Without it there is no limit.
    #[serde(default)]
    max_size: Option<NonZeroU64>,
    /// What an acknowledged write survives.
    #[serde(default)]
    durability: Durability,
    /// How collections are stored that no directory can be named after. With `v1`
    /// as py-key-value does it: then `a/b` and `ab` are in the same directory.
    #[serde(default)]
    sanitize: Sanitize,
    /// The most reads at the same time.
    #[serde(default = "default_threads_max")]
    threads_max: NonZeroUsize,
    /// The most collections that are open at the same time; those not used for the
    /// longest time are closed.
    #[serde(default = "default_max_open_collections")]
    max_open_collections: NonZeroUsize,
}

fn default_max_open_collections() -> NonZeroUsize {
    const { NonZeroUsize::new(64).unwrap() }
}

impl StoreConfig for Config {
    type Store = MultiDiskStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<MultiDiskStore> {
        directory::prepare(&self.directory, self.durability)?;
        base::check(&self.directory)?;
        let options = Options {
            max_size: self.max_size,
            durability: self.durability,
            readers_idle_max: self.threads_max.get(),
        };
        let pool = BlockingPool::new(self.threads_max.get());
        let caches = Arc::new(OpenCaches::new(
            self.directory.clone(),
            options,
            Arc::clone(&clock),
            pool.clone(),
            self.max_open_collections.get(),
        ));
        Ok(MultiDiskStore { config: self, clock, pool, caches })
    }
}

/// A store in a diskcache directory for each collection.
pub struct MultiDiskStore {
    config: Config,
    clock: Arc<dyn Clock>,
    pool: BlockingPool,
    caches: Arc<OpenCaches>,
}

impl MultiDiskStore {
    fn stored(&self, collection: &str) -> Result<String> {
        directory_name(collection, self.config.sanitize)
    }

    /// The cache of a collection that was written before. Reading must not make one.
    async fn existing(&self, collection: &str) -> Result<Option<Lease>> {
        self.caches.get(&self.stored(collection)?).await
    }

    /// The names of the directories, sorted, that come after one of them.
    async fn directories_after(&self, cursor: Option<&str>) -> Result<Vec<String>> {
        let (directory, cursor) = (self.config.directory.clone(), cursor.map(str::to_owned));
        let listed = self.pool.run(move || {
            let mut names = directories(&directory).map_err(|e| {
                local::fault(format!("listing directory {}", directory.display()), e)
            })?;
            names.retain(|name| cursor.as_ref().is_none_or(|cursor| name > cursor));
            names.sort_unstable();
            Ok(names)
        });
        listed.await
    }

    /// The collection in the directory `stored` as it was named, if it is to be
    /// listed.
    async fn listed(&self, stored: &str, prefix: &str) -> Result<Option<String>> {
        let sanitize = self.config.sanitize;
        let is_made = sanitize == Sanitize::V1 || name::is_reserved(stored);
        if !is_made && !stored.starts_with(prefix) {
            return Ok(None);
        }
        let Some(lease) = self.caches.get(stored).await? else {
            return Ok(None);
        };
        let (everything, now) = (KeyRange::with_prefix(""), self.clock.now());
        let cache = lease.cache()?;
        let collection = if is_made {
            let read = cache.read(move |snapshot| snapshot.live_collection(&everything, now));
            read.await?
        } else {
            let read = cache.read(move |snapshot| snapshot.has_live(&everything, now));
            read.await?.then(|| stored.to_owned())
        };
        // a name that is stored otherwise leads nobody to this directory
        let leads_here = |collection: &String| {
            self.stored(collection).is_ok_and(|name| name == stored)
                && collection.starts_with(prefix)
        };
        Ok(collection.filter(leads_here))
    }
}

/// The names of all directories below one. Of links nobody knows where they lead
/// before they are followed.
fn directories(base: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        let file_type = entry.file_type()?;
        if file_type.is_dir() || file_type.is_symlink() {
            // a name that is not UTF-8 is none of ours
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

#[async_trait]
impl Store for MultiDiskStore {
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
        let Some(lease) = self.existing(collection).await? else {
            return Ok(keys.iter().map(|_| Ok(None)).collect());
        };
        lease.cache()?.get_many(owned(keys)).await
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let entry = |(key, entry): &(&str, Entry)| StoredEntry {
            key: (*key).to_owned(),
            text: envelope::encode(entry, Some((collection, key))),
            expires_at: entry.expires_at,
        };
        let entries = entries.iter().map(entry).collect();
        let lease = self.caches.get_or_make(&self.stored(collection)?).await?;
        lease.cache()?.put_many(entries).await
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let Some(lease) = self.existing(collection).await? else {
            return Ok(keys.iter().map(|_| Ok(None)).collect());
        };
        lease.cache()?.delete_many(owned(keys)).await
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let Some(lease) = self.existing(collection).await? else {
            return Ok(Page::empty());
        };
        let mut range = KeyRange::with_prefix(page.prefix);
        if let Some(last) = page.cursor {
            range = range.after(last);
        }
        // one more tells whether another page follows
        let listed = lease.cache()?.list(range, page.limit.saturating_add(1));
        let key = |(key, expires_at)| ListedKey { key, expires_at };
        let listed = listed.await?.into_iter().map(key);
        Ok(Page::of_ordered(listed, page.limit, |listed| &listed.key))
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let mut items = Vec::new();
        let names = self.directories_after(page.cursor).await?;
        for (looked_at, stored) in names.into_iter().enumerate() {
            items.extend(self.listed(&stored, page.prefix).await?);
            if items.len() >= page.limit || looked_at >= LOOKED_AT_MAX {
                let next = Some(stored);
                return Ok(Page { items, next });
            }
        }
        Ok(Page { items, next: None })
    }

    /// Leaves an empty cache behind. If it were removed, what another process, or
    /// a put of ours, writes into the files that it still has open would be
    /// acknowledged and gone. A collection without entries isn't listed.
    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        match self.existing(collection).await? {
            Some(lease) => lease.cache()?.clear_all().await,
            None => Ok(false),
        }
    }

    async fn destroy(&self) -> Result<()> {
        for stored in self.directories_after(None).await? {
            if let Some(lease) = self.caches.get(&stored).await? {
                lease.cache()?.clear_all().await?;
            }
        }
        Ok(())
    }

    async fn cull(&self) -> Result<u64> {
        let mut culled = 0;
        for stored in self.directories_after(None).await? {
            if let Some(lease) = self.caches.get(&stored).await? {
                culled += lease.cache()?.cull().await?;
            }
        }
        Ok(culled)
    }

    async fn check(&self) -> Result<()> {
        self.directories_after(None).await.map(drop)
    }
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

impl fmt::Display for MultiDiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (directory, durability) = (self.config.directory.display(), self.config.durability);
        write!(f, "multidisk {directory}, durability {durability}")?;
        match self.config.max_size {
            Some(max_size) => write!(f, ", at most {max_size} bytes a collection"),
            None => Ok(()),
        }
    }
}
