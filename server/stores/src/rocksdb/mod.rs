//! Entries in a `RocksDB` database of this server's own.
//!
//! The stored form is plain: the key is the compound key, in the order of its bytes,
//! the value is the envelope. It is not that of py-key-value, whose library between
//! (rocksdict) has an order of keys and a coding of values of its own, and which
//! could not have the database open at the same time anyway.
//!
//! From the outside in:
//!
//! - this file: settings and the store; a collection is a prefix of the stored keys
//! - `database.rs`: the operations on stored keys and envelopes; they block
//! - `behind.rs`: how long a write waits for the writes before it
//! - `opening.rs`: how a database is made and opened
//! - `stripes.rs`: who may change a key while another looks at it
//! - `fault.rs`: errors

mod behind;
mod database;
mod fault;
mod opening;
mod stripes;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use kvgate_core::name::{self, Sanitize};
use kvgate_core::{
    BlockingPool, Capabilities, Clock, Entry, Limits, ListedKey, Page, PageRequest, Removed,
    Result, Store, envelope,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StoreConfig;
use crate::local::Durability;
use crate::ordered::{self, KeyRange, Listing};
use database::Database;

/// Settings of a `RocksDB` store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The directory of the database. It is made if its parent exists. It must be
    /// empty, or one that this type of store made: py-key-value's `RocksDB` databases
    /// have another form. Only one server at a time can have it open.
    path: PathBuf,
    /// What an acknowledged write survives.
    #[serde(default)]
    durability: Durability,
    /// What to do when the log of the latest writes is damaged. One that ends within
    /// a write, as a killed server may leave it, is not.
    #[serde(default)]
    damaged_log: DamagedLog,
    /// How the table files are compressed.
    #[serde(default)]
    compression: Compression,
    /// The most bytes of the cache for what is read from table files, their indexes
    /// and filters included.
    #[serde(default = "default_block_cache_bytes_max")]
    block_cache_bytes_max: NonZeroUsize,
    /// How many bytes of writes are gathered in memory (and in the log) before they
    /// become a table file. Two such buffers may be in memory; `RocksDB` takes 64 KiB
    /// at least. After a full disk, writing goes on once there is room for one.
    #[serde(default = "default_write_buffer_bytes")]
    write_buffer_bytes: NonZeroUsize,
    /// The most reads and writes at the same time. Writes that wait for the disk at
    /// the same time wait for it together.
    #[serde(default = "default_threads_max")]
    threads_max: NonZeroUsize,
}

fn default_block_cache_bytes_max() -> NonZeroUsize {
    const { NonZeroUsize::new(64 * 1024 * 1024).unwrap() }
}

fn default_write_buffer_bytes() -> NonZeroUsize {
    const { NonZeroUsize::new(64 * 1024 * 1024).unwrap() }
}

fn default_threads_max() -> NonZeroUsize {
    const { NonZeroUsize::new(16).unwrap() }
}

/// What to do when the log of the latest writes is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DamagedLog {
    /// Don't open the database: acknowledged writes would be missing from it.
    #[default]
    Refuse,
    /// Go on with the writes before the damage; those after it are lost.
    Cut,
}

/// How table files are compressed. Each can be read whatever is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// By LZ4.
    #[default]
    Lz4,
}

impl StoreConfig for Config {
    type Store = RocksDbStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<RocksDbStore> {
        let database = Arc::new(Database::open(&self, Arc::clone(&clock))?);
        let pool = BlockingPool::new(self.threads_max.get());
        Ok(RocksDbStore { config: self, clock, database, pool })
    }
}

/// A store in one `RocksDB` database.
pub struct RocksDbStore {
    config: Config,
    clock: Arc<dyn Clock>,
    database: Arc<Database>,
    pool: BlockingPool,
}

impl RocksDbStore {
    /// Does something with the database on a thread that may block.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let database = Arc::clone(&self.database);
        self.pool.run(move || work(&database)).await
    }
}

/// Under which name a collection stands in stored keys.
fn stored(collection: &str) -> String {
    ordered::stored_name(collection, Sanitize::Auto)
}

fn stored_keys(collection: &str, keys: &[&str]) -> Vec<String> {
    let stored = stored(collection);
    keys.iter().map(|key| name::compound(&stored, key)).collect()
}

#[async_trait]
impl Store for RocksDbStore {
    fn capabilities(&self) -> Capabilities {
        // a lock keeps other processes out
        Capabilities { shared: false, ..Capabilities::FULL }
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let keys = stored_keys(collection, keys);
        self.run(move |database| database.get(&keys)).await
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let stored = stored(collection);
        let envelope = |(key, entry): &(&str, Entry)| {
            (name::compound(&stored, key), envelope::encode(entry, Some((collection, key))))
        };
        let envelopes: Vec<_> = entries.iter().map(envelope).collect();
        self.run(move |database| database.put(&envelopes)).await?;
        Ok(entries.iter().map(|_| Ok(())).collect())
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let keys = stored_keys(collection, keys);
        self.run(move |database| database.delete(&keys)).await
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let stored = stored(collection);
        let first = name::compound(&stored, page.prefix);
        let mut range = KeyRange::with_prefix(&first);
        if let Some(last) = page.cursor {
            range = range.after(&name::compound(&stored, last));
        }
        let before_key = first.len() - page.prefix.len();
        // one more tells whether another page follows
        let keys_max = page.limit.saturating_add(1);
        let listed = self.run(move |database| database.list(&range, keys_max)).await?;
        let listed = listed
            .into_iter()
            .map(|(key, expires_at)| ListedKey { key: key[before_key..].to_owned(), expires_at });
        Ok(Page::of_ordered(listed, page.limit, |listed| &listed.key))
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let listing = Listing::new(page, Sanitize::Auto, self.clock.now());
        self.run(move |database| listing.read(database)).await
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        let (range, now) = (ordered::range_of(&stored(collection)), self.clock.now());
        self.run(move |database| database.clear(&range, now)).await
    }

    async fn destroy(&self) -> Result<()> {
        self.run(Database::clear_all).await
    }

    async fn cull(&self) -> Result<u64> {
        let now = self.clock.now();
        let (mut culled, mut rest) = (0, Some(KeyRange::with_prefix("")));
        // some at a time: others get their turn in between
        while let Some(range) = rest {
            let removed;
            (removed, rest) = self.run(move |database| database.cull(range, now)).await?;
            culled += removed;
        }
        Ok(culled)
    }

    async fn check(&self) -> Result<()> {
        self.run(Database::check).await
    }
}

impl fmt::Display for RocksDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, durability) = (self.config.path.display(), self.config.durability);
        write!(f, "rocksdb {path}, durability {durability}")
    }
}
