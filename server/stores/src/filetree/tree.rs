//! The store's operations on files: all of them block.
//!
//! Among the operations of one process a lock of the collection keeps those
//! apart that change which files there are: it is held while a finished file is
//! renamed, removed or listed, never while one is written. Readers take none.
//!
//! Of other processes this is certain: a file is whole; a delete answers for the
//! file that it removed; a cull removes expired entries only. It moves a file
//! away before it looks at it for the last time, and moves it back if another
//! process has just replaced it: for that moment the entry can't be seen. A
//! listing may miss a key that another process is replacing, on file systems
//! that give a replaced file a new place in the directory.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvgate_core::envelope;
use kvgate_core::name::{self, Sanitize};
use kvgate_core::{
    Clock, Entry, Error, Kind, ListedKey, Page, PageRequest, Removed, Result, is_live,
};

use super::directory::{self, Info};
use super::file::{self, failed};
use super::names::{ENTRY_SUFFIX, INFO_SUFFIX, Names};
use crate::blocking::BlockingStore;
use crate::pages::page_of;

/// Collections share this many locks.
const LOCKS: usize = 64;

/// How often a put makes a directory again that others remove under it.
const ATTEMPTS_MAX: usize = 5;

/// A directory of collections.
pub struct Tree {
    /// As it was configured.
    configured: PathBuf,
    base: PathBuf,
    names: Names,
    clock: Arc<dyn Clock>,
    locks: [Mutex<()>; LOCKS],
}

/// Where a collection is.
pub(super) struct Collection<'a> {
    name: &'a str,
    /// The name of its directory.
    stored: String,
    directory: PathBuf,
}

impl Collection<'_> {
    /// The file of a key by its stored name.
    fn entry(&self, stored: &str) -> PathBuf {
        self.directory.join(format!("{stored}{ENTRY_SUFFIX}"))
    }

    /// Puts a batch's changes on the disk; without that none is acknowledged.
    fn sync<T>(&self, answers: &mut [Result<T>]) {
        if let Err(error) = file::sync_directory(&self.directory) {
            for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                *answer = Err(error.clone());
            }
        }
    }

    fn remove_left_behind(&self) -> Result<()> {
        directory::left_behind(&self.directory)?.iter().try_for_each(|path| file::remove(path))
    }
}

impl Tree {
    /// Opens a directory; makes it if only its last part is missing.
    pub(super) fn open(
        configured: &Path,
        sanitize: Sanitize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let base = directory::open(configured)?;
        Ok(Self {
            configured: configured.to_owned(),
            names: directory::names(&base, sanitize)?,
            base,
            clock,
            locks: [const { Mutex::new(()) }; LOCKS],
        })
    }

    fn collection<'a>(&self, name: &'a str) -> Result<Collection<'a>> {
        let stored = self.names.collection(name)?;
        let directory = self.base.join(&stored);
        Ok(Collection { name, stored, directory })
    }

    /// A collection by the name of its directory.
    pub(super) fn stored<'a>(&self, stored: &'a str) -> Collection<'a> {
        Collection { name: stored, stored: stored.to_owned(), directory: self.base.join(stored) }
    }

    fn lock(&self, collection: &Collection<'_>) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        collection.stored.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "of a hash any bits will do")]
        let index = hasher.finish() as usize % LOCKS;
        // what a panic left half done is on the disk, not behind the lock
        self.locks[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn info_path(&self, stored: &str) -> PathBuf {
        self.base.join(format!("{stored}{INFO_SUFFIX}"))
    }

    fn put(&self, collection: &Collection<'_>, key: &str, entry: &Entry) -> Result<()> {
        let stored = self.names.key(key)?;
        // a name that the file doesn't show is written into it
        let names = (stored != key).then_some((collection.name, key));
        let text = envelope::encode(entry, names);
        let path = collection.entry(&stored);
        for _ in 0..ATTEMPTS_MAX {
            match self.replace(collection, &path, &text) {
                // the collection was removed since it was prepared
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.prepare(collection)?;
                }
                replaced => return replaced.map_err(|error| failed("writing", &path, error)),
            }
        }
        let context = format!("{} is removed again and again", collection.directory.display());
        Err(Error::new(Kind::Unavailable, context))
    }

    fn replace(&self, collection: &Collection<'_>, path: &Path, text: &str) -> io::Result<()> {
        let temporary = file::write_temporary(&collection.directory, text)?;
        let _held = self.lock(collection);
        file::publish(temporary, path)
    }

    /// Makes the directory and the info file of a collection that has none.
    fn prepare(&self, collection: &Collection<'_>) -> Result<()> {
        let info = self.info_path(&collection.stored);
        let _held = self.lock(collection);
        let is_new = !self.exists(collection)?;
        if is_new {
            match fs::create_dir(&collection.directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed("making", &collection.directory, error));
                }
                _ => {}
            }
        }
        let has_info = info.try_exists().map_err(|error| failed("reading", &info, error))?;
        if !has_info {
            let directory = &collection.directory;
            let text = Info::text(collection.name, directory, self.clock.now());
            file::write_temporary(&self.base, &text)
                .and_then(|temporary| file::publish(temporary, &info))
                .map_err(|error| failed("writing", &info, error))?;
        }
        if is_new || !has_info {
            file::sync_directory(&self.base)?;
        }
        Ok(())
    }

    /// Whether the collection has a directory. A link is not followed: it may
    /// lead out of ours.
    fn exists(&self, collection: &Collection<'_>) -> Result<bool> {
        let directory = &collection.directory;
        match fs::symlink_metadata(directory) {
            Ok(metadata) if metadata.is_dir() => Ok(true),
            Ok(_) => {
                let context = format!("{} is not a directory: remove it", directory.display());
                Err(Error::new(Kind::Misconfigured, context))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // a tree that was unmounted is not an empty one
                self.check().map(|()| false)
            }
            Err(error) => Err(failed("reading", directory, error)),
        }
    }

    fn delete(&self, collection: &Collection<'_>, stored: &str) -> Result<Option<Removed>> {
        let path = collection.entry(stored);
        let _held = self.lock(collection);
        let Some(taken) = file::take(&path)? else {
            return Ok(None);
        };
        // what can't be read can be removed all the same
        let expires_at = match file::read(&taken) {
            Ok(Some(decoded)) => decoded.entry.expires_at,
            Ok(None) | Err(_) => None,
        };
        taken.close().map_err(|error| failed("removing", &path, error).may_have_happened())?;
        Ok(Some(Removed { expires_at }))
    }

    /// The stored names of a collection's entries.
    fn entries(&self, collection: &Collection<'_>) -> Result<BTreeSet<String>> {
        let _held = self.lock(collection);
        directory::entries(&collection.directory)
    }

    /// An entry as a listing shows it: with the key that finds it, so nothing if
    /// the file is another program's and no key does.
    fn listed(&self, collection: &Collection<'_>, stored: &str, prefix: &str) -> Option<ListedKey> {
        let is_made = name::is_reserved(stored);
        if !is_made && !stored.starts_with(prefix) {
            return None;
        }
        let (key, expires_at) = match file::read(&collection.entry(stored)) {
            Ok(None) => return None,
            Ok(Some(decoded)) => (decoded.key, decoded.entry.expires_at),
            // it is there, as whoever gets it learns
            Err(_) => (None, None),
        };
        let key = if is_made { key? } else { stored.to_owned() };
        let finds_it = self.names.key(&key).is_ok_and(|found| found == stored);
        (finds_it && key.starts_with(prefix)).then_some(ListedKey { key, expires_at })
    }

    /// What the collection in a directory is called; nothing if that is unknown.
    fn collection_name(&self, stored: &str) -> Option<String> {
        let written = Info::read(&self.info_path(stored)).map(|info| info.collection);
        let finds_it = |name: &String| self.names.collection(name).is_ok_and(|it| it == stored);
        written.filter(finds_it).or_else(|| Some(stored.to_owned()).filter(finds_it))
    }

    fn holds_live(&self, collection: &Collection<'_>) -> Result<bool> {
        let mut stored = self.entries(collection)?.into_iter();
        Ok(stored.any(|stored| self.is_live(&collection.entry(&stored))))
    }

    /// Whether there is an entry that has not expired, as far as it can be read.
    fn is_live(&self, path: &Path) -> bool {
        match file::read(path) {
            Ok(Some(decoded)) => is_live(decoded.entry.expires_at, self.clock.now()),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// Removes the entries, with the lock held; answers whether one was live.
    fn empty(&self, collection: &Collection<'_>) -> Result<bool> {
        // without an info file the directory may be another program's: then only
        // what surely is an entry goes
        let is_ours = Info::read(&self.info_path(&collection.stored)).is_some();
        let mut held = false;
        for stored in directory::entries(&collection.directory)? {
            let path = collection.entry(&stored);
            if is_ours || file::read(&path).is_ok() {
                held = held || self.is_live(&path);
                file::remove(&path)?;
            }
        }
        file::sync_directory(&collection.directory)?;
        Ok(held)
    }

    /// Removes all entries, then the collection itself if that leaves its
    /// directory empty. A put under way has a temporary file in it, so that it
    /// stays; one that comes later makes the directory again.
    pub(super) fn remove(&self, collection: &Collection<'_>) -> Result<()> {
        let _held = self.lock(collection);
        self.empty(collection)?;
        collection.remove_left_behind()?;
        let info = self.info_path(&collection.stored);
        if Info::read(&info).is_none() {
            return Ok(());
        }
        match fs::remove_dir(&collection.directory) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("removing", &collection.directory, error))
            }
            _ => file::remove(&info),
        }
    }

    /// Removes an entry if it has expired; answers whether it did.
    fn cull_one(&self, collection: &Collection<'_>, path: &Path) -> Result<bool> {
        if !self.has_expired(path) {
            return Ok(false);
        }
        let _held = self.lock(collection);
        // a put of this process may have come before the lock …
        if !self.has_expired(path) {
            return Ok(false);
        }
        // … and one of another process may come at any time
        let Some(taken) = file::take(path)? else {
            return Ok(false);
        };
        if !self.has_expired(&taken) {
            file::put_back(taken, path)?;
            return Ok(false);
        }
        taken.close().map_err(|error| failed("removing", path, error))?;
        Ok(true)
    }

    /// Whether there is an entry that surely has expired.
    fn has_expired(&self, path: &Path) -> bool {
        let found = file::read(path).ok().flatten();
        found.is_some_and(|decoded| !decoded.entry.is_live(self.clock.now()))
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filetree {}", self.configured.display())
    }
}

impl BlockingStore for Tree {
    fn get_many(&self, collection: &str, keys: &[String]) -> Result<Vec<Result<Option<Entry>>>> {
        let collection = self.collection(collection)?;
        if !self.exists(&collection)? {
            return Ok(keys.iter().map(|_| Ok(None)).collect());
        }
        let get = |key: &String| {
            let found = file::read(&collection.entry(&self.names.key(key)?))?;
            Ok(found.map(|decoded| decoded.entry))
        };
        Ok(keys.iter().map(get).collect())
    }

    /// Writes one file after the other: simple, and a batch in parallel would
    /// take the threads from everybody else.
    fn put_many(&self, collection: &str, entries: &[(String, Entry)]) -> Result<Vec<Result<()>>> {
        let collection = self.collection(collection)?;
        self.prepare(&collection)?;
        let mut stored: Vec<_> =
            entries.iter().map(|(key, entry)| self.put(&collection, key, entry)).collect();
        collection.sync(&mut stored);
        Ok(stored)
    }

    fn delete_many(
        &self,
        collection: &str,
        keys: &[String],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let collection = self.collection(collection)?;
        if !self.exists(&collection)? {
            return Ok(keys.iter().map(|_| Ok(None)).collect());
        }
        let mut removed: Vec<_> =
            keys.iter().map(|key| self.delete(&collection, &self.names.key(key)?)).collect();
        collection.sync(&mut removed);
        Ok(removed)
    }

    /// Reads the whole directory for each page: dear for large collections, but
    /// without an index that other programs would not keep.
    fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let collection = self.collection(collection)?;
        if !self.exists(&collection)? {
            return Ok(Page::empty());
        }
        let stored = self.entries(&collection)?;
        page_of(&stored, page, |stored| Ok(self.listed(&collection, stored, page.prefix)))
    }

    fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let stored = directory::collections(&self.base)?;
        page_of(&stored, page, |stored| {
            let name = self.collection_name(stored).filter(|name| name.starts_with(page.prefix));
            match name {
                Some(name) if self.holds_live(&self.stored(stored))? => Ok(Some(name)),
                _ => Ok(None),
            }
        })
    }

    /// Empties the collection. Directory and info file stay: a Python process
    /// that has used the collection does not make them again, so each of its puts
    /// would fail.
    fn delete_collection(&self, collection: &str) -> Result<bool> {
        let collection = self.collection(collection)?;
        if !self.exists(&collection)? {
            return Ok(false);
        }
        let _held = self.lock(&collection);
        self.empty(&collection)
    }

    /// Leaves nothing of ours. A Python process that has used the store must open
    /// it again, as `delete_collection` says.
    fn destroy(&self) -> Result<()> {
        for stored in directory::collections(&self.base)? {
            self.remove(&self.stored(&stored))?;
        }
        file::sync_directory(&self.base)
    }

    fn cull(&self) -> Result<u64> {
        let mut culled = 0;
        for stored in directory::collections(&self.base)? {
            let collection = self.stored(&stored);
            for stored in self.entries(&collection)? {
                if self.cull_one(&collection, &collection.entry(&stored))? {
                    culled += 1;
                }
            }
            collection.remove_left_behind()?;
        }
        Ok(culled)
    }

    fn check(&self) -> Result<()> {
        fs::read_dir(&self.base).map_err(|error| failed("reading", &self.base, error))?;
        Ok(())
    }
}
