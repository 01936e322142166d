//! Those who delete the same object take turns, so that one of them is told that it was
//! there.

use std::hash::{BuildHasher as _, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// How many objects can be deleted at the same time, if chance wills it.
const TURNS: usize = 1024;

/// Whose turn it is, for each of many groups of objects.
pub(super) struct Turns {
    turns: Box<[Mutex<()>]>,
    hasher: RandomState,
}

impl Turns {
    pub(super) fn new() -> Self {
        let turns = std::iter::repeat_with(Mutex::default).take(TURNS).collect();
        Self { turns, hasher: RandomState::new() }
    }

    /// Waits until nobody else deletes any of these objects. It lasts as long as what is
    /// returned.
    pub(super) async fn take(&self, names: &[String]) -> Vec<MutexGuard<'_, ()>> {
        let mut places: Vec<usize> = names.iter().map(|name| self.place(name)).collect();
        // all in one order: two that wait for each other would wait for ever
        places.sort_unstable();
        places.dedup();
        let mut taken = Vec::with_capacity(places.len());
        for place in places {
            taken.push(self.turns[place].lock().await);
        }
        taken
    }

    fn place(&self, name: &str) -> usize {
        let hash = self.hasher.hash_one(name);
        usize::try_from(hash % TURNS as u64).unwrap_or_default()
    }
}
