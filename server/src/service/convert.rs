//! Entries as the API's messages have them.

use std::time::Duration;

use kvgate_core::{Entry, Result, Timestamp};
use kvgate_proto::v1::{self, get_result};
use tonic::Status;

use super::status::{Fault, to_message};

pub(super) fn entry(key: String, entry: Entry) -> v1::Entry {
    v1::Entry {
        key,
        created_at: entry.created_at.map(timestamp),
        expires_at: entry.expires_at.map(timestamp),
        value: entry.value.into_bytes(),
    }
}

/// The answer for one key among many.
pub(super) fn get_result(key: String, found: Result<Option<Entry>>) -> v1::GetResult {
    let outcome = match found {
        Ok(None) => None,
        Ok(Some(found)) => Some(get_result::Outcome::Entry(entry(key.clone(), found))),
        Err(error) => Some(get_result::Outcome::Error(error_message(&error))),
    };
    v1::GetResult { key, outcome }
}

/// The answer for one key among many, with the time left.
pub(super) fn ttl_result(
    key: String,
    found: Result<Option<Entry>>,
    now: Timestamp,
) -> v1::TtlResult {
    match found {
        Ok(None) => v1::TtlResult { key, ..v1::TtlResult::default() },
        Ok(Some(found)) => {
            let ttl = found.ttl(now).map(duration);
            v1::TtlResult { key: key.clone(), entry: Some(entry(key, found)), ttl, error: None }
        }
        Err(error) => {
            let error = Some(error_message(&error));
            v1::TtlResult { key, error, ..v1::TtlResult::default() }
        }
    }
}

/// An error that concerns one key among many.
pub(super) fn error_message(error: &kvgate_core::Error) -> tonic_types::Status {
    to_message(&Status::from(Fault::from(error)))
}

fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let (seconds, nanos) = at.as_seconds_and_nanos();
    prost_types::Timestamp { seconds, nanos }
}

pub(super) fn duration(length: Duration) -> prost_types::Duration {
    #[expect(clippy::cast_possible_wrap, reason = "less than a billion nanoseconds")]
    let nanos = length.subsec_nanos() as i32;
    prost_types::Duration { seconds: i64::try_from(length.as_secs()).unwrap_or(i64::MAX), nanos }
}
