//! Makes errors from what tonic returns and from the `google.rpc.Status` in answers.

use std::error::Error as StdError;

use kvgate_proto::v1;
use prost::Message;
use tonic::{Code, Status, TimeoutExpired};
use tonic_types::{RpcStatusExt, pb};

use crate::error::{Error, ErrorKind, FailedEntry, PutManyFailure};

/// How the type of a detail ends that says what a failed batch has stored.
const PUT_MANY_FAILURE: &str = "/keyvalue.v1.PutManyFailure";

/// Reads what a call failed with, together with the details that the server sent.
pub(crate) fn from_status(status: &Status) -> Error {
    // a status that was made here, by a connection that broke, has what broke it
    if let Some(source) = status.source() {
        return broken(status, source);
    }
    let details = pb::Status::decode(status.details()).unwrap_or_default();
    read(status.code(), status.message(), &details)
}

/// Reads the error of one entry, in an answer that is none by itself.
pub(crate) fn from_entry(status: &pb::Status) -> Error {
    read(Code::from_i32(status.code), &status.message, status)
}

fn broken(status: &Status, source: &(dyn StdError + 'static)) -> Error {
    let mut message = status.message().to_owned();
    let mut cause = Some(source);
    while let Some(error) = cause {
        // tonic's own clock was a moment faster than that of the call
        if error.is::<TimeoutExpired>() {
            return Error::deadline();
        }
        let said = error.to_string();
        if !message.contains(&said) {
            message = format!("{message}: {said}");
        }
        cause = error.source();
    }
    Error::new(ErrorKind::Unavailable, Code::Unavailable, message)
}

fn read(code: Code, message: &str, status: &pb::Status) -> Error {
    let details = status.get_error_details();
    let message = if message.is_empty() { code.description() } else { message };
    let info = details.error_info();
    let reason = info.map(|info| info.reason.as_str());
    let mut error = Error::new(kind(code, reason), code, message);
    if let Some(info) = info {
        error = error.with_reason(&info.reason).with_metadata(info.metadata.clone());
    }
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
    if let Some([violation, ..]) = violations {
        error = error.in_field(&violation.field);
    }
    let retry_after = details.retry_info().and_then(|info| info.retry_delay);
    error = error.with_retry_after(retry_after);
    match put_many_failure(status) {
        Some(failure) => error.with_put_many(failure),
        None => error,
    }
}

fn kind(code: Code, reason: Option<&str>) -> ErrorKind {
    match (code, reason) {
        (_, Some("STORE_NOT_FOUND")) => ErrorKind::StoreNotFound,
        (_, Some("READ_ONLY")) => ErrorKind::ReadOnly,
        (Code::InvalidArgument, _) => ErrorKind::InvalidArgument,
        (Code::Unimplemented, _) => ErrorKind::NotSupported,
        (Code::Unavailable, _) => ErrorKind::Unavailable,
        (Code::ResourceExhausted, _) => ErrorKind::ResourceExhausted,
        (Code::DeadlineExceeded, _) => ErrorKind::DeadlineExceeded,
        (Code::DataLoss, _) => ErrorKind::DataLoss,
        (Code::Unauthenticated, _) => ErrorKind::Unauthenticated,
        (Code::PermissionDenied, _) => ErrorKind::PermissionDenied,
        _ => ErrorKind::Other,
    }
}

fn put_many_failure(status: &pb::Status) -> Option<PutManyFailure> {
    let detail = status.details.iter().find(|any| any.type_url.ends_with(PUT_MANY_FAILURE))?;
    let failure = v1::PutManyFailure::decode(detail.value.as_slice()).ok()?;
    let failed = |failed: v1::FailedEntry| FailedEntry {
        index: u64::try_from(failed.index).unwrap_or_default(),
        key: failed.key,
        error: from_entry(&failed.error.unwrap_or_default()),
    };
    Some(PutManyFailure {
        acknowledged: 0,
        stored: bits(&failure.stored_bitmap).collect(),
        uncertain: failure.uncertain,
        first_failures: failure.first_failures.into_iter().map(failed).collect(),
    })
}

/// The places of the bits that are set, the lowest of each byte first.
fn bits(bitmap: &[u8]) -> impl Iterator<Item = u64> {
    let places = bitmap.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    (0..).zip(places).filter_map(|(place, set)| set.then_some(place))
}

/// Completes the error of a batch that failed after `acknowledged` entries of earlier ones.
pub(crate) fn after_put_many(mut error: Error, acknowledged: u64) -> Error {
    let mut failure = error.take_put_many().unwrap_or_else(|| {
        // an answer of the server that lacks this detail stored nothing of the batch
        let answered = error.reason().is_some() && error.kind() != ErrorKind::DeadlineExceeded;
        PutManyFailure { uncertain: !answered, ..PutManyFailure::default() }
    });
    failure.acknowledged = acknowledged;
    // what the last try did not store, an earlier one may have
    failure.uncertain |= error.attempts() > 1;
    for place in &mut failure.stored {
        *place += acknowledged;
    }
    for failed in &mut failure.first_failures {
        failed.index += acknowledged;
    }
    if let Some(field) = error.field().and_then(|field| counted_from(field, acknowledged)) {
        error = error.in_field(field);
    }
    error.with_put_many(failure)
}

/// The error of a put of many entries that failed before anything was sent.
pub(crate) fn unsent(error: Error) -> Error {
    error.with_put_many(PutManyFailure::default())
}

/// `entries[3].key` of a batch, counted from the first entry of all.
fn counted_from(field: &str, acknowledged: u64) -> Option<String> {
    let (index, rest) = field.strip_prefix("entries[")?.split_once(']')?;
    Some(format!("entries[{}]{rest}", index.parse::<u64>().ok()? + acknowledged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_bits() {
        assert_eq!(bits(&[0b101, 0b10]).collect::<Vec<_>>(), [0, 2, 9]);
        assert_eq!(bits(&[]).count(), 0);
    }

    #[test]
    fn fields_of_a_later_batch() {
        assert_eq!(counted_from("entries[2].key", 1000).as_deref(), Some("entries[1002].key"));
        assert_eq!(counted_from("key", 1000), None);
    }
}
