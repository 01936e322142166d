//! The statements of a write transaction: what diskcache's `set`, `delete` and
//! `clear` do.

use std::num::NonZeroU64;

use kvgate_core::{Timestamp, is_live};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::change::{Change, Effect, Rows, SWEPT_MAX};
use super::schema::EvictBy;
use super::snapshot::{MODE_INLINE, MODE_TEXT_FILE, end_of, expiry};

const FIND: &str = "SELECT rowid, filename FROM Cache WHERE key = ?1 AND raw = 1";

const UPDATE: &str = "UPDATE Cache SET store_time = ?2, expire_time = ?3, access_time = ?2, \
                      access_count = 0, tag = NULL, size = ?4, mode = ?5, filename = ?6, \
                      value = ?7 WHERE rowid = ?1";

const INSERT: &str = "INSERT INTO Cache(key, raw, store_time, expire_time, access_time, \
                      access_count, tag, size, mode, filename, value) \
                      VALUES (?1, 1, ?2, ?3, ?2, 0, NULL, ?4, ?5, ?6, ?7)";

const DELETE: &str = "DELETE FROM Cache WHERE key = ?1 AND raw = 1 \
                      RETURNING filename, expire_time";

const SWEEP_ALL: &str = "DELETE FROM Cache WHERE rowid IN \
                         (SELECT rowid FROM Cache LIMIT ?1) RETURNING filename, expire_time";

const SWEEP_EXPIRED: &str = "DELETE FROM Cache WHERE rowid IN \
                             (SELECT rowid FROM Cache INDEXED BY Cache_expire_time \
                             WHERE expire_time <= ?1 ORDER BY expire_time LIMIT ?2) \
                             RETURNING filename, expire_time";

const SWEEP_WITHIN: &str = "DELETE FROM Cache WHERE rowid IN \
                            (SELECT rowid FROM Cache INDEXED BY Cache_key_raw \
                            WHERE key >= ?1 AND key < ?2 AND raw = 1 LIMIT ?3) \
                            RETURNING filename, expire_time";

/// A write transaction under way.
pub(super) struct Writing<'a> {
    transaction: &'a Connection,
    now: Timestamp,
    obsolete_files: Vec<String>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(transaction: &'a Connection, now: Timestamp) -> Self {
        Self { transaction, now, obsolete_files: Vec::new() }
    }

    /// The value files that no row names any more once this is committed.
    pub(super) fn into_obsolete_files(self) -> Vec<String> {
        self.obsolete_files
    }

    /// Does one change; `file` holds the value of a put that is too long.
    pub(super) fn apply(
        &mut self,
        change: &Change,
        file: Option<&str>,
    ) -> rusqlite::Result<Effect> {
        match change {
            Change::Put { key, text, expires_at } => self.put(key, text, *expires_at, file),
            Change::Delete { key } => self.remove(DELETE, [key]),
            Change::Sweep(rows) => self.sweep(rows),
        }
    }

    fn put(
        &mut self,
        key: &str,
        text: &str,
        expires_at: Option<Timestamp>,
        file: Option<&str>,
    ) -> rusqlite::Result<Effect> {
        let (mode, size, inline) = match file {
            Some(_) => (MODE_TEXT_FILE, signed(text.len() as u64), None),
            None => (MODE_INLINE, 0, Some(text)),
        };
        let now = self.now.as_seconds_f64();
        let expire_time = expires_at.map(Timestamp::as_seconds_f64);
        let found: Option<(i64, Option<String>)> = self
            .transaction
            .prepare_cached(FIND)?
            .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        // diskcache's order of statements: an upsert would not tell the old file
        if let Some((rowid, old_file)) = found {
            self.transaction.prepare_cached(UPDATE)?.execute(params![
                rowid,
                now,
                expire_time,
                size,
                mode,
                file,
                inline
            ])?;
            self.obsolete_files.extend(old_file);
        } else {
            self.transaction.prepare_cached(INSERT)?.execute(params![
                key,
                now,
                expire_time,
                size,
                mode,
                file,
                inline
            ])?;
        }
        Ok(Effect::default())
    }

    fn sweep(&mut self, rows: &Rows) -> rusqlite::Result<Effect> {
        match rows {
            Rows::All => self.remove(SWEEP_ALL, [signed(SWEPT_MAX)]),
            Rows::Expired => self.sweep_expired(SWEPT_MAX),
            Rows::Within(range) => {
                let range = params![range.start, end_of(range), signed(SWEPT_MAX)];
                self.remove(SWEEP_WITHIN, range)
            }
        }
    }

    fn sweep_expired(&mut self, rows_max: u64) -> rusqlite::Result<Effect> {
        let now = self.now.as_seconds_f64();
        self.remove(SWEEP_EXPIRED, params![now, signed(rows_max)])
    }

    /// Runs a statement that deletes rows and returns `filename, expire_time`.
    fn remove(&mut self, statement: &str, params: impl Params) -> rusqlite::Result<Effect> {
        let mut statement = self.transaction.prepare_cached(statement)?;
        let mut removed = statement.query(params)?;
        let mut effect = Effect::default();
        while let Some(row) = removed.next()? {
            let (file, expires_at) = file_and_expiry(row)?;
            self.obsolete_files.extend(file);
            effect.rows += 1;
            effect.live_rows += u64::from(is_live(expires_at, self.now));
            effect.expires_at = expires_at;
        }
        Ok(effect)
    }

    /// Removes at most `rows_max` expired rows, as every `set` of diskcache does;
    /// answers how many those were.
    pub(super) fn remove_expired(&mut self, rows_max: u64) -> rusqlite::Result<u64> {
        if rows_max == 0 {
            return Ok(0);
        }
        Ok(self.sweep_expired(rows_max)?.rows)
    }

    /// Removes rows until the cache is smaller than `max_size`, at most `rows_max`.
    ///
    /// diskcache removes ten at once, the one just stored among them if there are
    /// no others. Here the rows go one by one, and none of this transaction: those
    /// are not acknowledged yet.
    pub(super) fn evict(
        &mut self,
        max_size: NonZeroU64,
        rows_max: u64,
        evict_by: EvictBy,
    ) -> rusqlite::Result<()> {
        let column = match evict_by {
            EvictBy::StoreTime => "store_time",
            EvictBy::AccessTime => "access_time",
            EvictBy::AccessCount => "access_count",
        };
        let evict = format!(
            "DELETE FROM Cache WHERE rowid IN (SELECT rowid FROM Cache WHERE store_time < ?1 \
             ORDER BY {column} LIMIT 1) RETURNING filename, expire_time"
        );
        for _ in 0..rows_max {
            if self.volume()? < signed(max_size.get()) {
                break;
            }
            let evicted = self.remove(&evict, [self.now.as_seconds_f64()])?;
            if evicted.rows == 0 {
                break;
            }
        }
        Ok(())
    }

    /// The size of the cache as diskcache estimates it. Pages that became free in
    /// this transaction count as gone: the commit gives them back.
    fn volume(&self) -> rusqlite::Result<i64> {
        let number = |statement| {
            let mut statement = self.transaction.prepare_cached(statement)?;
            statement.query_row([], |row| row.get::<_, i64>(0))
        };
        let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
        let files = number("SELECT value FROM Settings WHERE key = 'size'")?;
        Ok(pages * number("PRAGMA page_size")? + files)
    }
}

fn file_and_expiry(row: &Row<'_>) -> rusqlite::Result<(Option<String>, Option<Timestamp>)> {
    Ok((row.get(0)?, expiry(row, 1)?))
}

/// The database has signed integers only.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
