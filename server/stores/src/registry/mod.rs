//! Entries as values in the Windows Registry, as py-key-value's
//! `WindowsRegistryStore` keeps them: both may use the same path at the same time.
//!
//! ```text
//! {hive}\{registry_path}\{collection}    a key for each collection, and in it
//! {key} = REG_SZ envelope                a value for each entry
//! ```
//!
//! `names.rs` decides what keys and values are called, `windows.rs` asks the
//! registry, `tree.rs` does the store's operations. On other systems there is no
//! registry (`elsewhere.rs`): the settings are read there, and opening the store says so.

#[cfg(not(windows))]
#[path = "elsewhere.rs"]
mod hive;
#[cfg(windows)]
#[path = "windows.rs"]
mod hive;
mod names;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use kvgate_core::name::Sanitize;
use kvgate_core::{Clock, Error, Kind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StoreConfig;
use crate::blocking::Pooled;
use hive::Base;
use tree::Tree;

/// Settings of a Windows Registry store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The hive.
    hive: Hive,
    /// The path, below the hive, of the registry key that holds the collections. It is
    /// made if it is not there. All values in the keys right below it are taken for
    /// entries: give the store a path of its own.
    registry_path: String,
    /// How a name is stored that the registry can't take or could take for another one,
    /// as it ignores case: one with capitals, or with letters that are not ASCII. With
    /// `v1` as py-key-value does it: then `a` and `A` are the same.
    sanitize: Sanitize,
    /// The most threads that use the registry at once.
    threads_max: NonZeroUsize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hive: Hive::default(),
            // py-key-value's: its users find their entries
            registry_path: r"Software\py-key-value".to_owned(),
            sanitize: Sanitize::default(),
            threads_max: const { NonZeroUsize::new(4).unwrap() },
        }
    }
}

/// A hive of the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Hive {
    /// Of the user that runs the server.
    #[default]
    #[serde(rename = "HKEY_CURRENT_USER")]
    CurrentUser,
    /// Of the machine; writing to it takes an administrator.
    #[serde(rename = "HKEY_LOCAL_MACHINE")]
    LocalMachine,
}

impl fmt::Display for Hive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CurrentUser => "HKEY_CURRENT_USER",
            Self::LocalMachine => "HKEY_LOCAL_MACHINE",
        })
    }
}

impl StoreConfig for Config {
    type Store = Pooled<Tree>;

    fn open(self, clock: Arc<dyn Clock>) -> Result<Pooled<Tree>> {
        check_path(&self.registry_path)?;
        let base = Base::open(self.hive, &self.registry_path)?;
        let place = format!(r"{}\{}", self.hive, self.registry_path);
        let tree = Tree::new(place, base, self.sanitize, clock);
        Ok(Pooled::new(tree, self.threads_max.get()))
    }
}

/// Right below a hive are the keys of Windows itself, all of whose values a store there
/// would take for its own.
fn check_path(path: &str) -> Result<()> {
    let names: Vec<&str> = path.split('\\').collect();
    if names.len() > 1 && names.iter().all(|name| !name.is_empty() && !name.contains('\0')) {
        return Ok(());
    }
    let context =
        r"registry_path must be two names or more with one \ between them, such as Software\kvgate";
    Err(Error::new(Kind::Misconfigured, context))
}
