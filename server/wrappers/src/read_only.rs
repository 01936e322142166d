//! Refuses every write.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kvgate_core::{
    Capabilities, Entry, Error, Kind, Limits, ListedKey, Operation, Page, PageRequest, Removed,
    Result, Store,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Wrapper;

/// Settings of a `read_only` wrapper: there are none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {}

impl Wrapper for Config {
    fn wrap(self: Box<Self>, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(ReadOnly { store })
    }
}

/// A store that can't be written to.
pub struct ReadOnly {
    store: Arc<dyn Store>,
}

fn refuse<T>(operation: Operation) -> Result<T> {
    Err(Error::new(Kind::ReadOnly, "the store is configured to be read only").during(operation))
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for ReadOnly {
    /// What the store can do, were it not for the wrapper: a write is refused
    /// because it is not allowed, not because it is unknown.
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        self.store.get_many(collection, keys).await
    }

    async fn put_many(&self, _: &str, _: &[(&str, Entry)]) -> Result<Vec<Result<()>>> {
        refuse(Operation::Put)
    }

    async fn delete_many(&self, _: &str, _: &[&str]) -> Result<Vec<Result<Option<Removed>>>> {
        refuse(Operation::Delete)
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        self.store.list_keys(collection, page).await
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        self.store.list_collections(page).await
    }

    async fn delete_collection(&self, _: &str) -> Result<bool> {
        refuse(Operation::DeleteCollection)
    }

    async fn destroy(&self) -> Result<()> {
        refuse(Operation::Destroy)
    }

    async fn cull(&self) -> Result<u64> {
        refuse(Operation::Cull)
    }

    async fn check(&self) -> Result<()> {
        self.store.check().await
    }
}

impl fmt::Display for ReadOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, read only", self.store)
    }
}
