//! The setups: one file a store (or stack of store and wrappers), which says
//! how it is configured and what it can't do. What a backend lacks is data
//! here, never code in a case.

mod disk;
mod disk_power;
mod disk_prefixed;
mod filetree;
mod filetree_v1;
mod memory;
mod memory_prefixed;
mod multidisk;
mod null;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "rocksdb")]
mod rocksdb_small;
mod simple;

use std::path::Path;

use kvgate_proto::v1::Stability;

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
    #[cfg(feature = "rocksdb")]
    rocksdb::SETUP,
    #[cfg(feature = "rocksdb")]
    rocksdb_small::SETUP,
];

/// One way to run a store.
pub struct Setup {
    /// The setup's name; the store has it too.
    pub name: &'static str,
    /// The settings below `[stores.NAME]`, as TOML.
    pub settings: fn(&Place) -> String,
    /// Starts the backend that the store talks to; absent for a store that is
    /// its own.
    pub backend: Option<StartBackend>,
    /// What is special about it.
    pub facts: Facts,
}

/// Starts a backend that keeps its data below the directory.
pub type StartBackend = fn(&Path) -> Outcome<Box<dyn Backend>>;

/// A running backend. Dropping it stops it.
pub trait Backend: Send + Sync {
    /// The settings by which the store finds it, as lines of TOML.
    fn settings(&self) -> String;

    /// Stops it; its data stays.
    fn stop(&self) -> Outcome;

    /// Starts it again, at the same address and with its data.
    fn start(&self) -> Outcome;
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
}

/// What is special about a setup.
#[derive(Clone, Copy)]
pub struct Facts {
    /// The store's type, as the server reports it.
    pub store_type: &'static str,
    /// What the server promises about the stored form.
    pub stability: Stability,
    /// False for a store that accepts entries and keeps none.
    pub keeps_entries: bool,
    /// Names that begin with one of these are refused.
    pub refused_name_starts: &'static [&'static str],
    /// Longer names are cut, so that two of them may meet.
    pub kept_name_characters: Option<usize>,
}

impl Facts {
    /// A store without peculiarities.
    const fn of(store_type: &'static str, stability: Stability) -> Self {
        Self {
            store_type,
            stability,
            keeps_entries: true,
            refused_name_starts: &[],
            kept_name_characters: None,
        }
    }
}
