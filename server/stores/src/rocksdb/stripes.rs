use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How many locks there are: enough that two calls seldom meet on one by chance.
const STRIPES: usize = 1024;

/// Keeps others from changing a key between somebody's look at it and the write that
/// follows from what was seen: a delete that says what it removed, a cull that must
/// not remove what has just been put.
///
/// Puts share the keys' locks, because they look at nothing: the database brings
/// them into an order, and many of them wait for the disk together.
pub(super) struct Stripes {
    locks: Vec<RwLock<()>>,
    hasher: RandomState,
}

impl Stripes {
    pub(super) fn new() -> Self {
        Self {
            locks: (0..STRIPES).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Shares the keys with others who put.
    pub(super) fn shared<'a>(
        &self,
        keys: impl Iterator<Item = &'a str>,
    ) -> Vec<RwLockReadGuard<'_, ()>> {
        let share = |lock: usize| self.locks[lock].read().unwrap_or_else(PoisonError::into_inner);
        self.of(keys).into_iter().map(share).collect()
    }

    /// Has the keys alone.
    pub(super) fn alone<'a>(
        &self,
        keys: impl Iterator<Item = &'a str>,
    ) -> Vec<RwLockWriteGuard<'_, ()>> {
        let take = |lock: usize| self.locks[lock].write().unwrap_or_else(PoisonError::into_inner);
        self.of(keys).into_iter().map(take).collect()
    }

    /// Has every key alone.
    pub(super) fn all_alone(&self) -> Vec<RwLockWriteGuard<'_, ()>> {
        let take = |lock| RwLock::write(lock).unwrap_or_else(PoisonError::into_inner);
        self.locks.iter().map(take).collect()
    }

    /// The locks of the keys, in the one order in which all take them: two who wait
    /// for each other would wait for ever.
    fn of<'a>(&self, keys: impl Iterator<Item = &'a str>) -> BTreeSet<usize> {
        keys.map(|key| {
            #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
            let hash = self.hasher.hash_one(key) as usize;
            hash % STRIPES
        })
        .collect()
    }
}
