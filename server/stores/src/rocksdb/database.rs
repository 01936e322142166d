//! The operations on stored keys and envelopes. They block.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use kvgate_core::{Clock, Entry, Error, Kind, Removed, Result, Timestamp, envelope, is_live};
use rocksdb::{DB, DBRawIterator, ReadOptions, WriteBatch, WriteOptions};

use super::opening::{self, LAYOUT_KEY};
use super::stripes::Stripes;
use super::{Config, behind, fault};
use crate::local::Identity;
use crate::ordered::{KeyRange, StoredKeys};

/// Before every key of an entry: a name has no NUL.
const ENTRIES_START: &[u8] = b"\x01";

/// After every key of an entry: no text has this byte.
const ENTRIES_END: &[u8] = b"\xff";

/// How many entries one step of a cull looks at, and at most removes.
const CULL_STEP: usize = 1000;

/// A database that is open.
pub(super) struct Database {
    db: DB,
    stripes: Stripes,
    acknowledged: WriteOptions,
    /// The lock file: one that is not removed or replaced as long as the database is
    /// where it was.
    lock: PathBuf,
    identity: Identity,
}

impl Database {
    pub(super) fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self> {
        let db = opening::open(config, clock)?;
        let lock = config.path.join("LOCK");
        Ok(Self {
            db,
            stripes: Stripes::new(),
            acknowledged: opening::write_options(config.durability),
            identity: Identity::of(&lock)?,
            lock,
        })
    }

    /// Reads many keys, as they all were at one moment.
    pub(super) fn get(&self, keys: &[String]) -> Result<Vec<Result<Option<Entry>>>> {
        self.check_identity()?;
        let entry = |found: Result<Option<Vec<u8>>, _>| match found.map_err(fault::reading)? {
            Some(text) => Ok(Some(envelope::decode(&Bytes::from(text))?.entry)),
            None => Ok(None),
        };
        Ok(self.db.multi_get(keys).into_iter().map(entry).collect())
    }

    /// Stores envelopes, all or none.
    pub(super) fn put(&self, envelopes: &[(String, String)]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for (key, text) in envelopes {
            batch.put(key, text);
        }
        let _shared = self.stripes.shared(envelopes.iter().map(|(key, _)| key.as_str()));
        self.write(&batch)
    }

    /// Removes keys and says of each what was there.
    pub(super) fn delete(&self, keys: &[String]) -> Result<Vec<Result<Option<Removed>>>> {
        self.check_identity()?;
        let _alone = self.stripes.alone(keys.iter().map(String::as_str));
        let mut batch = WriteBatch::default();
        let mut deleted = HashSet::new();
        let mut delete = |key| {
            let removed = self.removed(key)?.filter(|_| deleted.insert(key));
            if removed.is_some() {
                batch.delete(key);
            }
            Ok(removed)
        };
        let answers = keys.iter().map(|key| delete(key.as_str())).collect();
        self.write(&batch)?;
        Ok(answers)
    }

    /// What a delete of the key would remove; also an entry that can't be read.
    fn removed(&self, key: &str) -> Result<Option<Removed>> {
        let found = self.db.get_pinned(key).map_err(fault::reading)?;
        Ok(found.map(|text| Removed { expires_at: expires_at(&text) }))
    }

    /// Lists stored keys of a range in order.
    pub(super) fn list(&self, range: &KeyRange, keys_max: usize) -> Result<Vec<ListedEntry>> {
        self.check_identity()?;
        let mut listed = Vec::new();
        let mut entries = Entries::within(&self.db, range);
        while listed.len() < keys_max
            && let Some((key, text)) = entries.next()?
        {
            listed.push((key.to_owned(), expires_at(text)));
        }
        Ok(listed)
    }

    /// Removes all keys of a range; answers whether one of them was live.
    pub(super) fn clear(&self, range: &KeyRange, now: Timestamp) -> Result<bool> {
        let _alone = self.stripes.all_alone();
        let had_live = self.has_live(range, now)?;
        let mut batch = WriteBatch::default();
        batch.delete_range(range.start.as_bytes(), end_of(range));
        self.write(&batch)?;
        Ok(had_live)
    }

    /// Removes all entries.
    pub(super) fn clear_all(&self) -> Result<()> {
        let _alone = self.stripes.all_alone();
        let mut batch = WriteBatch::default();
        batch.delete_range(ENTRIES_START, ENTRIES_END);
        self.write(&batch)
    }

    /// Removes what had expired at `now` of the first entries of a range; answers how
    /// many those were, and the range that is left.
    pub(super) fn cull(&self, range: KeyRange, now: Timestamp) -> Result<(u64, Option<KeyRange>)> {
        let listed = self.list(&range, CULL_STEP)?;
        let rest = match listed.last() {
            Some((last, _)) if listed.len() == CULL_STEP => Some(range.after(last)),
            _ => None,
        };
        let has_expired = |expires_at| !is_live(expires_at, now);
        let expired = listed.into_iter().filter(|(_, expires_at)| has_expired(*expires_at));
        let expired: Vec<String> = expired.map(|(key, _)| key).collect();

        let _alone = self.stripes.alone(expired.iter().map(String::as_str));
        let mut batch = WriteBatch::default();
        for key in expired {
            // perhaps it was put again, or deleted, since it was listed
            if self.removed(&key)?.is_some_and(|removed| has_expired(removed.expires_at)) {
                batch.delete(key);
            }
        }
        let removed = batch.len() as u64;
        self.write(&batch)?;
        Ok((removed, rest))
    }

    /// Tries whether the database can be read and is where it was.
    pub(super) fn check(&self) -> Result<()> {
        self.check_identity()?;
        match self.db.get_pinned(LAYOUT_KEY).map_err(fault::reading)? {
            Some(_) => Ok(()),
            None => Err(Error::new(Kind::Unreadable, "the database has lost its layout")),
        }
    }

    /// Compacts everything there is.
    #[cfg(test)]
    pub(super) fn compact(&self) {
        self.db.compact_range(None::<&[u8]>, None::<&[u8]>);
    }

    /// Writes all of the batch or nothing.
    fn write(&self, batch: &WriteBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.check_identity()?;
        behind::write(&self.db, batch, &self.acknowledged)
    }

    /// Refuses to go on with files that somebody has removed.
    fn check_identity(&self) -> Result<()> {
        if Identity::of(&self.lock)? == self.identity {
            return Ok(());
        }
        let path = self.lock.display();
        let context = format!("{path} was replaced: restart the server to open what is there now");
        Err(Error::new(Kind::Unavailable, context))
    }
}

impl Drop for Database {
    /// After a clean end, what was acknowledged survives a loss of power, too.
    fn drop(&mut self) {
        if let Err(error) = self.db.flush_wal(true) {
            tracing::warn!(%error, "the log of a database was not synced when it was closed");
        }
    }
}

impl StoredKeys for Database {
    fn first(&self, range: &KeyRange) -> Result<Option<String>> {
        Ok(Entries::within(&self.db, range).next()?.map(|(key, _)| key.to_owned()))
    }

    fn has_live(&self, range: &KeyRange, now: Timestamp) -> Result<bool> {
        let mut entries = Entries::within(&self.db, range);
        while let Some((_, text)) = entries.next()? {
            if is_live(expires_at(text), now) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn live_collection(&self, range: &KeyRange, now: Timestamp) -> Result<Option<String>> {
        let mut entries = Entries::within(&self.db, range);
        while let Some((_, text)) = entries.next()? {
            // one that can't be read leaves the name to the next
            if let Ok(decoded) = envelope::decode(&Bytes::copy_from_slice(text))
                && decoded.entry.is_live(now)
                && decoded.collection.is_some()
            {
                return Ok(decoded.collection);
            }
        }
        Ok(None)
    }
}

/// A stored key, and when its entry expires.
pub(super) type ListedEntry = (String, Option<Timestamp>);

/// The expiry in an envelope. One that can't be read counts as there: whoever reads
/// it is told.
fn expires_at(text: &[u8]) -> Option<Timestamp> {
    envelope::expires_at(text).ok().flatten()
}

/// The end of a range as the database wants it.
fn end_of(range: &KeyRange) -> &[u8] {
    range.end.as_deref().map_or(ENTRIES_END, str::as_bytes)
}

/// The entries of a range in order, as they were when the walk began.
struct Entries<'a> {
    cursor: DBRawIterator<'a>,
    begun: bool,
}

impl<'a> Entries<'a> {
    fn within(db: &'a DB, range: &KeyRange) -> Self {
        let start = range.start.as_bytes().max(ENTRIES_START);
        let mut options = ReadOptions::default();
        options.set_iterate_range(start..end_of(range));
        let mut cursor = db.raw_iterator_opt(options);
        cursor.seek_to_first();
        Self { cursor, begun: false }
    }

    /// The next stored key and its envelope.
    fn next(&mut self) -> Result<Option<(&str, &[u8])>> {
        loop {
            if std::mem::replace(&mut self.begun, true) {
                self.cursor.next();
            }
            match self.cursor.key() {
                Some(key) if str::from_utf8(key).is_ok() => break,
                // a key that is no text is nothing that could be asked for
                Some(_) => {}
                None => {
                    self.cursor.status().map_err(fault::reading)?;
                    return Ok(None);
                }
            }
        }
        let item = self.cursor.item();
        Ok(item.and_then(|(key, text)| Some((str::from_utf8(key).ok()?, text))))
    }
}
