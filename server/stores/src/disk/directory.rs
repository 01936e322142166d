//! The directory that a person configured.

use std::fs;
use std::io;
use std::path::Path;

use kvgate_core::{Error, Kind, Result};

use super::files::sync_directory;
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
        Err(error) => return Err(fault::io(format!("looking for directory {shown}"), error)),
    }
    let making = |e| fault::io(format!("making directory {shown}"), e);
    match fs::create_dir(directory) {
        Ok(()) => {}
        // another process was faster
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(misconfigured(format!(
                "directory {shown} can't be made because its parent does not exist: make the \
                 parent, mount the volume that is to be there, or correct `directory`"
            ))
            .with_source(error));
        }
        Err(error) => return Err(making(error)),
    }
    match (durability, directory.parent()) {
        (Durability::Power, Some(parent)) if parent != Path::new("") => {
            sync_directory(parent).map_err(making)
        }
        _ => Ok(()),
    }
}

fn misconfigured(context: String) -> Error {
    Error::new(Kind::Misconfigured, context)
}
