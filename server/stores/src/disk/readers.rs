use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use kvgate_core::{BlockingPool, Result};
use rusqlite::Connection;

use super::files::ValueFiles;
use super::snapshot::Snapshot;
use super::{fault, schema};
use crate::local::Identity;

/// Connections that read while the writer writes.
pub(super) struct Readers {
    database: PathBuf,
    files: ValueFiles,
    pool: BlockingPool,
    idle: Mutex<Vec<Reader>>,
    idle_max: usize,
}

struct Reader {
    connection: Connection,
    /// The file that it has open.
    identity: Identity,
}

impl Readers {
    pub(super) fn new(
        database: PathBuf,
        files: ValueFiles,
        pool: BlockingPool,
        idle_max: usize,
    ) -> Self {
        Self { database, files, pool, idle: Mutex::default(), idle_max }
    }

    /// Runs `read` in one read transaction, on a thread that may block.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let readers = Arc::clone(self);
        self.pool.run(move || readers.read(read)).await
    }

    fn read<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> Result<T>) -> Result<T> {
        let mut reader = self.reader()?;
        // dropped, it rolls back: there is nothing to commit
        let transaction =
            reader.connection.transaction().map_err(|e| fault::sqlite("beginning to read", e))?;
        let answer = read(&Snapshot::new(&transaction, &self.files))?;
        drop(transaction);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // a connection that had an error is not kept: perhaps a new one has none
        if idle.len() < self.idle_max {
            idle.push(reader);
        }
        Ok(answer)
    }

    /// A connection to the file that is there now.
    fn reader(&self) -> Result<Reader> {
        let identity = Identity::of(&self.database)?;
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(reader) if reader.identity == identity => return Ok(reader),
                Some(_) => {}
                None => break,
            }
        }
        let connection = schema::connect_reader(&self.database)
            .map_err(|e| fault::sqlite(format!("opening {}", self.database.display()), e))?;
        Ok(Reader { connection, identity })
    }
}
