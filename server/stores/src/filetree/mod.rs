//! A JSON file for each entry, for tests and for people to read.
//!
//! ```text
//! {directory}/{collection}-info.json    what the collection is called
//! {directory}/{collection}/{key}.json   the envelope
//! ```
//!
//! The layout is py-key-value's, and both may have the directory open at once:
//! both replace a file by renaming another one onto it, so that a reader sees
//! the old entry or the new one. They must know the directory by the same path,
//! because the Python library refuses a collection whose info file names another
//! one.
//!
//! `names.rs` decides what the files are called, `file.rs` reads and replaces
//! one of them, `directory.rs` finds them, `tree.rs` does the store's operations,
//! blocking; here they are sent to a pool.

mod directory;
mod file;
mod names;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use kvgate_core::name::Sanitize;
use kvgate_core::{
    BlockingPool, Capabilities, Clock, Entry, Limits, ListedKey, Page, PageRequest, Removed,
    Result, Store,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::StoreConfig;
use crate::pages::OwnedRequest;
use tree::Tree;

/// Settings of a `FileTree` store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The directory with the collections. It is made if its parent exists.
    directory: PathBuf,
    /// How a file name is made from a name that the file system can't take. A file
    /// of a made name that py-key-value wrote is read by its key, but not listed:
    /// the key is not in it.
    #[serde(default)]
    sanitize: Sanitize,
    /// The most threads that read and write files at once.
    #[serde(default = "default_threads_max")]
    threads_max: NonZeroUsize,
}

fn default_threads_max() -> NonZeroUsize {
    const { NonZeroUsize::new(4).unwrap() }
}

impl StoreConfig for Config {
    type Store = FileTreeStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<FileTreeStore> {
        let tree = Tree::open(&self.directory, self.sanitize, clock)?;
        tracing::warn!(
            directory = %self.directory.display(),
            "a filetree store is for tests and for people to read, not for production"
        );
        Ok(FileTreeStore {
            directory: self.directory,
            pool: BlockingPool::new(self.threads_max.get()),
            tree: Arc::new(tree),
        })
    }
}

/// A store in a tree of files.
pub struct FileTreeStore {
    /// As it was configured.
    directory: PathBuf,
    pool: BlockingPool,
    tree: Arc<Tree>,
}

impl FileTreeStore {
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tree) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let tree = Arc::clone(&self.tree);
        self.pool.run(move || work(&tree)).await
    }
}

#[async_trait]
impl Store for FileTreeStore {
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

impl fmt::Display for FileTreeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filetree {}", self.directory.display())
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
