use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::entry::is_live;
use crate::{
    Capabilities, Clock, Entry, Error, Kind, Limits, ListedKey, Operation, Page, PageRequest,
    Removed, Result, Store,
};

/// An adapter as everybody else sees it: named, within its limits, and without
/// expired entries.
///
/// It does once what no adapter should have to think of. Every adapter is put
/// into one; wrappers go around it.
pub struct LiveStore<S> {
    name: String,
    clock: Arc<dyn Clock>,
    adapter: S,
}

impl<S: Store> LiveStore<S> {
    /// Puts the adapter of the store that is configured as `name` into a frame.
    pub fn new(name: impl Into<String>, clock: Arc<dyn Clock>, adapter: S) -> Self {
        Self { name: name.into(), clock, adapter }
    }

    /// Adds to an adapter's error where it arose.
    fn locate(&self, error: Error, operation: Operation) -> Error {
        error.during(operation).in_store(&self.name)
    }

    fn locate_each<T>(&self, answers: &mut [Result<T>], operation: Operation) {
        for answer in answers {
            if let Err(error) = answer {
                *error = self.locate(error.clone(), operation);
            }
        }
    }

    fn supported(&self, has: bool, operation: Operation) -> Result<()> {
        if has { Ok(()) } else { Err(self.locate(Error::unsupported(operation), operation)) }
    }

    /// Refuses keys that the backend would refuse, before it is asked anything.
    fn check_keys<'a>(
        &self,
        mut keys: impl Iterator<Item = &'a str>,
        operation: Operation,
    ) -> Result<()> {
        let Some(max) = self.adapter.limits().key_bytes_max else {
            return Ok(());
        };
        keys.try_for_each(|key| within(Kind::InvalidKey, "key", key.len(), max, "key_bytes_max"))
            .map_err(|error| self.locate(error, operation))
    }

    /// Refuses values that the backend would refuse, before anything is stored.
    fn check_values(&self, entries: &[(&str, Entry)]) -> Result<()> {
        let Some(max) = self.adapter.limits().value_bytes_max else {
            return Ok(());
        };
        let check = |(_, entry): &(&str, Entry)| {
            let size = entry.value.as_bytes().len();
            within(Kind::ValueTooLarge, "value", size, max, "value_bytes_max")
        };
        entries.iter().try_for_each(check).map_err(|error| self.locate(error, Operation::Put))
    }
}

fn within(kind: Kind, what: &str, size: usize, max: usize, name: &'static str) -> Result<()> {
    if size <= max {
        return Ok(());
    }
    let context =
        format!("{what} of {size} bytes is over the store's limit of {max} bytes ({name})");
    Err(Error::new(kind, context).with_limit(name, max as u64))
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: Store> Store for LiveStore<S> {
    fn capabilities(&self) -> Capabilities {
        self.adapter.capabilities()
    }

    fn limits(&self) -> Limits {
        self.adapter.limits()
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        self.check_keys(keys.iter().copied(), Operation::Get)?;
        let found = self.adapter.get_many(collection, keys).await;
        let mut found = found.map_err(|e| self.locate(e, Operation::Get))?;
        let now = self.clock.now();
        for answer in &mut found {
            match answer {
                Ok(entry) => drop(entry.take_if(|entry| !entry.is_live(now))),
                Err(error) => *error = self.locate(error.clone(), Operation::Get),
            }
        }
        Ok(found)
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        self.check_keys(entries.iter().map(|(key, _)| *key), Operation::Put)?;
        self.check_values(entries)?;
        let stored = self.adapter.put_many(collection, entries).await;
        let mut stored = stored.map_err(|e| self.locate(e, Operation::Put))?;
        self.locate_each(&mut stored, Operation::Put);
        Ok(stored)
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        self.check_keys(keys.iter().copied(), Operation::Delete)?;
        let removed = self.adapter.delete_many(collection, keys).await;
        let mut removed = removed.map_err(|e| self.locate(e, Operation::Delete))?;
        let now = self.clock.now();
        for found in removed.iter_mut().flatten() {
            found.take_if(|removed| !is_live(removed.expires_at, now));
        }
        self.locate_each(&mut removed, Operation::Delete);
        Ok(removed)
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        self.supported(self.capabilities().list_keys, Operation::ListKeys)?;
        let listed = self.adapter.list_keys(collection, page).await;
        let mut listed = listed.map_err(|e| self.locate(e, Operation::ListKeys))?;
        let now = self.clock.now();
        listed.items.retain(|listed| is_live(listed.expires_at, now));
        Ok(listed)
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        self.supported(self.capabilities().list_collections, Operation::ListCollections)?;
        let listed = self.adapter.list_collections(page).await;
        listed.map_err(|e| self.locate(e, Operation::ListCollections))
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        self.supported(self.capabilities().delete_collection, Operation::DeleteCollection)?;
        let deleted = self.adapter.delete_collection(collection).await;
        deleted.map_err(|e| self.locate(e, Operation::DeleteCollection))
    }

    async fn destroy(&self) -> Result<()> {
        self.supported(self.capabilities().destroy, Operation::Destroy)?;
        self.adapter.destroy().await.map_err(|e| self.locate(e, Operation::Destroy))
    }

    async fn cull(&self) -> Result<u64> {
        self.supported(self.capabilities().cull, Operation::Cull)?;
        self.adapter.cull().await.map_err(|e| self.locate(e, Operation::Cull))
    }

    async fn check(&self) -> Result<()> {
        self.adapter.check().await.map_err(|e| self.locate(e, Operation::Check))
    }
}

impl<S: Store> fmt::Display for LiveStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.adapter.fmt(f)
    }
}
