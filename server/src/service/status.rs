//! What went wrong, as gRPC says it.
//!
//! This is the only place that knows both the errors of stores and the statuses of
//! gRPC. Every status that kvgate sends is made here, so every one carries a
//! `google.rpc.ErrorInfo`.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use kvgate_core::{Error, Kind, Outcome};
use kvgate_proto::ERROR_DOMAIN;
use kvgate_proto::v1::{ErrorReason, PutManyFailure};
use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::topology::ServedStore;

/// When callers should try again what failed for want of a backend or of room.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A refusal or failure on its way to the caller.
#[derive(Debug)]
pub(crate) struct Fault {
    code: Code,
    reason: ErrorReason,
    message: String,
    metadata: Vec<(&'static str, String)>,
    field: Option<String>,
    retry_after: Option<Duration>,
}

impl Fault {
    pub(crate) fn new(code: Code, reason: ErrorReason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, reason, message, metadata: Vec::new(), field: None, retry_after: None }
    }

    /// A request field that is not what it must be.
    pub(crate) fn invalid(
        reason: ErrorReason,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let fault = Self::new(Code::InvalidArgument, reason, message);
        Self { field: Some(field.into()), ..fault }
    }

    /// A limit of the server that was passed.
    pub(crate) fn with_limit(self, name: &'static str, value: usize) -> Self {
        self.with("limit_name", name).with("limit", value.to_string())
    }

    /// Adds a fact for programs.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((name, value.into()));
        self
    }

    /// Says that trying again may help.
    pub(crate) fn retry(mut self) -> Self {
        self.retry_after = Some(RETRY_AFTER);
        self
    }

    /// Says when trying again will help.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// Names the field of the request that caused a store's error.
    pub(crate) fn in_field(mut self, field: impl Into<String>) -> Self {
        if self.code == Code::InvalidArgument {
            self.field = Some(field.into());
        }
        self
    }

    /// The deadline of the caller has passed.
    pub(crate) fn deadline_exceeded() -> Self {
        let message = "the caller's deadline passed; a write may have taken place";
        Self::new(Code::DeadlineExceeded, ErrorReason::DeadlineExceeded, message)
    }
}

/// The error table: what each kind of store error is to a caller.
fn table(kind: Kind) -> (Code, ErrorReason) {
    match kind {
        Kind::InvalidKey => (Code::InvalidArgument, ErrorReason::InvalidKey),
        Kind::InvalidCollection => (Code::InvalidArgument, ErrorReason::InvalidCollection),
        Kind::InvalidValue => (Code::InvalidArgument, ErrorReason::InvalidValue),
        Kind::ValueTooLarge => (Code::InvalidArgument, ErrorReason::ValueTooLarge),
        Kind::InvalidCursor => (Code::InvalidArgument, ErrorReason::InvalidPageToken),
        Kind::Unsupported => (Code::Unimplemented, ErrorReason::OperationNotSupported),
        Kind::ReadOnly => (Code::FailedPrecondition, ErrorReason::ReadOnly),
        Kind::Unavailable => (Code::Unavailable, ErrorReason::StoreUnavailable),
        Kind::AccessDenied => (Code::PermissionDenied, ErrorReason::StoreAccessDenied),
        Kind::Full => (Code::ResourceExhausted, ErrorReason::StoreFull),
        Kind::Unreadable => (Code::DataLoss, ErrorReason::UnreadableEntry),
        Kind::Misconfigured | Kind::Internal => (Code::Internal, ErrorReason::Internal),
    }
}

/// The field of a request that an error of this kind is about.
fn default_field(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::InvalidKey => Some("key"),
        Kind::InvalidCollection => Some("collection"),
        Kind::InvalidValue | Kind::ValueTooLarge => Some("value"),
        Kind::InvalidCursor => Some("page_token"),
        _ => None,
    }
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        let (code, reason) = table(error.kind());
        let mut fault = Self::new(code, reason, error.to_string());
        fault.field = default_field(error.kind()).map(str::to_owned);
        if let Some(store) = error.store() {
            fault = fault.with("store", store);
        }
        if let Some(operation) = error.operation() {
            fault = fault.with("operation", operation.word());
        }
        if let Some(limit) = error.limit() {
            fault = fault.with("limit_name", limit.name).with("limit", limit.value.to_string());
        }
        if error.outcome() == Outcome::MayHaveHappened {
            fault = fault.with("outcome", "may_have_happened");
        }
        if error.kind().is_temporary() { fault.retry() } else { fault }
    }
}

impl ServedStore {
    /// What a store's error is to the caller of this store. A wrapper does not know
    /// its store's name: here it is added.
    pub(super) fn fault(&self, error: Error) -> Fault {
        Fault::from(&error.in_store(&self.name))
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let metadata: HashMap<String, String> =
            fault.metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut details = ErrorDetails::new();
        details.set_error_info(fault.reason.as_reason(), ERROR_DOMAIN, metadata);
        if let Some(field) = fault.field {
            details.add_bad_request_violation(field, fault.message.as_str());
        }
        if fault.retry_after.is_some() {
            details.set_retry_info(fault.retry_after);
        }
        Status::with_error_details(fault.code, fault.message, details)
    }
}

/// The status as a message, for a result of one key among many.
pub(crate) fn to_message(status: &Status) -> tonic_types::Status {
    // a status that is made from a Fault carries itself in its details
    tonic_types::Status::decode(status.details()).unwrap_or_else(|_| tonic_types::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: Vec::new(),
    })
}

/// Adds to a failed put of many what was stored of it.
pub(crate) fn with_put_failure(status: &Status, failure: &PutManyFailure) -> Status {
    let mut message = to_message(status);
    message.details.push(prost_types::Any {
        type_url: "type.googleapis.com/keyvalue.v1.PutManyFailure".to_owned(),
        value: failure.encode_to_vec(),
    });
    let details = Bytes::from(message.encode_to_vec());
    Status::with_details(status.code(), status.message(), details)
}

/// Gives a status that tonic made by itself the form of ours: a message over the
/// limit, or one that can't be decoded. One that is ours already stays.
pub(crate) fn of_tonic(status: Status, message_bytes_max: usize) -> Status {
    if !status.details().is_empty() {
        return status;
    }
    let message = status.message();
    let fault = match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => {
            let text = format!(
                "the request message is over the server's limit of {message_bytes_max} bytes: \
                 send fewer or smaller entries, or raise server.limits.message_bytes_max"
            );
            Fault::new(Code::ResourceExhausted, ErrorReason::RequestTooLarge, text)
                .with_limit("message_bytes_max", message_bytes_max)
        }
        Code::Internal => {
            let text = format!("the request can't be decoded: {message}");
            Fault::new(Code::InvalidArgument, ErrorReason::MalformedRequest, text)
        }
        Code::Unimplemented => {
            Fault::new(Code::Unimplemented, ErrorReason::MethodNotFound, message)
        }
        // the caller went away: nobody reads this
        _ => return status,
    };
    fault.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_error_says_where_and_whether_to_retry() {
        let error = Error::new(Kind::Unavailable, "opening cache.db").in_store("main");
        let status = Status::from(Fault::from(&error));
        let details = status.get_error_details();
        let info = details.error_info().expect("every status has one");
        assert_eq!((status.code(), info.reason.as_str()), (Code::Unavailable, "STORE_UNAVAILABLE"));
        assert_eq!(info.metadata.get("store").map(String::as_str), Some("main"));
        assert_eq!(details.retry_info().and_then(|info| info.retry_delay), Some(RETRY_AFTER));
    }

    #[test]
    fn statuses_of_tonic_get_our_details() {
        let status = of_tonic(Status::internal("invalid wire type"), 100);
        assert_eq!(status.code(), Code::InvalidArgument);
        let again = of_tonic(status.clone(), 100);
        assert_eq!(again.details(), status.details());
    }
}
