//! What the errors of the driver and of the server mean.
//!
//! The server's own texts are not passed on: some quote the command that failed, and with
//! it values. Its codes are.

use std::time::Duration;

use ::mongodb::error::{Error as DriverError, ErrorKind};
use kvgate_core::{Error, Kind};

/// The error of a read.
pub(super) fn of_read(error: &DriverError) -> Error {
    let (kind, said, _) = explain(error);
    Error::new(kind, format!("reading from MongoDB: {said}"))
}

/// The error of a write, which may have taken place if the server was told of it.
pub(super) fn of_write(error: &DriverError) -> Error {
    let (kind, said, was_sent) = explain(error);
    let error = Error::new(kind, format!("writing to MongoDB: {said}"));
    if was_sent { error.may_have_happened() } else { error }
}

/// The error that a server answers for one statement of a write: it did not happen.
pub(super) fn of_statement(code: i32) -> Error {
    let what = match kind_of(code) {
        Kind::InvalidValue => "the server refuses the value",
        Kind::ValueTooLarge => "the value makes a document that is too large",
        Kind::InvalidCollection => "the server refuses the collection's name",
        Kind::AccessDenied => "the user may not write",
        Kind::Full => "the server has no room left",
        _ => "the server refuses to write",
    };
    Error::new(kind_of(code), format!("writing to MongoDB: {what} (error {code})"))
}

/// The error when there was no answer in time.
pub(super) fn no_answer(waited: Duration) -> Error {
    Error::new(Kind::Unavailable, format!("MongoDB did not answer within {waited:?}"))
}

/// The error when the answer is none that the protocol has.
pub(super) fn bad_answer(what: &str) -> Error {
    Error::new(Kind::Internal, format!("MongoDB's answer has {what}"))
}

/// The error of a write that is not as safe as was asked for.
pub(super) fn of_write_concern(code: i32) -> Error {
    let context = format!("MongoDB did not confirm that the write is safe (error {code})");
    Error::new(Kind::Unavailable, context).may_have_happened()
}

/// The kind, what to say, and whether the server may have been told of it.
fn explain(error: &DriverError) -> (Kind, String, bool) {
    match &*error.kind {
        ErrorKind::ServerSelection { message, .. } | ErrorKind::DnsResolve { message, .. } => {
            (Kind::Unavailable, message.clone(), false)
        }
        ErrorKind::Io(cause) => (Kind::Unavailable, cause.to_string(), true),
        ErrorKind::ConnectionPoolCleared { message, .. } => {
            (Kind::Unavailable, message.clone(), true)
        }
        ErrorKind::Authentication { .. } => {
            let said = "the user or the password is refused; see username, password and url";
            (Kind::AccessDenied, said.to_owned(), false)
        }
        ErrorKind::InvalidTlsConfig { message, .. }
        | ErrorKind::IncompatibleServer { message, .. } => {
            (Kind::Misconfigured, message.clone(), false)
        }
        ErrorKind::Command(error) => {
            let kind = kind_of(error.code);
            let said = format!("the server answers error {} ({})", error.code, error.code_name);
            (kind, said, kind == Kind::Unavailable)
        }
        ErrorKind::InvalidArgument { .. } => {
            let said = "the driver refuses the url's options, or some of them together";
            (Kind::Misconfigured, said.to_owned(), false)
        }
        ErrorKind::InvalidResponse { .. } => {
            (Kind::Internal, "the server's answer can't be read".to_owned(), true)
        }
        _ => (Kind::Internal, "the driver failed".to_owned(), true),
    }
}

/// Whether the server refused a command for what it is, and would refuse it again.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.kind() != Kind::Unavailable
}

fn kind_of(code: i32) -> Kind {
    match code {
        // unauthorized, authentication failed
        13 | 18 => Kind::AccessDenied,
        // overflow (nested too deep), names of members: $…, DBRef, empty, dotted; a validator
        15 | 52 | 55 | 56 | 57 | 121 => Kind::InvalidValue,
        // too large: of a document, after an update, of a command
        10334 | 17280 | 17419 | 17420 => Kind::ValueTooLarge,
        // an invalid namespace, or one that is kept for the server
        73 | 10080 | 10093 | 10156 => Kind::InvalidCollection,
        // disk full
        14031 => Kind::Full,
        // a host, the network, a time limit, a primary that is none, a shutdown, a conflict
        6 | 7 | 50 | 64 | 89 | 91 | 112 | 134 | 175 | 189 | 262 | 9001 | 10058 | 10107 | 11600
        | 11602 | 13435 | 13436 => Kind::Unavailable,
        _ => Kind::Internal,
    }
}
