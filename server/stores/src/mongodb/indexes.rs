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
    seen: Mutex<HashMap<String, Seen>>,
}

/// What was seen of a collection.
#[derive(Clone, Copy)]
struct Seen {
    at: Instant,
    keys_are_unique: bool,
}

impl Indexes {
    /// Makes the indexes unless they were there lately.
    ///
    /// A server may refuse them, for want of a right or because the collection already
    /// holds two documents with one key. It is obeyed: what kvgate stores has unique
    /// `_id`s, and what has expired is hidden whether it is removed or not.
    pub(super) async fn ensure(&self, database: &Database, collection: &str) -> Result<()> {
        if self.lately(collection).is_some() {
            return Ok(());
        }
        let keys_are_unique = make_all(database, collection).await?;
        let mut seen = self.seen();
        if seen.len() >= COLLECTIONS_MAX {
            seen.clear();
        }
        seen.insert(collection.to_owned(), Seen { at: Instant::now(), keys_are_unique });
        Ok(())
    }

    /// Whether it is known that no two documents of the collection have one key.
    pub(super) fn keys_are_unique(&self, collection: &str) -> bool {
        self.lately(collection).is_some_and(|seen| seen.keys_are_unique)
    }

    fn lately(&self, collection: &str) -> Option<Seen> {
        self.seen().get(collection).copied().filter(|seen| seen.at.elapsed() < TRUSTED_FOR)
    }

    // a panic can't leave the map half changed: each change of it is one call
    fn seen(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the indexes in one round trip, or one by one those that the server takes, and
/// answers whether no two documents can have one key.
async fn make_all(database: &Database, collection: &str) -> Result<bool> {
    match database.create_indexes(collection, &[unique_keys(), expiry()]).await {
        Ok(()) => return Ok(true),
        Err(error) if fault::is_refusal(&error) => {}
        Err(error) => return Err(error),
    }
    let keys_are_unique = make(database, collection, unique_keys()).await?;
    if !keys_are_unique {
        make(database, collection, keys()).await?;
    }
    make(database, collection, expiry()).await?;
    Ok(keys_are_unique)
}

/// Answers whether the index is there.
async fn make(database: &Database, collection: &str, index: Document) -> Result<bool> {
    match database.create_indexes(collection, &[index]).await {
        Ok(()) => Ok(true),
        Err(error) if fault::is_refusal(&error) => {
            tracing::warn!(collection, "going on without an index: {error}");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Its name leaves room for the index that py-key-value makes, which is not unique.
fn unique_keys() -> Document {
    doc! { "key": { "key": 1 }, "name": "key_unique", "unique": true }
}

/// As py-key-value makes it.
fn keys() -> Document {
    doc! { "key": { "key": 1 }, "name": "key_1" }
}

/// As py-key-value makes it.
fn expiry() -> Document {
    doc! { "key": { "expires_at": 1 }, "name": "expires_at_1", "expireAfterSeconds": 0 }
}
