//! What went wrong in `RocksDB`, in the words of kvgate.

use std::path::Path;

use kvgate_core::{Error, Kind};
use rocksdb::ErrorKind;

/// The error of a read.
pub(super) fn reading(source: rocksdb::Error) -> Error {
    Error::new(kind(&source), "reading the database").with_source(source)
}

/// The error of a write. It may have reached the log all the same, from which it
/// would be read when the database is opened again.
pub(super) fn writing(source: rocksdb::Error) -> Error {
    Error::new(kind(&source), "writing to the database").with_source(source).may_have_happened()
}

/// The error of opening the database at `path`: what a person can do about it.
pub(super) fn opening(path: &Path, source: rocksdb::Error) -> Error {
    let shown = path.display();
    let kind = kind(&source);
    let (kind, context) = match kind {
        _ if is_locked(&source) => (
            Kind::Misconfigured,
            format!(
                "the database in {shown} is open already, and only one store of one server can \
                 have it open: stop the other server, or choose another path"
            ),
        ),
        Kind::AccessDenied => (
            kind,
            format!("{shown} can't be written: make the directory and the files in it writable"),
        ),
        _ if kind == Kind::Unreadable || lacks_file(&source) => (
            Kind::Misconfigured,
            format!(
                "the database in {shown} is damaged: restore it from a backup, move it away to \
                 begin anew, or, if the log is what is damaged, set `damaged_log = \"cut\"` to \
                 go on without the writes after the damage"
            ),
        ),
        Kind::Internal => (Kind::Misconfigured, foreign(path)),
        kind => (kind, format!("opening the database in {shown}")),
    };
    Error::new(kind, context).with_source(source)
}

/// What to do about a database of somebody else's.
pub(super) fn foreign(path: &Path) -> String {
    format!(
        "{} has a database that this type of store did not make: choose an empty directory \
         (py-key-value's RocksDB databases have another form)",
        path.display()
    )
}

/// `RocksDB` hands its errors to Rust as text: its words for the status first, then
/// those of the system.
fn kind(error: &rocksdb::Error) -> Kind {
    let says = |words: &[&str]| words.iter().any(|words| error.as_ref().contains(words));
    match error.kind() {
        ErrorKind::IOError if says(&["No space left on device", "Disk quota exceeded"]) => {
            Kind::Full
        }
        ErrorKind::IOError if says(&["Permission denied", "Read-only file system"]) => {
            Kind::AccessDenied
        }
        ErrorKind::Corruption => Kind::Unreadable,
        ErrorKind::IOError
        | ErrorKind::Incomplete
        | ErrorKind::ShutdownInProgress
        | ErrorKind::TimedOut
        | ErrorKind::Aborted
        | ErrorKind::Busy
        | ErrorKind::TryAgain => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

/// Whether a file that the database names is not there.
fn lacks_file(error: &rocksdb::Error) -> bool {
    error.as_ref().contains("No such file")
}

/// Whether the lock file is held: by another process, or within this one.
fn is_locked(error: &rocksdb::Error) -> bool {
    let held = ["lock hold by current process", "While lock file"];
    held.iter().any(|words| error.as_ref().contains(words))
}
