//! Entries as values in the Windows Registry, as py-key-value's
//! `WindowsRegistryStore` keeps them: both may use the same path at the same time.
//!
//! ```text
//! {hive}\{registry_path}\{collection}    a key for each collection, and in it
//! {key} = REG_SZ envelope                a value for each entry
//! ```
//!
//! `names.rs` decides what keys and values are called, `windows.rs` asks the
//! registry, `tree.rs` does the store's operations, blocking; here they are sent to a
//! pool. On other systems there is no registry (`elsewhere.rs`): the settings are read
//! there, and opening the store says so.

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

use async_trait::async_trait;
use kvgate_core::name::Sanitize;
use kvgate_core::{
    BlockingPool, Capabilities, Clock, Entry, Error, Kind, Limits, ListedKey, Page, PageRequest,
    Removed, Result, Store,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StoreConfig;
use crate::pages::OwnedRequest;
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
    type Store = RegistryStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<RegistryStore> {
        check_path(&self.registry_path)?;
        let base = Base::open(self.hive, &self.registry_path)?;
        Ok(RegistryStore {
            pool: BlockingPool::new(self.threads_max.get()),
            tree: Arc::new(Tree::new(base, self.sanitize, clock)),
            config: self,
        })
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

/// A store in the Windows Registry.
pub struct RegistryStore {
    config: Config,
    pool: BlockingPool,
    tree: Arc<Tree>,
}

impl RegistryStore {
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tree) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let tree = Arc::clone(&self.tree);
        self.pool.run(move || work(&tree)).await
    }
}

#[async_trait]
impl Store for RegistryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let (collection, keys) = (collection.to_owned(), owned(keys));
        self.run(move |tree| tree.get_many(&collection, &keys)).await
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let collection = collection.to_owned();
        let own = |(key, entry): &(&str, Entry)| ((*key).to_owned(), entry.clone());
        let entries: Vec<_> = entries.iter().map(own).collect();
        self.run(move |tree| tree.put_many(&collection, &entries)).await
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let (collection, keys) = (collection.to_owned(), owned(keys));
        self.run(move |tree| tree.delete_many(&collection, &keys)).await
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let (collection, wanted) = (collection.to_owned(), OwnedRequest::from(page));
        self.run(move |tree| tree.list_keys(&collection, &wanted.request())).await
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let wanted = OwnedRequest::from(page);
        self.run(move |tree| tree.list_collections(&wanted.request())).await
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        let collection = collection.to_owned();
        self.run(move |tree| tree.delete_collection(&collection)).await
    }

    async fn destroy(&self) -> Result<()> {
        self.run(Tree::destroy).await
    }

    async fn cull(&self) -> Result<u64> {
        self.run(Tree::cull).await
    }

    async fn check(&self) -> Result<()> {
        self.run(Tree::check).await
    }
}

impl fmt::Display for RegistryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r"registry {}\{}", self.config.hive, self.config.registry_path)
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
