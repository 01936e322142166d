//! Keeps nothing: every put succeeds, every get finds nothing. For tests.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kvgate_core::{
    Capabilities, Clock, Entry, Limits, ListedKey, Page, PageRequest, Removed, Result, Store,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::StoreConfig;

/// Settings of a Null store: there are none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {}

impl StoreConfig for Config {
    type Store = NullStore;

    fn open(self, _clock: Arc<dyn Clock>) -> Result<NullStore> {
        Ok(NullStore)
    }
}

/// A store that keeps nothing.
#[derive(Debug)]
pub struct NullStore;

#[async_trait]
impl Store for NullStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { persistent: false, shared: false, retains: false, ..Capabilities::FULL }
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn get_many(&self, _: &str, keys: &[&str]) -> Result<Vec<Result<Option<Entry>>>> {
        Ok(keys.iter().map(|_| Ok(None)).collect())
    }

    async fn put_many(&self, _: &str, entries: &[(&str, Entry)]) -> Result<Vec<Result<()>>> {
        Ok(entries.iter().map(|_| Ok(())).collect())
    }

    async fn delete_many(&self, _: &str, keys: &[&str]) -> Result<Vec<Result<Option<Removed>>>> {
        Ok(keys.iter().map(|_| Ok(None)).collect())
    }

    async fn list_keys(&self, _: &str, _: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        Ok(Page::empty())
    }

    async fn list_collections(&self, _: &PageRequest<'_>) -> Result<Page<String>> {
        Ok(Page::empty())
    }

    async fn delete_collection(&self, _: &str) -> Result<bool> {
        Ok(false)
    }

    async fn destroy(&self) -> Result<()> {
        Ok(())
    }

    async fn cull(&self) -> Result<u64> {
        Ok(0)
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl fmt::Display for NullStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null")
    }
}
