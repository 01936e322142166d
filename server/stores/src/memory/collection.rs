//! One collection in memory: a cache, and an ordered index of what is in it.
//!
//! Reads touch the cache only and take no lock of ours. Writes hold the index's
//! lock, so that the index knows of each key the generation that is cached. What
//! the cache evicts by itself it reports to a queue that the next holder of the
//! lock works off: the cache may evict while that lock is held.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvgate_core::{Entry, ListedKey, Page, PageRequest, Timestamp, is_live};
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// How many expired entries a put removes at the most: more than it adds, so that
/// the expired ones can't pile up, and few, so that no put takes long.
const CULLED_PER_PUT_MAX: u64 = 10;

/// Why a put was not done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PutRefused {
    /// The collection was deleted.
    Closed,
    /// The store would be over its size.
    Full,
}

pub(super) struct Collection {
    cache: Cache<Arc<str>, Cached>,
    index: Mutex<Index>,
    evicted: Evicted,
    /// Bytes of keys and values in the whole store.
    size: Arc<AtomicUsize>,
}

/// Keys that the cache has dropped, with the generation that they had.
type Evicted = Arc<Mutex<Vec<(Arc<str>, u64)>>>;

#[derive(Clone)]
struct Cached {
    entry: Entry,
    generation: u64,
}

#[derive(Default)]
struct Index {
    keys: BTreeMap<Arc<str>, Indexed>,
    expiring: BTreeSet<(Timestamp, Arc<str>)>,
    generation: u64,
    closed: bool,
}

struct Indexed {
    generation: u64,
    expires_at: Option<Timestamp>,
    bytes: usize,
}

impl Collection {
    pub(super) fn new(max_entries: u64, size: Arc<AtomicUsize>) -> Self {
        let evicted = Evicted::default();
        let report = Arc::clone(&evicted);
        let cache = Cache::builder()
            .max_capacity(max_entries)
            // the default policy may turn the newest entry away: a put would be
            // acknowledged and gone
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |key: Arc<Arc<str>>, cached: Cached, cause| {
                if cause == RemovalCause::Size {
                    let mut evicted = report.lock().unwrap_or_else(PoisonError::into_inner);
                    evicted.push(((*key).clone(), cached.generation));
                }
            })
            .build();
        Self {
            cache,
            index: Mutex::default(),
            evicted,
            size,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Entry> {
        self.cache.get(key).map(|cached| cached.entry)
    }

    pub(super) fn put(
        &self,
        key: &str,
        entry: &Entry,
        now: Timestamp,
        size_max: usize,
    ) -> Result<(), PutRefused> {
        let mut index = self.index();
        if index.closed {
            return Err(PutRefused::Closed);
        }
        self.cull_some(&mut index, now, CULLED_PER_PUT_MAX);
        let bytes = key.len() + entry.value.as_bytes().len();
        let replaced = index.keys.get(key).map_or(0, |indexed| indexed.bytes);
        let size = self.size.load(Ordering::Relaxed) + bytes;
        if bytes > replaced && size - replaced > size_max {
            return Err(PutRefused::Full);
        }
        self.remove_from(&mut index, key);
        let key: Arc<str> = Arc::from(key);
        index.generation += 1;
        let generation = index.generation;
        let expires_at = entry.expires_at;
        index.keys.insert(
            Arc::clone(&key),
            Indexed {
                generation,
                expires_at,
                bytes,
            },
        );
        if let Some(at) = expires_at {
            index.expiring.insert((at, Arc::clone(&key)));
        }
        self.size.fetch_add(bytes, Ordering::Relaxed);
        self.cache.insert(
            key,
            Cached {
                entry: entry.clone(),
                generation,
            },
        );
        Ok(())
    }

    pub(super) fn delete(&self, key: &str) -> Option<Entry> {
        let mut index = self.index();
        self.remove_from(&mut index, key);
        self.cache.remove(key).map(|cached| cached.entry)
    }

    pub(super) fn list(&self, page: &PageRequest<'_>) -> Page<ListedKey> {
        let index = self.index();
        let listed = index
            .keys
            .range::<str, _>((page.start(), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(page.prefix))
            .map(|(key, indexed)| ListedKey {
                key: key.to_string(),
                expires_at: indexed.expires_at,
            });
        Page::of_ordered(listed, page.limit, |listed| &listed.key)
    }

    pub(super) fn has_live(&self, now: Timestamp) -> bool {
        let index = self.index();
        index.keys.len() > index.expiring.len()
            || index
                .expiring
                .last()
                .is_some_and(|(at, _)| is_live(Some(*at), now))
    }

    pub(super) fn cull(&self, now: Timestamp) -> u64 {
        let mut index = self.index();
        self.cull_some(&mut index, now, u64::MAX)
    }

    /// Empties the collection for good; answers whether it held anything.
    pub(super) fn close(&self) -> bool {
        let mut index = self.index();
        let bytes: usize = index.keys.values().map(|indexed| indexed.bytes).sum();
        self.size.fetch_sub(bytes, Ordering::Relaxed);
        let held = !index.keys.is_empty();
        *index = Index {
            closed: true,
            ..Index::default()
        };
        // whoever still reads from it must see what a later reader sees
        self.cache.invalidate_all();
        held
    }

    /// Closes the collection if nothing is in it; answers whether it did.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut index = self.index();
        if index.keys.is_empty() {
            index.closed = true;
        }
        index.closed
    }

    /// The index, without what the cache has evicted.
    fn index(&self) -> MutexGuard<'_, Index> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let evicted = {
            let mut evicted = self.evicted.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *evicted)
        };
        for (key, generation) in evicted {
            if index
                .keys
                .get(&key)
                .is_some_and(|indexed| indexed.generation == generation)
            {
                self.remove_from(&mut index, &key);
            }
        }
        index
    }

    fn remove_from(&self, index: &mut Index, key: &str) {
        if let Some((key, indexed)) = index.keys.remove_entry(key) {
            self.size.fetch_sub(indexed.bytes, Ordering::Relaxed);
            if let Some(at) = indexed.expires_at {
                index.expiring.remove(&(at, key));
            }
        }
    }

    fn cull_some(&self, index: &mut Index, now: Timestamp, most: u64) -> u64 {
        let mut culled = 0;
        while culled < most
            && let Some((at, key)) = index.expiring.first()
            && !is_live(Some(*at), now)
        {
            let key = Arc::clone(key);
            self.remove_from(index, &key);
            self.cache.invalidate(&*key);
            culled += 1;
        }
        culled
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kvgate_core::Value;

    use super::*;

    fn entry(expires_at: Option<i64>) -> Entry {
        Entry {
            value: Value::from_checked(Bytes::from_static(b"{}")),
            created_at: None,
            expires_at: expires_at.map(Timestamp::from_micros),
        }
    }

    fn keys(collection: &Collection) -> Vec<String> {
        let page = PageRequest {
            prefix: "",
            cursor: None,
            limit: 100,
        };
        collection
            .list(&page)
            .items
            .into_iter()
            .map(|listed| listed.key)
            .collect()
    }

    const NOW: Timestamp = Timestamp::from_micros(1000);

    #[test]
    fn what_the_cache_evicts_leaves_the_index_too() {
        let size = Arc::new(AtomicUsize::new(0));
        let collection = Collection::new(2, Arc::clone(&size));
        for key in ["a", "b", "c", "d"] {
            collection
                .put(key, &entry(None), NOW, 100)
                .expect("there is room");
            collection.cache.run_pending_tasks();
        }
        assert_eq!(keys(&collection), ["c", "d"]);
        assert_eq!(collection.get("a"), None);
        assert_eq!(size.load(Ordering::Relaxed), 2 * "a{}".len());
    }

    #[test]
    fn a_put_removes_expired_entries() {
        let collection = Collection::new(100, Arc::default());
        collection
            .put("old", &entry(Some(999)), NOW, 100)
            .expect("there is room");
        collection
            .put("new", &entry(Some(1001)), NOW, 100)
            .expect("there is room");
        assert_eq!(keys(&collection), ["new"]);
        assert_eq!(collection.get("old"), None);
        assert!(collection.has_live(NOW));
        assert_eq!(collection.cull(Timestamp::from_micros(1001)), 1);
        assert!(!collection.has_live(NOW));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let collection = Collection::new(100, Arc::default());
        collection
            .put("a", &entry(None), NOW, 5)
            .expect("there is room");
        assert_eq!(
            collection.put("b", &entry(None), NOW, 5),
            Err(PutRefused::Full)
        );
        collection
            .put("a", &entry(None), NOW, 5)
            .expect("as large as what it replaces");
        collection.delete("a").expect("it was there");
        collection
            .put("b", &entry(None), NOW, 5)
            .expect("there is room again");
        assert!(collection.close());
        assert_eq!(
            collection.put("b", &entry(None), NOW, 5),
            Err(PutRefused::Closed)
        );
        assert_eq!(collection.get("b"), None);
    }
}
