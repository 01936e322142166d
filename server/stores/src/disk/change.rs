use kvgate_core::{Result, Timestamp};

use crate::ordered::KeyRange;

/// What a writer can do to a cache.
#[derive(Debug)]
pub(super) enum Change {
    /// Stores an envelope.
    Put { key: String, text: String, expires_at: Option<Timestamp> },
    /// Removes one key.
    Delete { key: String },
    /// Removes some of the rows, at most [`SWEPT_MAX`].
    Sweep(Rows),
}

/// Rows to remove.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    All,
    Expired,
    Within(KeyRange),
}

/// The most rows that one sweep removes: other writers wait for it.
pub(super) const SWEPT_MAX: u64 = 1000;

/// What a change removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effect {
    /// How many rows.
    pub(super) rows: u64,
    /// How many of them had not expired.
    pub(super) live_rows: u64,
    /// The expiry of the last one.
    pub(super) expires_at: Option<Timestamp>,
}

/// One change's answer.
pub(super) type Answer = Result<Effect>;

/// What a row costs beside its text, about.
const ROW_BYTES: usize = 256;

impl Change {
    /// How much of a transaction, and of the memory of those who wait for one, the
    /// change takes.
    pub(super) fn bytes(&self) -> usize {
        ROW_BYTES
            + match self {
                Self::Put { key, text, .. } => key.len() + text.len(),
                Self::Delete { key } => key.len(),
                Self::Sweep(_) => 0,
            }
    }
}
