//! Puts a prefix before every key, so that several users can share a collection.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kvgate_core::{
    Capabilities, Entry, Error, Limits, ListedKey, Operation, Page, PageRequest, Removed, Result,
    Store,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Wrapper;

/// Settings of a `prefix_keys` wrapper.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Stands before every key, with `__` between.
    prefix: String,
}

impl Wrapper for Config {
    fn wrap(self: Box<Self>, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(PrefixKeys { prefix: format!("{}__", self.prefix), store })
    }
}

/// A store whose keys all begin with a prefix that callers don't see.
pub struct PrefixKeys {
    prefix: String,
    store: Arc<dyn Store>,
}

impl PrefixKeys {
    fn prefixed(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for PrefixKeys {
    /// Deleting a collection or everything would remove what lies under other
    /// prefixes, so neither is offered: delete the keys.
    fn capabilities(&self) -> Capabilities {
        Capabilities { delete_collection: false, destroy: false, ..self.store.capabilities() }
    }

    fn limits(&self) -> Limits {
        let limits = self.store.limits();
        let left = |max: usize| max.saturating_sub(self.prefix.len());
        Limits { key_bytes_max: limits.key_bytes_max.map(left), ..limits }
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let keys: Vec<String> = keys.iter().map(|key| self.prefixed(key)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.store.get_many(collection, &keys).await
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let keys: Vec<String> = entries.iter().map(|(key, _)| self.prefixed(key)).collect();
        let entries = entries.iter().zip(&keys);
        let entries: Vec<(&str, Entry)> =
            entries.map(|((_, entry), key)| (key.as_str(), entry.clone())).collect();
        self.store.put_many(collection, &entries).await
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let keys: Vec<String> = keys.iter().map(|key| self.prefixed(key)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.store.delete_many(collection, &keys).await
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let prefix = self.prefixed(page.prefix);
        let mut listed =
            self.store.list_keys(collection, &PageRequest { prefix: &prefix, ..*page }).await?;
        for item in &mut listed.items {
            item.key.drain(..self.prefix.len());
        }
        Ok(listed)
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        self.store.list_collections(page).await
    }

    async fn delete_collection(&self, _: &str) -> Result<bool> {
        Err(Error::unsupported(Operation::DeleteCollection))
    }

    async fn destroy(&self) -> Result<()> {
        Err(Error::unsupported(Operation::Destroy))
    }

    async fn cull(&self) -> Result<u64> {
        self.store.cull().await
    }

    async fn check(&self) -> Result<()> {
        self.store.check().await
    }
}

impl fmt::Display for PrefixKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, keys prefixed {:?}", self.store, self.prefix)
    }
}
