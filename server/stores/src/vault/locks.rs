//! Who may change what is at a path: many may put, or one may look and then remove.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use kvgate_core::Result;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::timeout;

use super::fault::unavailable;

/// How many locks all paths share.
const LOCKS: usize = 256;

/// How long a call may wait for others, be it for a lock or for its turn to ask Vault.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(30);

/// Locks for paths, some of which share one. Nobody holds two.
pub(super) struct Locks {
    locks: Vec<RwLock<()>>,
    hasher: RandomState,
}

impl Default for Locks {
    fn default() -> Self {
        let locks = std::iter::repeat_with(RwLock::default).take(LOCKS).collect();
        Self { locks, hasher: RandomState::new() }
    }
}

impl Locks {
    /// For a put, beside other puts.
    pub(super) async fn shared(&self, path: &str) -> Result<RwLockReadGuard<'_, ()>> {
        timeout(WAIT_MAX, self.of(path).read()).await.map_err(|_| waited())
    }

    /// For one who removes what it has seen.
    pub(super) async fn alone(&self, path: &str) -> Result<RwLockWriteGuard<'_, ()>> {
        timeout(WAIT_MAX, self.of(path).write()).await.map_err(|_| waited())
    }

    fn of(&self, path: &str) -> &RwLock<()> {
        let hash = self.hasher.hash_one(path) % LOCKS as u64;
        // below LOCKS, so it fits
        &self.locks[usize::try_from(hash).unwrap_or_default()]
    }
}

fn waited() -> kvgate_core::Error {
    unavailable("waiting for other changes of the same entry in Vault")
}
