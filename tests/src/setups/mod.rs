//! The setups: one file a store (or stack of store and wrappers), which says
//! how it is configured and what it can't do. What a backend lacks is data
//! here, never code in a case.

mod disk;
mod disk_power;
mod disk_prefixed;
mod disk_windows;
mod dynamodb;
mod elasticsearch;
mod elasticsearch_7;
mod elasticsearch_password;
mod filetree;
mod filetree_v1;
mod filetree_windows;
mod keyring;
mod memcached;
mod memcached_hosts;
mod memcached_password;
mod memcached_tls;
mod memory;
mod memory_prefixed;
mod memory_windows;
mod mongodb;
mod multidisk;
mod null;
mod opensearch;
mod redis;
mod redis_cluster;
mod redis_mtls;
mod redis_password;
mod redis_sentinel;
mod redis_tls;
mod registry;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "rocksdb")]
mod rocksdb_small;
mod s3;
mod s3_versitygw;
mod simple;
mod valkey;
mod valkey_cluster;
mod vault;
mod vault_raft;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures::future::BoxFuture;
use kvgate_proto::v1::Stability;
use serde_json::Value;

use crate::failure::Outcome;

/// All setups of the stores that are compiled in.
pub const ALL: &[Setup] = &[
    memory::SETUP,
    memory_prefixed::SETUP,
    simple::SETUP,
    null::SETUP,
    disk::SETUP,
    disk_power::SETUP,
    disk_prefixed::SETUP,
    multidisk::SETUP,
    filetree::SETUP,
    filetree_v1::SETUP,
    registry::SETUP,
    memory_windows::SETUP,
    disk_windows::SETUP,
    filetree_windows::SETUP,
    #[cfg(feature = "rocksdb")]
    rocksdb::SETUP,
    #[cfg(feature = "rocksdb")]
    rocksdb_small::SETUP,
    elasticsearch::SETUP,
    elasticsearch_7::SETUP,
    elasticsearch_password::SETUP,
    opensearch::SETUP,
    dynamodb::SETUP,
    keyring::SETUP,
    memcached::SETUP,
    memcached_hosts::SETUP,
    memcached_password::SETUP,
    memcached_tls::SETUP,
    mongodb::SETUP,
    redis::SETUP,
    redis_password::SETUP,
    redis_tls::SETUP,
    redis_mtls::SETUP,
    redis_cluster::SETUP,
    redis_sentinel::SETUP,
    s3::SETUP,
    s3_versitygw::SETUP,
    valkey::SETUP,
    valkey_cluster::SETUP,
    vault::SETUP,
    vault_raft::SETUP,
];

/// One way to run a store.
pub struct Setup {
    /// The setup's name; the store has it too.
    pub name: &'static str,
    /// The settings below `[stores.NAME]`, as TOML.
    pub settings: fn(&Place) -> String,
    /// The backend that the store talks to; absent for a store that is its own.
    pub backend: Option<RealBackend>,
    /// The kind of store, in `interchange.py`, by which Python reads the same entries.
    pub python: Option<&'static str>,
    /// What is special about it.
    pub facts: Facts,
}

/// How a setup gets its backend, and what is to be known about it.
pub struct RealBackend {
    /// What runs and how it is set up, in a line of `BACKENDS.md`.
    pub about: &'static str,
    /// Starts it.
    pub start: StartBackend,
    /// Whether what is stored outlives a restart of the backend as it is set up here.
    pub keeps_entries: bool,
    /// What a `GetMany` of 1,000 keys costs.
    pub get_many: GetManyCost,
}

/// What the backend sees of a `GetMany` of 1,000 keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetManyCost {
    /// How often the store waits for the backend, counted by a proxy between the two;
    /// nothing for backends that can't be behind one.
    pub round_trips: Option<u64>,
    /// How many commands the backend counts; nothing if it counts none.
    pub commands: Option<u64>,
}

/// Starts a backend that keeps its data below the directory, which does not exist
/// yet.
pub type StartBackend = fn(PathBuf) -> BoxFuture<'static, Outcome<Box<dyn Backend>>>;

/// A running backend: one server or several. Dropping it stops it.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The settings by which the store finds it, as lines of TOML.
    fn settings(&self) -> String;

    /// The settings by which the store finds it behind a proxy, and where the proxy
    /// must connect to; nothing for backends that tell their clients themselves where
    /// they are.
    fn behind(&self, proxy: SocketAddr) -> Option<String>;

    /// Where a single server listens.
    fn address(&self) -> SocketAddr;

    /// Settings with a wrong password, and that password; nothing if it asks for none.
    fn with_wrong_password(&self) -> Option<(String, &'static str)>;

    /// What Python's store is opened with: the arguments of the setup's function in
    /// `interchange.py`.
    fn python(&self) -> Value;

    /// Stops it. Its data stays, if it keeps data at all.
    async fn stop(&self) -> Outcome;

    /// Starts it again, at the same address.
    async fn start(&self) -> Outcome;

    /// Holds it: connections stay open, and nothing is answered.
    fn freeze(&self) -> Outcome;

    /// Lets it go on.
    fn thaw(&self) -> Outcome;

    /// Stores, without kvgate, something that is no entry where the store keeps this
    /// key.
    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome;

    /// Everything that is stored, as text and in a fixed order; for the golden copies.
    async fn contents(&self) -> Outcome<String>;

    /// How many commands that read or write entries it has carried out so far, by its
    /// own count; nothing if it does not count them.
    async fn commands(&self) -> Outcome<Option<u64>>;
}

/// What a setup's settings are made of.
pub struct Place<'a> {
    /// A directory of the store's own, which does not exist yet.
    pub directory: &'a Path,
    /// The setup's backend, if it has one.
    pub backend: Option<&'a dyn Backend>,
}

impl Place<'_> {
    /// The `directory` setting, as a line of TOML.
    pub fn directory_setting(&self) -> String {
        format!("directory = '{}'\n", self.directory.display())
    }

    /// The settings by which the store finds its backend, as lines of TOML.
    pub fn backend_settings(&self) -> String {
        self.backend.map(Backend::settings).unwrap_or_default()
    }
}

/// What is special about a setup.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "a list of independent facts")]
pub struct Facts {
    /// The store's type, as the server reports it.
    pub store_type: &'static str,
    /// What the server promises about the stored form.
    pub stability: Stability,
    /// Whether the server is the build for Windows, run by Wine.
    pub on_windows: bool,
    /// False for a store that accepts entries and keeps none.
    pub keeps_entries: bool,
    /// Names that begin with one of these are refused.
    pub refused_name_starts: &'static [&'static str],
    /// Longer names are cut, so that two of them may meet.
    pub kept_name_characters: Option<usize>,
    /// Whether the cases share a server and its backend; not where the backend takes
    /// longer for each entry the more there are.
    pub shares_server: bool,
    /// Whether several may write the same entry at once without the backend failing one
    /// of them.
    pub rewritten_at_once: bool,
    /// Whether the backend that runs here refuses a collection that the store would take.
    pub refuses_collection: fn(&str) -> bool,
    /// Values whose text has one of these in it are refused.
    pub refused_values: &'static [&'static str],
    /// Values that are nested deeper are refused.
    pub nesting_max: Option<usize>,
    /// The most entries that a case works with to have many: fewer for a backend that
    /// takes long for each.
    pub entries_many: usize,
    /// The most odd collections that a case makes: fewer for a backend that takes long to
    /// make one.
    pub collections_many: usize,
    /// The most bytes of a value that a case puts to have a large one, for the same
    /// reason: what the store refuses stands in its limits.
    pub value_bytes_large: usize,
    /// Whether the backend takes so long to start that the tests of one process share
    /// one, which each has a part of: those that stop it take turns.
    pub shares_backend: bool,
    /// Whether Python hands its client values and not text: that writes them without
    /// spaces and in UTF-8, half of a surrogate pair too, and `NaN` not at all.
    pub python_client_writes: bool,
    /// The most bytes of a text within a value where Python has made the collection.
    pub python_text_bytes_max: usize,
    /// What is tested, where the setup differs from another one in a few things only;
    /// nothing: everything.
    pub variant: Option<Variant>,
}

/// The tests of a setup that differs from another one in a few things only.
#[derive(Clone, Copy)]
pub struct Variant {
    /// The setup for which everything is tested.
    pub of: &'static str,
    /// The themes of the conformance suite that are about what differs.
    pub themes: &'static [&'static str],
    /// The faults that are about what differs.
    pub faults: &'static [&'static str],
}

impl Variant {
    /// What is tested, in a line of `BACKENDS.md`.
    pub fn about(&self) -> String {
        let quoted = |names: &[&str]| -> String {
            let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            quoted.join(", ")
        };
        let Self { of, themes, faults } = self;
        let (themes, faults) = (quoted(themes), quoted(faults));
        format!("a variant of `{of}`: of the suite {themes} are run, of the faults {faults}")
    }
}

impl Facts {
    /// Whether the theme of the conformance suite is run.
    pub fn runs_theme(&self, theme: &str) -> bool {
        self.variant.is_none_or(|variant| variant.themes.contains(&theme))
    }

    /// Whether the fault is tried.
    pub fn runs_fault(&self, fault: &str) -> bool {
        self.variant.is_none_or(|variant| variant.faults.contains(&fault))
    }

    /// How many entries a case works with that wants this many.
    pub fn many(&self, wanted: usize) -> usize {
        wanted.min(self.entries_many)
    }

    /// How many bytes a value has that a case wants so large.
    pub fn large(&self, wanted: usize) -> usize {
        wanted.min(self.value_bytes_large)
    }

    /// How many bytes a text has that a case wants so large in a collection that Python
    /// has made.
    pub fn python_large(&self, wanted: usize) -> usize {
        wanted.min(self.python_text_bytes_max)
    }

    /// A store without peculiarities.
    pub(crate) const fn of(store_type: &'static str, stability: Stability) -> Self {
        Self {
            store_type,
            stability,
            on_windows: false,
            keeps_entries: true,
            refused_name_starts: &[],
            kept_name_characters: None,
            shares_server: true,
            rewritten_at_once: true,
            refuses_collection: |_| false,
            refused_values: &[],
            nesting_max: None,
            entries_many: usize::MAX,
            collections_many: usize::MAX,
            value_bytes_large: usize::MAX,
            shares_backend: false,
            python_client_writes: false,
            python_text_bytes_max: usize::MAX,
            variant: None,
        }
    }
}
