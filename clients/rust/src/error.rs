//! What a call fails with. A missing key is never an error.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use tonic::Code;

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing failed: what callers treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A name, value, ttl or option that is not taken; see [`Error::field`].
    InvalidArgument,
    /// No store of that name is configured.
    StoreNotFound,
    /// The store can't do this; see [`Store::capabilities`](crate::Store::capabilities).
    NotSupported,
    /// The store is configured to be read only.
    ReadOnly,
    /// The server or the store's backend can't be reached, even by trying again. A write may
    /// have taken place.
    Unavailable,
    /// Too many calls, a full store or too large a message; see [`Error::reason`].
    ResourceExhausted,
    /// The call's timeout passed first. A write may have taken place.
    DeadlineExceeded,
    /// What is stored under the key can't be read as an entry.
    DataLoss,
    /// The server wants a token or a certificate that it knows.
    Unauthenticated,
    /// The server, or the store's backend, doesn't allow it.
    PermissionDenied,
    /// The value is good JSON, but not of the type that was asked for.
    UnexpectedValue,
    /// Anything else; see [`Error::code`].
    Other,
}

/// A call that failed.
///
/// ```
/// # use kvgate_client::{Collection, ErrorKind, Result};
/// # async fn example(users: Collection) -> Result<()> {
/// match users.put("7", &serde_json::json!({ "name": "Ada" })).await {
///     Err(error) if error.kind() == ErrorKind::ReadOnly => println!("{error}"),
///     other => other?,
/// }
/// # Ok(())
/// # }
/// ```
///
/// It never holds a value or a secret.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    code: Code,
    message: String,
    reason: Option<String>,
    metadata: HashMap<String, String>,
    field: Option<String>,
    retry_after: Option<Duration>,
    attempts: u32,
    put_many: Option<PutManyFailure>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            code,
            message: message.into(),
            reason: None,
            metadata: HashMap::new(),
            field: None,
            retry_after: None,
            attempts: 1,
            put_many: None,
        }))
    }

    /// The error of a request that can't be sent, as the server would make it.
    pub(crate) fn invalid(reason: &str, field: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, Code::InvalidArgument, message)
            .with_reason(reason)
            .in_field(field)
    }

    /// The error of an option that can't be used.
    pub(crate) fn option(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, Code::InvalidArgument, message)
    }

    pub(crate) fn deadline() -> Self {
        let message = "the timeout passed before the answer came";
        Self::new(ErrorKind::DeadlineExceeded, Code::DeadlineExceeded, message)
    }

    pub(crate) fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.0.reason = Some(reason.into());
        self
    }

    pub(crate) fn with_metadata(mut self, metadata: HashMap<String, String>) -> Self {
        self.0.metadata = metadata;
        self
    }

    pub(crate) fn in_field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    pub(crate) fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.0.retry_after = after;
        self
    }

    pub(crate) fn with_put_many(mut self, failure: PutManyFailure) -> Self {
        self.0.put_many = Some(failure);
        self
    }

    pub(crate) fn after_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// What kind of thing failed.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The gRPC status code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The message for a person.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Why, for programs: a name of the API's `ErrorReason` without its prefix, such as
    /// `"STORE_NOT_FOUND"`. Nothing if the error isn't kvgate's, such as a connection that
    /// broke.
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// Facts such as `store`, `limit` and `limit_name`.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.0.metadata
    }

    /// The request's field that is wrong, such as `"entries[1].key"`.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// In how long the server asks to be called again, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How often the call was tried.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// What is stored all the same, if it was `put_many` or `stream_put_many` that failed.
    pub fn put_many(&self) -> Option<&PutManyFailure> {
        self.0.put_many.as_ref()
    }

    pub(crate) fn take_put_many(&mut self) -> Option<PutManyFailure> {
        self.0.put_many.take()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, code, message, reason, metadata, field, .. } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("code", code)
            .field("message", message)
            .field("reason", reason)
            .field("metadata", metadata)
            .field("field", field)
            .field("retry_after", &self.0.retry_after)
            .field("attempts", &self.0.attempts)
            .field("put_many", &self.0.put_many)
            .finish()
    }
}

impl StdError for Error {}

/// What is stored of the entries that a failed `put_many` or `stream_put_many` was given.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PutManyFailure {
    /// So many entries, counted from the first one given, belong to batches that are stored
    /// as a whole. 0 for `put_many`, which is one batch.
    pub acknowledged: u64,
    /// Which further entries are stored: their places among all entries given, from 0.
    pub stored: Vec<u64>,
    /// Whether entries that are neither acknowledged nor in `stored` may be stored all the
    /// same.
    pub uncertain: bool,
    /// The first few entries that failed.
    pub first_failures: Vec<FailedEntry>,
}

/// An entry that was not stored.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedEntry {
    /// The entry's place among all entries given, from 0.
    pub index: u64,
    /// The entry's key; a long one is cut.
    pub key: String,
    /// Why it was not stored.
    pub error: Error,
}
