//! What is read and written: entries, and the results of reading many.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvgate_proto::v1::{self, get_result};
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::status;
use crate::value::{IntoValue, RawJson};

/// One stored entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The key exactly as it was put.
    pub key: String,
    /// The value, letter for letter as it was put.
    pub value: RawJson,
    /// When it was put; nothing if the store does not know.
    pub created_at: Option<SystemTime>,
    /// When it stops being visible; nothing if it never does.
    pub expires_at: Option<SystemTime>,
}

impl Entry {
    /// Reads the value as a type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        self.value.parse()
    }

    pub(crate) fn read(entry: v1::Entry) -> Self {
        let moment = |at: prost_types::Timestamp| SystemTime::try_from(at).ok();
        Self {
            key: entry.key,
            value: entry.value.into(),
            created_at: entry.created_at.and_then(moment),
            expires_at: entry.expires_at.and_then(moment),
        }
    }
}

/// What came of reading one of many keys.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyResult {
    /// The key that was asked for.
    pub key: String,
    /// Its entry, nothing if there is none, or why this key alone can't be read.
    pub outcome: Result<Option<Entry>>,
}

impl KeyResult {
    pub(crate) fn read(result: v1::GetResult) -> Self {
        let outcome = match result.outcome {
            Some(get_result::Outcome::Entry(entry)) => Ok(Some(Entry::read(entry))),
            Some(get_result::Outcome::Error(error)) => Err(status::from_entry(&error)),
            None => Ok(None),
        };
        Self { key: result.key, outcome }
    }

    /// Reads the value as a type; nothing if the key is missing.
    pub fn parse<T: DeserializeOwned>(self) -> Result<Option<T>> {
        self.outcome?.map(|entry| entry.parse()).transpose()
    }
}

/// How long an entry still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// It never expires.
    Forever,
    /// So long, when the server answered.
    Left(Duration),
}

impl Ttl {
    /// The time left; nothing if it never ends.
    pub fn left(self) -> Option<Duration> {
        match self {
            Self::Forever => None,
            Self::Left(left) => Some(left),
        }
    }

    pub(crate) fn read(ttl: Option<prost_types::Duration>) -> Self {
        // one below zero can't be, and would be an entry at its end
        ttl.map_or(Self::Forever, |ttl| Self::Left(Duration::try_from(ttl).unwrap_or_default()))
    }
}

/// An entry with the time it has left, of an answer about many keys.
pub(crate) fn read_with_ttl(result: v1::TtlResult) -> Result<Option<(Entry, Ttl)>> {
    match result.error {
        Some(error) => Err(status::from_entry(&error)),
        None => Ok(result.entry.map(|entry| (Entry::read(entry), Ttl::read(result.ttl)))),
    }
}

/// An entry to store with others. It is also made from a tuple of key, value and maybe a ttl.
#[derive(Debug)]
pub struct PutEntry {
    key: String,
    value: Result<Bytes>,
    ttl: Option<Duration>,
}

impl PutEntry {
    /// An entry that lives as long as the call says.
    pub fn new(key: impl Into<String>, value: impl IntoValue) -> Self {
        Self { key: key.into(), value: value.into_value(), ttl: None }
    }

    /// The entry with a time to live of its own.
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.ttl = ttl.into();
        self
    }

    /// The entry as it is sent, the one at `index` of all.
    pub(crate) fn encode(self, index: u64) -> Result<v1::PutEntry> {
        let place = |error: Error| {
            let field = error.field().unwrap_or_default().to_owned();
            error.in_field(format!("entries[{index}].{field}"))
        };
        let value = self.value.map_err(place)?;
        let ttl = self.ttl.map(duration).transpose().map_err(place)?;
        Ok(v1::PutEntry { key: self.key, value, ttl })
    }
}

impl<K: Into<String>, V: IntoValue> From<(K, V)> for PutEntry {
    fn from((key, value): (K, V)) -> Self {
        Self::new(key, value)
    }
}

impl<K: Into<String>, V: IntoValue> From<(K, V, Duration)> for PutEntry {
    fn from((key, value, ttl): (K, V, Duration)) -> Self {
        Self::new(key, value).ttl(ttl)
    }
}

/// A time to live as it is sent.
pub(crate) fn duration(ttl: Duration) -> Result<prost_types::Duration> {
    prost_types::Duration::try_from(ttl)
        .map_err(|_| Error::invalid("INVALID_TTL", "ttl", "ttl ends after the year 9999"))
}
