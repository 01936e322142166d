//! What the stores in directories of this machine share.

pub(crate) mod directory;
mod durability;
mod identity;

use std::io;

use kvgate_core::{Error, Kind};

pub(crate) use durability::Durability;
pub(crate) use identity::Identity;

/// The error of the file system that arose while `doing`.
pub(crate) fn fault(doing: impl Into<String>, source: io::Error) -> Error {
    let kind = match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Full,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::AccessDenied,
        _ => Kind::Unavailable,
    };
    Error::new(kind, doing).with_source(source)
}
