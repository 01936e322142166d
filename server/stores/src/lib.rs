//! The store adapters of kvgate.
//!
//! One file or folder a store, each behind a cargo feature of the same name;
//! [`STORE_TYPES`] is the registry. Start reading with `memory.rs`: it is the
//! commented template of an adapter.

use std::sync::Arc;

use kvgate_core::{Clock, Result, SettingsError, Stability, Store, read_settings};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;

#[cfg(feature = "aws")]
mod aws;
#[cfg(any(feature = "filetree", feature = "registry"))]
mod blocking;
#[cfg(feature = "disk")]
pub mod disk;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "elasticsearch")]
pub mod elasticsearch;
#[cfg(feature = "filetree")]
pub mod filetree;
#[cfg(feature = "keyring")]
pub mod keyring;
#[cfg(any(feature = "disk", feature = "rocksdb"))]
mod local;
#[cfg(feature = "memcached")]
pub mod memcached;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "multidisk")]
pub mod multidisk;
#[cfg(feature = "null")]
pub mod null;
#[cfg(feature = "opensearch")]
pub mod opensearch;
#[cfg(any(feature = "disk", feature = "rocksdb"))]
mod ordered;
#[cfg(any(feature = "filetree", feature = "registry"))]
mod pages;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "registry")]
pub mod registry;
#[cfg(feature = "rocksdb")]
pub mod rocksdb;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(feature = "simple")]
pub mod simple;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "valkey")]
pub mod valkey;
#[cfg(feature = "vault")]
pub mod vault;

/// A type of store as the configuration names it.
#[derive(Clone, Copy, Debug)]
pub struct StoreType {
    /// The one word for it: `type` in the configuration, cargo feature, setup of
    /// the tests, metric label.
    pub word: &'static str,
    /// Its name in prose.
    pub title: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// What is promised about the stored form.
    pub stability: Stability,
    /// Whether it is meant for more than tests.
    pub for_production: bool,
    /// What its stored entries are read and written with by the tests.
    pub tested_with: &'static str,
    /// How to make one; nothing if it was not compiled in.
    pub adapter: Option<Adapter>,
}

/// How to make a store of a type that is compiled in.
#[derive(Clone, Copy, Debug)]
pub struct Adapter {
    /// Reads the store's own settings.
    pub configure: fn(Value) -> Result<Box<dyn Configured>, SettingsError>,
    /// The JSON schema of the settings.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Adapter {
    /// The adapter that is made from these settings.
    pub const fn of<C: StoreConfig>() -> Self {
        Self {
            configure: |settings| Ok(Box::new(read_settings::<C>(settings)?)),
            schema: C::json_schema,
        }
    }
}

/// The settings of one type of store: implemented by each adapter's `Config`.
pub trait StoreConfig: DeserializeOwned + JsonSchema + Send + 'static {
    /// The adapter that is made from them.
    type Store: Store;

    /// Makes the adapter. Opens what is local and reports what only a person can
    /// mend; it does not wait for a backend that is down: that is what
    /// [`Store::check`] finds, and calls find again until it is back.
    fn open(self, clock: Arc<dyn Clock>) -> Result<Self::Store>;
}

/// Settings that were read, whatever the type of their store.
pub trait Configured: Send {
    /// Makes the store that is configured as `name`.
    fn open(self: Box<Self>, name: &str, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>>;
}

impl<C: StoreConfig> Configured for C {
    fn open(self: Box<Self>, name: &str, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>> {
        let adapter = StoreConfig::open(*self, Arc::clone(&clock)).map_err(|e| e.in_store(name))?;
        Ok(Arc::new(kvgate_core::LiveStore::new(name, clock, adapter)))
    }
}

/// The type of store that the configuration calls `word`.
pub fn find(word: &str) -> Option<&'static StoreType> {
    STORE_TYPES.iter().find(|store_type| store_type.word == word)
}

/// The adapter of a `Config`, if its feature is on.
macro_rules! adapter {
    ($feature:literal, $config:path) => {{
        #[cfg(feature = $feature)]
        let adapter = Some(Adapter::of::<$config>());
        #[cfg(not(feature = $feature))]
        let adapter = None;
        adapter
    }};
}

/// Every type of store, compiled in or not, in the order of the documentation.
pub static STORE_TYPES: &[StoreType] = &[
    StoreType {
        word: "memory",
        title: "Memory",
        summary: "in the server's memory, bounded, the least used entries go first",
        stability: Stability::NotApplicable,
        for_production: true,
        tested_with: "itself",
        adapter: adapter!("memory", memory::Config),
    },
    StoreType {
        word: "simple",
        title: "Simple",
        summary: "in a plain map, for tests",
        stability: Stability::NotApplicable,
        for_production: false,
        tested_with: "itself",
        adapter: adapter!("simple", simple::Config),
    },
    StoreType {
        word: "null",
        title: "Null",
        summary: "keeps nothing, for tests",
        stability: Stability::NotApplicable,
        for_production: false,
        tested_with: "itself",
        adapter: adapter!("null", null::Config),
    },
    StoreType {
        word: "disk",
        title: "Disk",
        summary: "a diskcache directory (SQLite)",
        stability: Stability::Stable,
        for_production: true,
        tested_with: "itself and py-key-value-aio 0.5.0",
        adapter: adapter!("disk", disk::Config),
    },
    StoreType {
        word: "multidisk",
        title: "Disk per collection",
        summary: "a diskcache directory for each collection",
        stability: Stability::Stable,
        for_production: true,
        tested_with: "itself and py-key-value-aio 0.5.0",
        adapter: adapter!("multidisk", multidisk::Config),
    },
    StoreType {
        word: "filetree",
        title: "FileTree",
        summary: "a JSON file for each entry, for a person to read",
        stability: Stability::Unstable,
        for_production: false,
        tested_with: "itself and py-key-value-aio 0.5.0",
        adapter: adapter!("filetree", filetree::Config),
    },
    StoreType {
        word: "rocksdb",
        title: "RocksDB",
        summary: "a RocksDB database of this server's own",
        stability: Stability::Unstable,
        for_production: true,
        tested_with: "itself",
        adapter: adapter!("rocksdb", rocksdb::Config),
    },
    StoreType {
        word: "registry",
        title: "Windows Registry",
        summary: "values in the Windows Registry; on Windows alone",
        stability: Stability::Unstable,
        for_production: true,
        tested_with: "Wine 8's registry, in the server's build for Windows; Windows itself untested",
        adapter: adapter!("registry", registry::Config),
    },
    StoreType {
        word: "elasticsearch",
        title: "Elasticsearch",
        summary: "documents in Elasticsearch, an index for each collection",
        stability: Stability::Unstable,
        for_production: true,
        tested_with: "Elasticsearch 9.5 and 7.17 and py-key-value-aio 0.5.0",
        adapter: adapter!("elasticsearch", elasticsearch::Config),
    },
    StoreType {
        word: "opensearch",
        title: "OpenSearch",
        summary: "documents in OpenSearch, an index for each collection",
        stability: Stability::Unstable,
        for_production: true,
        tested_with: "OpenSearch 3.8 and py-key-value-aio 0.5.0",
        adapter: adapter!("opensearch", opensearch::Config),
    },
    StoreType {
        word: "dynamodb",
        title: "DynamoDB",
        summary: "items in a table of Amazon DynamoDB",
        stability: Stability::Unstable,
        for_production: true,
        tested_with: "DynamoDB Local 3.3 and py-key-value-aio 0.5.0",
        adapter: adapter!("dynamodb", dynamodb::Config),
    },
    StoreType {
        word: "keyring",
        title: "Keyring",
        summary: "the system's keyring (Secret Service, Windows Credential Manager, macOS keychain)",
        stability: Stability::Stable,
        for_production: true,
        tested_with: "gnome-keyring 42 and py-key-value-aio 0.5.0; the Linux kernel's keys; Wine 8's \
                      Credential Manager, all but lists; Windows and macOS untested",
        adapter: adapter!("keyring", keyring::Config),
    },
    StoreType {
        word: "memcached",
        title: "Memcached",
        summary: "items in memcached, on one host or several",
        stability: Stability::Unstable,
        for_production: true,
        tested_with: "memcached 1.6 and py-key-value-aio 0.5.0",
        adapter: adapter!("memcached", memcached::Config),
    },
    StoreType {
        word: "mongodb",
        title: "MongoDB",
        summary: "documents in a MongoDB database; values come back equal, not letter for letter",
        stability: Stability::Unstable,
        for_production: true,
        tested_with: "mongo-java-server 1.47 (speaks MongoDB 5.0's protocol; MongoDB itself was \
                      not run) and py-key-value-aio 0.5.0",
        adapter: adapter!("mongodb", mongodb::Config),
    },
    StoreType {
        word: "redis",
        title: "Redis",
        summary: "Redis: one server, a cluster, or by Sentinel",
        stability: Stability::Stable,
        for_production: true,
        tested_with: "Redis 7.0 and py-key-value-aio 0.5.0",
        adapter: adapter!("redis", redis::Config),
    },
    StoreType {
        word: "s3",
        title: "S3",
        summary: "objects in a bucket of Amazon S3, or of what speaks like it",
        stability: Stability::Unstable,
        for_production: true,
        tested_with: "MinIO, versitygw 1.8 and py-key-value-aio 0.5.0; AWS untested",
        adapter: adapter!("s3", s3::Config),
    },
    StoreType {
        word: "valkey",
        title: "Valkey",
        summary: "Valkey: one server, a cluster, or by Sentinel",
        stability: Stability::Stable,
        for_production: true,
        tested_with: "Valkey 8.0 and py-key-value-aio 0.5.0",
        adapter: adapter!("valkey", valkey::Config),
    },
    StoreType {
        word: "vault",
        title: "Vault",
        summary: "secrets in a KV version 2 engine of HashiCorp Vault",
        stability: Stability::Unstable,
        for_production: true,
        tested_with: "Vault 1.21.2 and py-key-value-aio 0.5.0",
        adapter: adapter!("vault", vault::Config),
    },
];
