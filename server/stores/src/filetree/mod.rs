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
//! one of them, `directory.rs` finds them, `tree.rs` does the store's operations.

mod directory;
mod file;
mod names;
mod tree;

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use kvgate_core::name::Sanitize;
use kvgate_core::{Clock, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::StoreConfig;
use crate::blocking::Pooled;
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
    type Store = Pooled<Tree>;

    fn open(self, clock: Arc<dyn Clock>) -> Result<Pooled<Tree>> {
        let tree = Tree::open(&self.directory, self.sanitize, clock)?;
        tracing::warn!(
            directory = %self.directory.display(),
            "a filetree store is for tests and for people to read, not for production"
        );
        Ok(Pooled::new(tree, self.threads_max.get()))
    }
}
