//! Puts a prefix before every collection, so that several users can share a store.

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

/// Settings of a `prefix_collections` wrapper.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Stands before every collection, with `__` between.
    prefix: String,
}

impl Wrapper for Config {
    fn wrap(self: Box<Self>, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(PrefixCollections { prefix: format!("{}__", self.prefix), store })
    }
}

/// A store whose collections all begin with a prefix that callers don't see.
pub struct PrefixCollections {
    prefix: String,
    store: Arc<dyn Store>,
}

impl PrefixCollections {
    fn prefixed(&self, collection: &str) -> String {
        format!("{}{collection}", self.prefix)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for PrefixCollections {
    /// Destroying would remove what lies under other prefixes, so it is not offered:
    /// delete the collections.
    fn capabilities(&self) -> Capabilities {
        Capabilities { destroy: false, ..self.store.capabilities() }
    }

    fn limits(&self) -> Limits {
        let limits = self.store.limits();
        let left = |max: usize| max.saturating_sub(self.prefix.len());
        Limits { collection_bytes_max: limits.collection_bytes_max.map(left), ..limits }
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        self.store.get_many(&self.prefixed(collection), keys).await
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        self.store.put_many(&self.prefixed(collection), entries).await
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        self.store.delete_many(&self.prefixed(collection), keys).await
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        self.store.list_keys(&self.prefixed(collection), page).await
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let prefix = self.prefixed(page.prefix);
        let page = PageRequest { prefix: &prefix, ..*page };
        let mut listed = self.store.list_collections(&page).await?;
        for collection in &mut listed.items {
            collection.drain(..self.prefix.len());
        }
        Ok(listed)
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        self.store.delete_collection(&self.prefixed(collection)).await
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

impl fmt::Display for PrefixCollections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, collections prefixed {:?}", self.store, self.prefix)
    }
}
