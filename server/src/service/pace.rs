//! How many entries of a stream are read at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use kvgate_core::{Entry, Error};

/// The bytes that one chunk should have about: a few messages' worth, so that the
/// round trip to the backend is shared by many entries, and little enough that a
/// thousand streams hold less than a gibibyte.
const CHUNK_BYTES: usize = 256 * 1024;

/// The most entries of a chunk, however small they are.
const CHUNK_ENTRIES_MAX: usize = 1_000;

/// The entries of the first chunk, of whose size nothing is known: with values of
/// 4 MiB it holds 64 MiB.
const CHUNK_ENTRIES_FIRST: usize = 16;

/// How much a chunk may grow over the one before: entries may get larger.
const GROWTH_MAX: usize = 4;

/// The number of entries to read at once, learnt from the sizes of those before.
pub(super) struct Pace {
    entries: AtomicUsize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { entries: AtomicUsize::new(CHUNK_ENTRIES_FIRST) }
    }
}

impl Pace {
    /// How many entries to read next.
    pub(super) fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Takes the sizes of a chunk into account.
    pub(super) fn learn(&self, found: &[Result<Option<Entry>, Error>]) {
        if found.is_empty() {
            return;
        }
        let sizes = found.iter().flatten().flatten().map(|entry| entry.value.as_bytes().len());
        let mean = (sizes.sum::<usize>() / found.len()).max(1);
        let most = CHUNK_ENTRIES_MAX.min(self.entries() * GROWTH_MAX);
        self.entries.store((CHUNK_BYTES / mean).clamp(1, most), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kvgate_core::Value;

    use super::*;

    fn found(size: usize, count: usize) -> Vec<Result<Option<Entry>, Error>> {
        let value = Value::from_checked(Bytes::from(vec![b' '; size]));
        vec![Ok(Some(Entry { value, created_at: None, expires_at: None })); count]
    }

    #[test]
    fn small_entries_are_read_by_many_and_large_ones_by_few() {
        let pace = Pace::default();
        for _ in 0..10 {
            pace.learn(&found(10, 16));
        }
        assert_eq!(pace.entries(), CHUNK_ENTRIES_MAX);
        pace.learn(&found(2 * CHUNK_BYTES, 1));
        assert_eq!(pace.entries(), 1);
        pace.learn(&found(10, 1));
        assert_eq!(pace.entries(), GROWTH_MAX);
    }
}
