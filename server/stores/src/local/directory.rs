//! The directory that a person configured.

use std::ffi::OsStr;
use std::fs;
#[cfg(unix)]
use std::fs::File;
use std::io;
use std::path::Path;

use kvgate_core::{Error, Kind, Result};

use super::{Durability, fault};

/// Makes the directory if only its last part is missing. More than that is rather
/// a wrong path, or a volume that isn't mounted, than a wish.
pub(crate) fn prepare(directory: &Path, durability: Durability) -> Result<()> {
    let shown = directory.display();
    match fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => {
            return Err(misconfigured(format!(
                "{shown} is not a directory: choose another path, or move the file away"
            )));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fault(format!("looking for directory {shown}"), error)),
    }
    let making = |e| fault(format!("making directory {shown}"), e);
    match fs::create_dir(directory) {
        Ok(()) => {}
        // another process was faster
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(misconfigured(format!(
                "directory {shown} can't be made because its parent does not exist: make the \
                 parent, mount the volume that is to be there, or correct the path"
            ))
            .with_source(error));
        }
        Err(error) => return Err(making(error)),
    }
    match (durability, directory.parent()) {
        (Durability::Power, Some(parent)) if parent != Path::new("") => {
            sync(parent).map_err(making)
        }
        _ => Ok(()),
    }
}

/// What file systems put into their own root.
pub(crate) const LOST_AND_FOUND: &str = "lost+found";

/// Refuses a directory with files that are not `ours`: a new database there would mix
/// with what another program keeps. `lacks` says what would have been a sign of ours.
pub(crate) fn check_holds_only(
    directory: &Path,
    ours: impl Fn(&OsStr) -> bool,
    lacks: &str,
) -> Result<()> {
    let shown = directory.display();
    let reading = |e| fault(format!("reading directory {shown}"), e);
    for entry in fs::read_dir(directory).map_err(reading)? {
        let name = entry.map_err(reading)?.file_name();
        if name != LOST_AND_FOUND && !ours(&name) {
            return Err(misconfigured(format!("{shown} is not empty and {lacks}")));
        }
    }
    Ok(())
}

/// Waits until what is in a directory can survive a power loss.
#[cfg(unix)]
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Windows has no such call: NTFS keeps its directories in a journal.
#[cfg(not(unix))]
pub(crate) fn sync(_directory: &Path) -> io::Result<()> {
    Ok(())
}

fn misconfigured(context: String) -> Error {
    Error::new(Kind::Misconfigured, context)
}
