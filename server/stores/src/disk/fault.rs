//! What went wrong in `SQLite`, in the words of kvgate.

use kvgate_core::{Error, Kind};
use rusqlite::{ErrorCode, ffi};

/// The error of `SQLite` that arose while `doing`.
pub(super) fn sqlite(doing: impl Into<String>, source: rusqlite::Error) -> Error {
    let kind = kind(&source);
    let error = Error::new(kind, doing);
    let error = match source {
        // the code says the same: once is enough
        rusqlite::Error::SqliteFailure(code, Some(message))
            if code.to_string().ends_with(&message) =>
        {
            error.with_source(code)
        }
        source => error.with_source(source),
    };
    match kind {
        Kind::ValueTooLarge => error.with_limit("SQLITE_MAX_LENGTH", SQLITE_LENGTH_MAX),
        _ => error,
    }
}

/// The longest text that `SQLite` takes as it is compiled.
const SQLITE_LENGTH_MAX: u64 = 1_000_000_000;

/// What kind of thing went wrong in `SQLite`.
pub(super) fn kind(error: &rusqlite::Error) -> Kind {
    let Some(error) = error.sqlite_error() else {
        return Kind::Internal;
    };
    match (error.code, error.extended_code) {
        // the file that the processes share has no room to grow
        (ErrorCode::DiskFull, _) | (ErrorCode::SystemIoFailure, ffi::SQLITE_IOERR_SHMSIZE) => {
            Kind::Full
        }
        (ErrorCode::PermissionDenied | ErrorCode::ReadOnly, _) => Kind::AccessDenied,
        (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => Kind::Unreadable,
        (ErrorCode::TooBig, _) => Kind::ValueTooLarge,
        (
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::SystemIoFailure,
            _,
        ) => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

/// Whether `SQLite` gave up because another process holds the lock.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether the database, or a file beside it, could not be opened: of a database
/// that is there it says that access is denied.
pub(super) fn can_not_open(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
}

/// Whether a failed commit may come back when the log is read after a crash: its
/// frames were written, only their way to the disk is uncertain.
pub(super) fn may_be_in_the_log(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        matches!(error.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    })
}
