//! A write while `RocksDB` is behind with making files of what was written before.
//!
//! By itself it would let the write wait, and all others behind it: on a full disk until
//! there is room, however long that takes. So it is told not to (`opening.rs`), and what
//! waits, and how long, is said here.

use std::path::Path;
use std::time::{Duration, Instant};

use kvgate_core::{Error, Kind, Result};
use rocksdb::properties::{
    BACKGROUND_ERRORS, NUM_RUNNING_COMPACTIONS, NUM_RUNNING_FLUSHES, PropName, TOTAL_SST_FILES_SIZE,
};
use rocksdb::{DB, ErrorKind, WriteBatch, WriteOptions};

use super::fault;

/// How long a write waits at most.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// How long files may not be worked on before `RocksDB` counts as having given up: a
/// flush takes a moment to begin.
const IDLE_MAX: Duration = Duration::from_millis(200);

/// The pause before a write is tried again.
const PAUSE: Duration = Duration::from_millis(2);

/// Writes all of the batch or nothing.
pub(super) fn write(db: &DB, batch: &WriteBatch, options: &WriteOptions) -> Result<()> {
    let begun = Instant::now();
    let mut worked = begun;
    loop {
        // the library takes a batch for one try
        let tried = db.write_opt(WriteBatch::from_data(batch.data()), options);
        let error = match tried {
            Err(error) if error.kind() == ErrorKind::Incomplete => error,
            tried => return tried.map_err(fault::writing),
        };
        if !has_given_up(db) {
            worked = Instant::now();
        }
        if worked.elapsed() >= IDLE_MAX && lacks_room(db) {
            let context = "there is no room for the files of what was written before: free some";
            return Err(Error::new(Kind::Full, context).with_source(error));
        }
        if begun.elapsed() >= WAIT_MAX {
            let context = "the database is behind with what was written before: try again later";
            return Err(Error::new(Kind::Unavailable, context).with_source(error));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether something went wrong with a file, and none is made now.
fn has_given_up(db: &DB) -> bool {
    let running = figure(db, NUM_RUNNING_FLUSHES) + figure(db, NUM_RUNNING_COMPACTIONS);
    figure(db, BACKGROUND_ERRORS) > 0 && running == 0
}

/// Whether not all of the tables could be written anew, which a compaction may need.
fn lacks_room(db: &DB) -> bool {
    room(db.path()).is_some_and(|room| room <= figure(db, TOTAL_SST_FILES_SIZE))
}

fn figure(db: &DB, name: &PropName) -> u64 {
    db.property_int_value(name).ok().flatten().unwrap_or(0)
}

/// The bytes that are free for this user, where the system can be asked.
#[cfg(unix)]
fn room(directory: &Path) -> Option<u64> {
    let status = rustix::fs::statvfs(directory).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}

#[cfg(not(unix))]
fn room(_directory: &Path) -> Option<u64> {
    None
}
