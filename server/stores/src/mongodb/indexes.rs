//! The indexes of a collection, made when something is first stored in it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::mongodb::bson::{Document, doc};
use kvgate_core::Result;

use super::database::Database;
use super::fault;

/// How long it is taken for granted that a collection has its indexes: py-key-value and
/// administrators drop collections, and the server makes them again without.
const TRUSTED_FOR: Duration = Duration::from_mins(10);

/// The most collections that are remembered.
const COLLECTIONS_MAX: usize = 10_000;

/// Remembers which collections have their indexes.
#[derive(Default)]
pub(super) struct Indexes {
    seen: Mutex<HashMap<String, Instant>>,
}

impl Indexes {
    /// Makes the indexes that py-key-value makes, unless they were there lately.
    ///
    /// Nothing but speed depends on them, so a server that refuses them is obeyed: the TTL
    /// index only removes what has expired already, and keys are unique by `_id`.
    pub(super) async fn ensure(&self, database: &Database, collection: &str) -> Result<()> {
        let now = Instant::now();
        if self.seen().get(collection).is_some_and(|seen| now - *seen < TRUSTED_FOR) {
            return Ok(());
        }
        for index in [by_key(), by_expiry()] {
            match database.create_indexes(collection, &[index]).await {
                Err(error) if fault::is_refusal(&error) => {
                    tracing::warn!(collection, "an index can't be made, going on without: {error}");
                }
                made => made?,
            }
        }
        let mut seen = self.seen();
        if seen.len() >= COLLECTIONS_MAX {
            seen.clear();
        }
        seen.insert(collection.to_owned(), now);
        Ok(())
    }

    // a panic can't leave the map half changed: each change of it is one call
    fn seen(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn by_key() -> Document {
    doc! { "key": { "key": 1 }, "name": "key_1" }
}

fn by_expiry() -> Document {
    doc! { "key": { "expires_at": 1 }, "name": "expires_at_1", "expireAfterSeconds": 0 }
}
