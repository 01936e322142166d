//! One collection in memory: a cache that evicts, and an ordered index of what is
//! in it.
//!
//! Keys are `SmolStr`s: those of up to 23 bytes lie in the index and the cache
//! themselves, so that comparing them is not another trip to memory.
//!
//! Reads touch the cache only and take no lock of ours. Writes hold the index's
//! lock, so that index and cache change together.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvgate_core::{Entry, ListedKey, Page, PageRequest, Timestamp, is_live};
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, UnitWeighter};
use smol_str::SmolStr;

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
    cache: Cache<SmolStr, Entry, UnitWeighter, DefaultHashBuilder, CollectEvicted>,
    index: Mutex<Index>,
    /// Bytes of keys and values in the whole store.
    size: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Index {
    keys: BTreeMap<SmolStr, Indexed>,
    expiring: BTreeSet<(Timestamp, SmolStr)>,
    closed: bool,
}

struct Indexed {
    expires_at: Option<Timestamp>,
    bytes: usize,
}

/// Hands the keys that an insert drops to whoever inserts.
#[derive(Clone)]
struct CollectEvicted;

impl Lifecycle<SmolStr, Entry> for CollectEvicted {
    type RequestState = Vec<SmolStr>;

    fn on_evict(&self, evicted: &mut Vec<SmolStr>, key: SmolStr, _: Entry) {
        evicted.push(key);
    }
}

impl Collection {
    pub(super) fn new(max_entries: NonZeroUsize, size: Arc<AtomicUsize>) -> Self {
        let max_entries = max_entries.get();
        let options = OptionsBuilder::new()
            // not divided: the parts would fill unevenly and evict before the whole is
            // full, and what was put in a row would not lie in a row for readers
            .shards(1)
            .estimated_items_capacity(max_entries)
            .weight_capacity(max_entries as u64)
            .build()
            .expect("both capacities are set");
        let hasher = DefaultHashBuilder::default();
        let cache = Cache::with_options(options, UnitWeighter, hasher, CollectEvicted);
        Self { cache, index: Mutex::default(), size }
    }

    pub(super) fn get(&self, key: &str) -> Option<Entry> {
        self.cache.get(key)
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
        self.check_room(&index, key, bytes, size_max)?;
        let key = SmolStr::new(key);
        let expires_at = entry.expires_at;
        if let Some(old) = index.keys.insert(key.clone(), Indexed { expires_at, bytes }) {
            self.forget(&mut index, key.clone(), &old);
        }
        if let Some(at) = expires_at {
            index.expiring.insert((at, key.clone()));
        }
        self.size.fetch_add(bytes, Ordering::Relaxed);
        let mut evicted = Vec::new();
        self.cache.insert_with_lifecycle(key.clone(), entry.detached(), &mut evicted);
        // what was under the same key counts as evicted too
        for evicted in evicted.into_iter().filter(|evicted| *evicted != key) {
            self.remove_from(&mut index, &evicted);
        }
        Ok(())
    }

    pub(super) fn delete(&self, key: &str) -> Option<Entry> {
        let mut index = self.index();
        self.remove_from(&mut index, key);
        self.cache.remove(key).map(|(_, entry)| entry)
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
            || index.expiring.last().is_some_and(|(at, _)| is_live(Some(*at), now))
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
        *index = Index { closed: true, ..Index::default() };
        // whoever still reads from it must see what a later reader sees
        self.cache.clear();
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

    fn index(&self) -> MutexGuard<'_, Index> {
        // nothing that is done under the lock panics half-way
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An entry no larger than the one it replaces always has room.
    fn check_room(
        &self,
        index: &Index,
        key: &str,
        bytes: usize,
        size_max: usize,
    ) -> Result<(), PutRefused> {
        let size = self.size.load(Ordering::Relaxed) + bytes;
        if size <= size_max {
            return Ok(());
        }
        let replaced = index.keys.get(key).map_or(0, |indexed| indexed.bytes);
        if bytes <= replaced || size - replaced <= size_max {
            return Ok(());
        }
        Err(PutRefused::Full)
    }

    fn remove_from(&self, index: &mut Index, key: &str) {
        if let Some((key, removed)) = index.keys.remove_entry(key) {
            self.forget(index, key, &removed);
        }
    }

    /// Undoes what an index entry that is gone from `keys` has done elsewhere.
    fn forget(&self, index: &mut Index, key: SmolStr, gone: &Indexed) {
        self.size.fetch_sub(gone.bytes, Ordering::Relaxed);
        if let Some(at) = gone.expires_at {
            index.expiring.remove(&(at, key));
        }
    }

    fn cull_some(&self, index: &mut Index, now: Timestamp, most: u64) -> u64 {
        let mut culled = 0;
        while culled < most
            && let Some((at, key)) = index.expiring.first()
            && !is_live(Some(*at), now)
        {
            let key = key.clone();
            self.remove_from(index, &key);
            self.cache.remove(key.as_str());
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
        let page = PageRequest { prefix: "", cursor: None, limit: 100 };
        collection.list(&page).items.into_iter().map(|listed| listed.key).collect()
    }

    fn collection(max_entries: usize) -> Collection {
        Collection::new(NonZeroUsize::new(max_entries).expect("not zero"), Arc::default())
    }

    const NOW: Timestamp = Timestamp::from_micros(1000);

    #[test]
    fn what_the_cache_evicts_leaves_the_index_too() {
        for max in [1, 2, 10, 1000] {
            let collection = collection(max);
            for i in 0..3 * max {
                let key = format!("{i:05}");
                collection.put(&key, &entry(None), NOW, usize::MAX).expect("there is room");
                assert!(collection.get(&key).is_some(), "{i} of {max}: what was just put is there");
            }
            let page = PageRequest { prefix: "", cursor: None, limit: usize::MAX };
            let listed = collection.list(&page).items;
            assert_eq!(listed.len(), max);
            assert!(listed.iter().all(|listed| collection.get(&listed.key).is_some()));
            assert_eq!(collection.size.load(Ordering::Relaxed), max * "00000{}".len());
        }
    }

    #[test]
    fn nothing_is_evicted_before_a_collection_is_full() {
        let collection = collection(5000);
        for i in 0..5000 {
            collection.put(&i.to_string(), &entry(None), NOW, usize::MAX).expect("there is room");
        }
        assert!((0..5000).all(|i| collection.get(&i.to_string()).is_some()));
    }

    #[test]
    fn a_put_removes_expired_entries() {
        let collection = collection(100);
        collection.put("old", &entry(Some(999)), NOW, 100).expect("there is room");
        collection.put("new", &entry(Some(1001)), NOW, 100).expect("there is room");
        assert_eq!(keys(&collection), ["new"]);
        assert_eq!(collection.get("old"), None);
        assert!(collection.has_live(NOW));
        assert_eq!(collection.cull(Timestamp::from_micros(1001)), 1);
        assert!(!collection.has_live(NOW));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let collection = collection(100);
        collection.put("a", &entry(None), NOW, 5).expect("there is room");
        assert_eq!(collection.put("b", &entry(None), NOW, 5), Err(PutRefused::Full));
        collection.put("a", &entry(None), NOW, 5).expect("as large as what it replaces");
        collection.delete("a").expect("it was there");
        collection.put("b", &entry(None), NOW, 5).expect("there is room again");
        assert!(collection.close());
        assert_eq!(collection.put("b", &entry(None), NOW, 5), Err(PutRefused::Closed));
        assert_eq!(collection.get("b"), None);
    }
}
