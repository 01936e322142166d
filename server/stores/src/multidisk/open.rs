//! The caches that are open: some, because each has files open, and there may be
//! any number of collections.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvgate_core::{BlockingPool, Clock, Error, Kind, Result};
use tokio::sync::{Notify, OnceCell};

use crate::disk::{Cache, Options};
use crate::local::directory;

/// Caches that are open, or being opened.
pub(super) struct OpenCaches {
    directory: PathBuf,
    options: Options,
    clock: Arc<dyn Clock>,
    pool: BlockingPool,
    open_max: usize,
    slots: Mutex<Slots>,
    /// Somebody has ended using a cache.
    ended: Notify,
}

#[derive(Default)]
struct Slots {
    by_name: HashMap<String, Slot>,
    /// Counts the uses, to tell which was the last.
    uses: u64,
}

struct Slot {
    cache: Arc<OnceCell<Cache>>,
    users: usize,
    last_use: u64,
}

/// A cache in use: as long as this lives, it stays open.
pub(super) struct Lease {
    caches: Arc<OpenCaches>,
    name: String,
    /// Always there but while it is dropped.
    cache: Option<Arc<OnceCell<Cache>>>,
}

/// Why a cache was not opened.
enum NotOpened {
    Missing,
    Failed(Error),
}

impl OpenCaches {
    pub(super) fn new(
        directory: PathBuf,
        options: Options,
        clock: Arc<dyn Clock>,
        pool: BlockingPool,
        open_max: usize,
    ) -> Self {
        Self {
            directory,
            options,
            clock,
            pool,
            open_max,
            slots: Mutex::default(),
            ended: Notify::new(),
        }
    }

    /// The cache in the directory `name`, if it is there.
    pub(super) async fn get(self: &Arc<Self>, name: &str) -> Result<Option<Lease>> {
        match self.open(name, false).await {
            Ok(lease) => Ok(Some(lease)),
            Err(NotOpened::Missing) => Ok(None),
            Err(NotOpened::Failed(error)) => Err(error),
        }
    }

    /// The cache in the directory `name`, made if it is not there.
    pub(super) async fn get_or_make(self: &Arc<Self>, name: &str) -> Result<Lease> {
        match self.open(name, true).await {
            Ok(lease) => Ok(lease),
            Err(NotOpened::Missing) => {
                Err(Error::new(Kind::Internal, "the directory was not made"))
            }
            Err(NotOpened::Failed(error)) => Err(error),
        }
    }

    async fn open(self: &Arc<Self>, name: &str, make: bool) -> Result<Lease, NotOpened> {
        let lease = self.lease(name).await;
        let (directory, options) = (self.directory.join(name), self.options);
        let (clock, pool) = (Arc::clone(&self.clock), self.pool.clone());
        let open = move || {
            if make {
                directory::prepare(&directory, options.durability)?;
            } else if !Cache::is_in(&directory) {
                return Ok(None);
            }
            Cache::open(&directory, options, clock, pool).map(Some)
        };
        let opened = async || match self.pool.run(open).await {
            Ok(Some(cache)) => Ok(cache),
            Ok(None) => Err(NotOpened::Missing),
            Err(error) => Err(NotOpened::Failed(error)),
        };
        lease.cell().get_or_try_init(opened).await?;
        Ok(lease)
    }

    /// A place for a cache; waits for one while all are in use.
    async fn lease(self: &Arc<Self>, name: &str) -> Lease {
        loop {
            let ended = self.ended.notified();
            if let Some(cache) = self.try_lease(name) {
                return Lease {
                    caches: Arc::clone(self),
                    name: name.to_owned(),
                    cache: Some(cache),
                };
            }
            ended.await;
        }
    }

    fn try_lease(&self, name: &str) -> Option<Arc<OnceCell<Cache>>> {
        let mut slots = self.slots();
        slots.uses += 1;
        let last_use = slots.uses;
        if let Some(slot) = slots.by_name.get_mut(name) {
            slot.users += 1;
            slot.last_use = last_use;
            return Some(Arc::clone(&slot.cache));
        }
        if slots.by_name.len() >= self.open_max {
            let closed = slots.remove_least_recently_used()?;
            // the last connection to a database tidies up before it closes
            tokio::task::spawn_blocking(move || drop(closed));
        }
        let slot = Slot { cache: Arc::default(), users: 1, last_use };
        let cache = Arc::clone(&slot.cache);
        slots.by_name.insert(name.to_owned(), slot);
        Some(cache)
    }

    /// How many are open.
    #[cfg(test)]
    pub(super) fn open_now(&self) -> usize {
        self.slots().by_name.len()
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // nothing that can panic happens while the map and the counts disagree
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    /// Removes the cache that nobody has used for the longest time; nothing if all
    /// are in use.
    fn remove_least_recently_used(&mut self) -> Option<Slot> {
        let idle = self.by_name.iter().filter(|(_, slot)| slot.users == 0);
        let (name, _) = idle.min_by_key(|(_, slot)| slot.last_use)?;
        let name = name.clone();
        self.by_name.remove(&name)
    }
}

impl Lease {
    fn cell(&self) -> &OnceCell<Cache> {
        self.cache.as_ref().expect("only drop takes it")
    }

    /// The cache.
    pub(super) fn cache(&self) -> Result<&Cache> {
        self.cell()
            .get()
            .ok_or_else(|| Error::new(Kind::Internal, "the collection's cache is not open"))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // before the count: whoever closes the slot then holds the last reference
        drop(self.cache.take());
        let mut slots = self.caches.slots();
        if let Some(slot) = slots.by_name.get_mut(&self.name) {
            slot.users -= 1;
            // nothing was opened: no reason to keep the place
            if slot.users == 0 && slot.cache.get().is_none() {
                slots.by_name.remove(&self.name);
            }
        }
        drop(slots);
        self.caches.ended.notify_waiters();
    }
}
