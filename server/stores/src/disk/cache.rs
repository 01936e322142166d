use std::path::Path;
use std::sync::Arc;

use kvgate_core::{BlockingPool, Clock, Entry, Error, Kind, Removed, Result, Timestamp};

use super::batch::BatchWriter;
use super::change::{Answer, Change, Effect, Rows};
use super::files::ValueFiles;
use super::queue::WriteQueue;
use super::readers::Readers;
use super::snapshot::{Found, Snapshot, StoredKey};
use super::{Options, schema};
use crate::ordered::KeyRange;

/// How often a row is read again whose value file went away meanwhile.
const READS_MAX: usize = 10;

/// A diskcache directory: rows of a stored key and an envelope. It knows nothing of
/// collections.
pub(crate) struct Cache {
    queue: WriteQueue,
    readers: Arc<Readers>,
}

/// An envelope to be stored.
#[derive(Debug)]
pub(crate) struct StoredEntry {
    pub(crate) key: String,
    pub(crate) text: String,
    pub(crate) expires_at: Option<Timestamp>,
}

/// The answers for many keys, each with what is known of its key alone.
type Many<T> = Vec<Result<T>>;

impl Cache {
    /// Opens the cache in a directory that exists; makes it if that is empty. It
    /// blocks.
    pub(crate) fn open(
        directory: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
        pool: BlockingPool,
    ) -> Result<Self> {
        let writer = BatchWriter::open(directory, options, clock)?;
        let files = ValueFiles::new(directory);
        Ok(Self {
            queue: WriteQueue::new(writer),
            readers: Arc::new(Readers::new(
                schema::database(directory),
                files,
                pool,
                options.readers_idle_max,
            )),
        })
    }

    /// Whether there is a cache in the directory.
    #[cfg(feature = "multidisk")]
    pub(crate) fn is_in(directory: &Path) -> bool {
        schema::database(directory).exists()
    }

    /// Reads within one transaction.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.run(read).await
    }

    /// Reads many keys, as they all were at one moment.
    pub(crate) async fn get_many(&self, keys: Vec<String>) -> Result<Many<Option<Entry>>> {
        let (keys, mut found) = self
            .read(move |snapshot| {
                let found: Result<Vec<_>> = keys.iter().map(|key| snapshot.get(key)).collect();
                Ok((keys, found?))
            })
            .await?;
        for (key, found) in keys.into_iter().zip(&mut found) {
            if let Ok(Found::FileMissing(name)) = found {
                *found = self.get_again(key, std::mem::take(name)).await?;
            }
        }
        let entry = |found| match found {
            Found::Entry(decoded) => Some(decoded.entry),
            Found::Nothing | Found::FileMissing(_) => None,
        };
        Ok(found.into_iter().map(|found| found.map(entry)).collect())
    }

    /// Reads a key again whose value file was not there. If the row names another
    /// file now, the key was overwritten between our reading of the row and of the
    /// file; if it names the same one, the value is lost, and the entry counts as
    /// missing, as it does for diskcache.
    async fn get_again(&self, key: String, mut missing: String) -> Result<Result<Found>> {
        for _ in 0..READS_MAX {
            let key = key.clone();
            match self.read(move |snapshot| snapshot.get(&key)).await? {
                Ok(Found::FileMissing(name)) if name == missing => return Ok(Ok(Found::Nothing)),
                Ok(Found::FileMissing(name)) => missing = name,
                found => return Ok(found),
            }
        }
        Ok(Err(Error::new(Kind::Unavailable, "the entry was overwritten each time it was read")))
    }

    /// Stores entries in order.
    pub(crate) async fn put_many(&self, entries: Vec<StoredEntry>) -> Result<Many<()>> {
        let put = |entry: StoredEntry| Change::Put {
            key: entry.key,
            text: entry.text,
            expires_at: entry.expires_at,
        };
        let answers = self.queue.run(entries.into_iter().map(put).collect()).await?;
        Ok(answers.into_iter().map(|answer| answer.map(drop)).collect())
    }

    /// Removes keys and says of each whether it was there.
    pub(crate) async fn delete_many(&self, keys: Vec<String>) -> Result<Many<Option<Removed>>> {
        let delete = |key| Change::Delete { key };
        let answers = self.queue.run(keys.into_iter().map(delete).collect()).await?;
        let removed =
            |effect: Effect| (effect.rows > 0).then_some(Removed { expires_at: effect.expires_at });
        Ok(answers.into_iter().map(|answer| answer.map(removed)).collect())
    }

    /// Lists stored keys of a range in order.
    pub(crate) async fn list(&self, range: KeyRange, rows_max: usize) -> Result<Vec<StoredKey>> {
        self.read(move |snapshot| snapshot.list(&range, rows_max)).await
    }

    /// Removes all keys of a range; answers whether one of them was live.
    pub(crate) async fn clear(&self, range: KeyRange) -> Result<bool> {
        Ok(self.sweep(Rows::Within(range)).await?.live_rows > 0)
    }

    /// Removes all rows, also those that are not ours; answers whether one of them
    /// was live.
    pub(crate) async fn clear_all(&self) -> Result<bool> {
        Ok(self.sweep(Rows::All).await?.live_rows > 0)
    }

    /// Removes what has expired and answers how many rows that were.
    pub(crate) async fn cull(&self) -> Result<u64> {
        Ok(self.sweep(Rows::Expired).await?.rows)
    }

    /// Removes rows, some in each transaction, until none is left: other writers
    /// get their turn in between.
    async fn sweep(&self, rows: Rows) -> Result<Effect> {
        let mut sum = Effect::default();
        loop {
            let answers = self.queue.run(vec![Change::Sweep(rows.clone())]).await?;
            let answer: Option<Answer> = answers.into_iter().next();
            let swept = answer.transpose()?.unwrap_or_default();
            if swept.rows == 0 {
                return Ok(sum);
            }
            sum.rows += swept.rows;
            sum.live_rows += swept.live_rows;
        }
    }

    /// Tries whether the database can be read and is where it was.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is of one lifetime, the closure of any"
    )]
    pub(crate) async fn check(&self) -> Result<()> {
        self.read(|snapshot| snapshot.check()).await
    }

    /// How many transactions were committed.
    #[cfg(test)]
    pub(super) fn commits(&self) -> u64 {
        self.queue.commits()
    }
}
