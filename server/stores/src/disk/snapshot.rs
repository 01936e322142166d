//! Reading: what one connection sees in one read transaction.

use std::io;

use bytes::Bytes;
use kvgate_core::envelope::{self, Decoded};
use kvgate_core::{Error, Kind, Result, Timestamp};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::files::ValueFiles;
use super::{fault, schema};
use crate::local;
use crate::ordered::{KeyRange, StoredKeys};

/// diskcache's words for where a value is: only these two hold text.
pub(super) const MODE_INLINE: i64 = 1;
pub(super) const MODE_TEXT_FILE: i64 = 3;

const GET: &str = "SELECT mode, filename, value, expire_time FROM Cache INDEXED BY Cache_key_raw \
                   WHERE key = ?1 AND raw = 1";

const LIST: &str = "SELECT key, expire_time FROM Cache INDEXED BY Cache_key_raw \
                    WHERE key >= ?1 AND key < ?2 AND raw = 1 ORDER BY key LIMIT ?3";

const LIVE: &str = "SELECT mode, filename, value, expire_time FROM Cache INDEXED BY Cache_key_raw \
                    WHERE key >= ?1 AND key < ?2 AND raw = 1 \
                    AND (expire_time IS NULL OR expire_time > ?3) ORDER BY key";

/// A key as it is stored, and when its entry expires.
pub(crate) type StoredKey = (String, Option<Timestamp>);

/// What one connection sees while it reads.
pub(crate) struct Snapshot<'a> {
    connection: &'a Connection,
    files: &'a ValueFiles,
}

/// What is under a key.
pub(super) enum Found {
    Nothing,
    Entry(Box<Decoded>),
    /// A row whose value file, named here, is not there.
    FileMissing(String),
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(connection: &'a Connection, files: &'a ValueFiles) -> Self {
        Self { connection, files }
    }

    /// Reads one key. The outer error concerns all keys, the inner one this key.
    pub(super) fn get(&self, key: &str) -> Result<Result<Found>> {
        let mut statement = self.connection.prepare_cached(GET).map_err(reading)?;
        let mut rows = statement.query([key]).map_err(reading)?;
        match rows.next().map_err(reading)? {
            None => Ok(Ok(Found::Nothing)),
            Some(row) => self.read(row),
        }
    }

    /// Lists the stored keys of a range in order.
    pub(crate) fn list(&self, range: &KeyRange, rows_max: usize) -> Result<Vec<StoredKey>> {
        let mut statement = self.connection.prepare_cached(LIST).map_err(reading)?;
        let rows_max = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let mut rows =
            statement.query(params![range.start, end_of(range), rows_max]).map_err(reading)?;
        let mut listed = Vec::new();
        while let Some(row) = rows.next().map_err(reading)? {
            // a key that is no text is nothing that could be asked for
            if let Ok(key) = row.get(0) {
                listed.push((key, expiry(row, 1).map_err(reading)?));
            }
        }
        Ok(listed)
    }

    /// Reads something that every database of ours has.
    pub(super) fn check(&self) -> Result<()> {
        let statement = "SELECT value FROM Settings WHERE key = 'count'";
        let count: Option<Value> = self
            .connection
            .query_row(statement, [], |row| row.get(0))
            .optional()
            .map_err(reading)?;
        match count {
            Some(_) => Ok(()),
            None => Err(Error::new(Kind::Unreadable, "cache.db has lost its settings")),
        }
    }

    /// Reads the row of a value: `mode, filename, value, expire_time`.
    fn read(&self, row: &Row<'_>) -> Result<Result<Found>> {
        let mode: i64 = row.get(0).map_err(reading)?;
        let text = match (mode, row.get_ref(1), row.get_ref(2)) {
            (MODE_INLINE, _, Ok(ValueRef::Text(text))) => Bytes::copy_from_slice(text),
            (MODE_TEXT_FILE, Ok(ValueRef::Text(name)), _) => {
                let name = String::from_utf8_lossy(name);
                match self.files.read(&name) {
                    Ok(text) => Bytes::from(text),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Ok(Ok(Found::FileMissing(name.into_owned())));
                    }
                    Err(error) => return Ok(Err(unreadable_file(error))),
                }
            }
            _ => {
                return Ok(Err(Error::new(
                    Kind::Unreadable,
                    format!("the row holds something that is not text (mode {mode})"),
                )));
            }
        };
        let expires_at = expiry(row, 3).map_err(reading)?;
        Ok(envelope::decode(&text).map(|mut decoded| {
            // the column is what diskcache obeys
            decoded.entry.expires_at = expires_at.or(decoded.entry.expires_at);
            Found::Entry(Box::new(decoded))
        }))
    }
}

impl StoredKeys for Snapshot<'_> {
    fn first(&self, range: &KeyRange) -> Result<Option<String>> {
        Ok(self.list(range, 1)?.pop().map(|(key, _)| key))
    }

    fn has_live(&self, range: &KeyRange, now: Timestamp) -> Result<bool> {
        let mut statement = self.connection.prepare_cached(LIVE).map_err(reading)?;
        let mut rows = statement
            .query(params![range.start, end_of(range), now.as_seconds_f64()])
            .map_err(reading)?;
        Ok(rows.next().map_err(reading)?.is_some())
    }

    fn live_collection(&self, range: &KeyRange, now: Timestamp) -> Result<Option<String>> {
        let mut statement = self.connection.prepare_cached(LIVE).map_err(reading)?;
        let mut rows = statement
            .query(params![range.start, end_of(range), now.as_seconds_f64()])
            .map_err(reading)?;
        while let Some(row) = rows.next().map_err(reading)? {
            // one that can't be read leaves the name to the next
            if let Ok(Found::Entry(decoded)) = self.read(row)?
                && decoded.collection.is_some()
            {
                return Ok(decoded.collection);
            }
        }
        Ok(None)
    }
}

/// Without an end: before the smallest blob, which is after every text.
pub(super) fn end_of(range: &KeyRange) -> Value {
    match &range.end {
        Some(end) => Value::Text(end.clone()),
        None => Value::Blob(Vec::new()),
    }
}

pub(super) fn expiry(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let seconds: Option<f64> = row.get(column)?;
    Ok(seconds.map(|seconds| Timestamp::from_seconds_f64(seconds).min(Timestamp::MAX)))
}

fn reading(error: rusqlite::Error) -> Error {
    fault::sqlite(format!("reading {}", schema::DATABASE), error)
}

fn unreadable_file(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::IsADirectory => {
            Error::new(Kind::Unreadable, "reading the value file").with_source(error)
        }
        _ => local::fault("reading the value file", error),
    }
}
