//! The store's operations on the registry: all of them block.
//!
//! A value is read and replaced as a whole, by any process. More than that needs the
//! lock, among the operations of one process: puts share it, and nobody else has it
//! while one lists names, or looks at an entry and removes it. A put of another
//! process in the very moment in which a cull removes what has expired goes with it:
//! the registry has no way to remove a value only if it is still the same.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use kvgate_core::envelope::{self, Decoded};
use kvgate_core::name::Sanitize;
use kvgate_core::{Clock, Entry, Kind, ListedKey, Page, PageRequest, Removed, Result};

use super::hive::{Base, Values};
use super::names;
use crate::blocking::BlockingStore;
use crate::pages::page_of;

/// The registry key with the collections.
pub struct Tree {
    /// As it was configured.
    place: String,
    base: Base,
    sanitize: Sanitize,
    clock: Arc<dyn Clock>,
    lock: RwLock<()>,
}

/// What is under a stored name.
enum Found {
    Entry(Decoded),
    /// Something that is no entry.
    Unreadable,
}

impl Tree {
    pub(super) fn new(
        place: String,
        base: Base,
        sanitize: Sanitize,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { place, base, sanitize, clock, lock: RwLock::new(()) }
    }

    // what a panic left half done is in the registry, not behind the lock
    fn shared(&self) -> RwLockReadGuard<'_, ()> {
        self.lock.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.lock.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn values(&self, collection: &str) -> Result<Option<Values>> {
        self.base.collection(&names::of_collection(collection, self.sanitize)?)
    }

    fn stored_keys(&self, values: &Values) -> Result<BTreeSet<String>> {
        let _alone = self.alone();
        Ok(values.names()?.into_iter().collect())
    }

    fn stored_collections(&self) -> Result<BTreeSet<String>> {
        let _alone = self.alone();
        Ok(self.base.collections()?.into_iter().collect())
    }

    /// Whether an entry is in this collection. Python stores names as they are, so that
    /// the registry finds one that differs in case.
    fn is_in(&self, collection: &str, found: &Decoded) -> bool {
        self.is_same(collection, found.collection.as_deref())
    }

    fn is_of(&self, collection: &str, key: &str, found: &Decoded) -> bool {
        self.is_in(collection, found) && self.is_same(key, found.key.as_deref())
    }

    fn is_same(&self, name: &str, written: Option<&str>) -> bool {
        self.sanitize == Sanitize::V1 || written.is_none_or(|written| written == name)
    }

    /// The collection in the registry key of this name, if it holds a live entry.
    fn live_collection(&self, stored: &str) -> Result<Option<String>> {
        let Some(values) = self.base.collection(stored)? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let _alone = self.alone();
        values.find(|text| {
            let written = match text.and_then(|text| envelope::decode(&Bytes::from(text))) {
                Ok(found) if found.entry.is_live(now) => found.collection,
                Ok(_) => return None,
                // it is there, as whoever gets it learns
                Err(_) => None,
            };
            let name = written.unwrap_or_else(|| stored.to_owned());
            let finds_it = names::of_collection(&name, self.sanitize)
                .is_ok_and(|it| it.eq_ignore_ascii_case(stored));
            finds_it.then_some(name)
        })
    }

    /// Removes the values that are meant; answers whether one was live. Their registry
    /// key stays: a Python process that has used it does not make it again, so each of
    /// its puts would fail.
    fn clear(&self, values: &Values, is_meant: impl Fn(&Decoded) -> bool) -> Result<bool> {
        let now = self.clock.now();
        let mut held = false;
        let _alone = self.alone();
        for stored in values.names()? {
            held |= match find(values, &stored)? {
                Some(Found::Entry(found)) if is_meant(&found) => found.entry.is_live(now),
                Some(Found::Unreadable) => true,
                Some(Found::Entry(_)) | None => continue,
            };
            values.remove(&stored)?;
        }
        Ok(held)
    }

    /// Whether there is an entry that surely has expired.
    fn has_expired(&self, values: &Values, stored: &str) -> Result<bool> {
        let now = self.clock.now();
        Ok(match find(values, stored)? {
            Some(Found::Entry(found)) => !found.entry.is_live(now),
            Some(Found::Unreadable) | None => false,
        })
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "registry {}", self.place)
    }
}

impl BlockingStore for Tree {
    fn get_many(&self, collection: &str, keys: &[String]) -> Result<Vec<Result<Option<Entry>>>> {
        let Some(values) = self.values(collection)? else {
            return Ok(keys.iter().map(|_| Ok(None)).collect());
        };
        let get = |key: &String| {
            let found = read(&values, &names::of_key(key, self.sanitize))?;
            Ok(found.filter(|found| self.is_of(collection, key, found)).map(|found| found.entry))
        };
        Ok(keys.iter().map(get).collect())
    }

    fn put_many(&self, collection: &str, entries: &[(String, Entry)]) -> Result<Vec<Result<()>>> {
        let stored = names::of_collection(collection, self.sanitize)?;
        let _shared = self.shared();
        let values = self.base.make_collection(&stored)?;
        let put = |(key, entry): &(String, Entry)| {
            let text = envelope::encode(entry, Some((collection, key)));
            values.set(&names::of_key(key, self.sanitize), &text)
        };
        Ok(entries.iter().map(put).collect())
    }

    fn delete_many(
        &self,
        collection: &str,
        keys: &[String],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let Some(values) = self.values(collection)? else {
            return Ok(keys.iter().map(|_| Ok(None)).collect());
        };
        let delete = |key: &String| {
            let stored = names::of_key(key, self.sanitize);
            let _alone = self.alone();
            let expires_at = match find(&values, &stored)? {
                Some(Found::Entry(found)) if self.is_of(collection, key, &found) => {
                    found.entry.expires_at
                }
                Some(Found::Unreadable) => None,
                Some(Found::Entry(_)) | None => return Ok(None),
            };
            values.remove(&stored)?;
            Ok(Some(Removed { expires_at }))
        };
        Ok(keys.iter().map(delete).collect())
    }

    fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let Some(values) = self.values(collection)? else {
            return Ok(Page::empty());
        };
        let stored = self.stored_keys(&values)?;
        page_of(&stored, page, |stored| {
            if !names::may_begin(stored, page.prefix) {
                return Ok(None);
            }
            let (key, expires_at) = match find(&values, stored)? {
                Some(Found::Entry(found)) if self.is_in(collection, &found) => {
                    (found.key, found.entry.expires_at)
                }
                // it is there, as whoever gets it learns
                Some(Found::Unreadable) => (None, None),
                Some(Found::Entry(_)) | None => return Ok(None),
            };
            let key = key.unwrap_or_else(|| stored.to_owned());
            // only a key that finds it
            let is_listed = key.starts_with(page.prefix)
                && names::of_key(&key, self.sanitize).eq_ignore_ascii_case(stored);
            Ok(is_listed.then_some(ListedKey { key, expires_at }))
        })
    }

    fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let stored = self.stored_collections()?;
        page_of(&stored, page, |stored| {
            if !names::may_begin(stored, page.prefix) {
                return Ok(None);
            }
            let name = self.live_collection(stored)?;
            Ok(name.filter(|name| name.starts_with(page.prefix)))
        })
    }

    fn delete_collection(&self, collection: &str) -> Result<bool> {
        match self.values(collection)? {
            Some(values) => self.clear(&values, |found| self.is_in(collection, found)),
            None => Ok(false),
        }
    }

    fn destroy(&self) -> Result<()> {
        for stored in self.stored_collections()? {
            if let Some(values) = self.base.collection(&stored)? {
                self.clear(&values, |_| true)?;
            }
        }
        Ok(())
    }

    fn cull(&self) -> Result<u64> {
        let mut culled = 0;
        for stored in self.stored_collections()? {
            let Some(values) = self.base.collection(&stored)? else {
                continue;
            };
            for stored in self.stored_keys(&values)? {
                if self.has_expired(&values, &stored)? {
                    let _alone = self.alone();
                    // a put may have come before the lock
                    if self.has_expired(&values, &stored)? {
                        values.remove(&stored)?;
                        culled += 1;
                    }
                }
            }
        }
        Ok(culled)
    }

    fn check(&self) -> Result<()> {
        self.stored_collections().map(drop)
    }
}

/// Reads the entry under a stored name.
fn read(values: &Values, stored: &str) -> Result<Option<Decoded>> {
    values.get(stored)?.map(|text| envelope::decode(&Bytes::from(text))).transpose()
}

/// Reads what is under a stored name, for those who need not tell why it is no entry.
fn find(values: &Values, stored: &str) -> Result<Option<Found>> {
    match read(values, stored) {
        Ok(found) => Ok(found.map(Found::Entry)),
        Err(error) if error.kind() == Kind::Unreadable => Ok(Some(Found::Unreadable)),
        Err(error) => Err(error),
    }
}
