use std::time::Duration;

use crate::{Timestamp, Value};

/// What is stored under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The user's JSON object.
    pub value: Value,
    /// When it was put; unknown for some entries that other programs wrote.
    pub created_at: Option<Timestamp>,
    /// When it stops being visible; nothing: never.
    pub expires_at: Option<Timestamp>,
}

impl Entry {
    /// The entry in memory of its own; see [`Value::detached`].
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { value: self.value.detached(), ..*self }
    }

    /// Whether the entry is still visible at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        is_live(self.expires_at, now)
    }

    /// The time left at `now`; nothing if the entry never expires.
    pub fn ttl(&self, now: Timestamp) -> Option<Duration> {
        self.expires_at.map(|at| at.saturating_since(now))
    }
}

/// The one rule of expiry: an entry is expired once `expires_at <= now`.
pub fn is_live(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_none_or(|at| at > now)
}
