use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::Operation;

/// The result of what a store does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong. It decides the gRPC status and reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A key that the server or the backend can't take.
    InvalidKey,
    /// A collection that the server or the backend can't take.
    InvalidCollection,
    /// A value that the backend can't take.
    InvalidValue,
    /// A value larger than the backend takes.
    ValueTooLarge,
    /// A cursor that the store did not make.
    InvalidCursor,
    /// The store can't do this.
    Unsupported,
    /// The store is configured to be read only.
    ReadOnly,
    /// The backend can't be reached, is busy, or gave up.
    Unavailable,
    /// The backend refuses the credentials, or the system denies access.
    AccessDenied,
    /// The backend has no room left.
    Full,
    /// What is stored can't be read.
    Unreadable,
    /// The store's settings can't work: nothing but a person can mend that.
    Misconfigured,
    /// A fault in kvgate, or an answer of a backend that nobody foresaw.
    Internal,
}

impl Kind {
    /// The kind as a word for metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::InvalidKey => "invalid_key",
            Self::InvalidCollection => "invalid_collection",
            Self::InvalidValue => "invalid_value",
            Self::ValueTooLarge => "value_too_large",
            Self::InvalidCursor => "invalid_cursor",
            Self::Unsupported => "unsupported",
            Self::ReadOnly => "read_only",
            Self::Unavailable => "unavailable",
            Self::AccessDenied => "access_denied",
            Self::Full => "full",
            Self::Unreadable => "unreadable",
            Self::Misconfigured => "misconfigured",
            Self::Internal => "internal",
        }
    }

    /// Whether trying again may help.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Unavailable | Self::Full)
    }
}

/// Whether a failed operation took place all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It certainly did not.
    DidNotHappen,
    /// It may have: the connection broke before the answer.
    MayHaveHappened,
}

/// A limit that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The limit's name, as in the configuration or in `Store.limits`.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
}

/// Why a store did not do what was asked.
///
/// Cheap to clone: one failed transaction may be the answer to many callers.
/// Neither values nor secrets may be put in it.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    outcome: Outcome,
    context: String,
    operation: Option<Operation>,
    store: Option<String>,
    limit: Option<Limit>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of a kind; `context` says what was being done and what to do
    /// about it, in lower case and without a full stop.
    pub fn new(kind: Kind, context: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            outcome: Outcome::DidNotHappen,
            context: context.into(),
            operation: None,
            store: None,
            limit: None,
            source: None,
        }))
    }

    /// The error of a store that lacks an operation.
    pub fn unsupported(operation: Operation) -> Self {
        Self::new(Kind::Unsupported, format!("this type of store can't {operation}"))
            .during(operation)
    }

    /// Adds what caused the error.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Adds the limit that was passed.
    #[must_use]
    pub fn with_limit(mut self, name: &'static str, value: u64) -> Self {
        self.0.limit = Some(Limit { name, value });
        self
    }

    /// Says that the operation may have taken place.
    #[must_use]
    pub fn may_have_happened(mut self) -> Self {
        self.0.outcome = Outcome::MayHaveHappened;
        self
    }

    /// Adds the operation, unless one is known already.
    #[must_use]
    pub fn during(mut self, operation: Operation) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Adds the store, unless one is known already: of a stack, the innermost
    /// store is the one that failed.
    #[must_use]
    pub fn in_store(mut self, store: &str) -> Self {
        self.0.store.get_or_insert_with(|| store.to_owned());
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether the operation took place all the same.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// What was being attempted.
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The store that failed.
    pub fn store(&self) -> Option<&str> {
        self.0.store.as_deref()
    }

    /// The limit that was passed.
    pub fn limit(&self) -> Option<Limit> {
        self.0.limit
    }
}

/// The context and what caused it, without operation and store: those travel
/// beside the message. A cause that only repeats what was said is left out.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.context.clone();
        let mut cause = self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static));
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("outcome", &self.0.outcome)
            .field("operation", &self.0.operation)
            .field("store", &self.0.store)
            .field("message", &self.to_string())
            .finish_non_exhaustive()
    }
}

// no source(): Display says the causes, and whoever prints both would say them twice
impl StdError for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_done_and_why_it_failed() {
        let cause = std::io::Error::other("no such device");
        let error = Error::new(Kind::Unavailable, "writing cache.db")
            .with_source(cause)
            .in_store("inner")
            .in_store("outer");
        assert_eq!(error.to_string(), "writing cache.db: no such device");
        assert_eq!(error.store(), Some("inner"));
        assert!(error.kind().is_temporary());
    }
}
