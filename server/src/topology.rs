//! The stores that requests can name.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvgate_core::{Clock, Result, Store};
use kvgate_stores::StoreType;

use crate::config::StoreEntry;

/// A store as requests see it: its wrappers around it, and what it is called.
pub(crate) struct ServedStore {
    pub(crate) name: String,
    /// Where it stands among the stores: they are in the order of their names.
    pub(crate) index: usize,
    pub(crate) store_type: &'static StoreType,
    /// The collection of requests that name none.
    pub(crate) default_collection: String,
    pub(crate) store: Arc<dyn Store>,
}

/// All configured stores.
pub(crate) struct Topology {
    stores: BTreeMap<String, ServedStore>,
    default_store: String,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Topology {
    /// Opens every store and puts `measure` and then its wrappers around it. `default_store`
    /// is one of the `stores`: the configuration has checked it.
    pub(crate) fn open(
        stores: BTreeMap<String, StoreEntry>,
        default_store: String,
        clock: Arc<dyn Clock>,
        measure: impl Fn(Arc<dyn Store>, &str, &'static StoreType) -> Arc<dyn Store>,
    ) -> Result<Self> {
        let open = |(index, (name, entry)): (usize, (String, StoreEntry))| {
            let mut store = entry.settings.open(&name, Arc::clone(&clock))?;
            store = measure(store, &name, entry.store_type);
            for wrapper in entry.wrap {
                store = wrapper.wrap(store);
            }
            let StoreEntry { store_type, default_collection, .. } = entry;
            let served =
                ServedStore { name: name.clone(), index, store_type, default_collection, store };
            Ok((name, served))
        };
        let stores = stores.into_iter().enumerate().map(open).collect::<Result<_>>()?;
        Ok(Self { stores, default_store, clock })
    }

    /// The store of a request; an empty name means the default store.
    pub(crate) fn find(&self, name: &str) -> Option<&ServedStore> {
        let name = if name.is_empty() { &self.default_store } else { name };
        self.stores.get(name)
    }

    /// All stores, by name.
    pub(crate) fn stores(&self) -> impl Iterator<Item = &ServedStore> {
        self.stores.values()
    }

    /// Whether requests that name no store use this one.
    pub(crate) fn is_default(&self, store: &ServedStore) -> bool {
        store.name == self.default_store
    }
}
