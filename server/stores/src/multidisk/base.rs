//! The directory that holds those of the collections.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use kvgate_core::{Error, Kind, Result};

use crate::disk::Cache;
use crate::local::{self, directory::LOST_AND_FOUND};

/// Written and removed to see whether that can be done.
const PROBE: &str = ".kvgate-probe";

/// Refuses a directory that holds what no such store puts there, and one that can't
/// be written to: at start rather than at the first put.
pub(super) fn check(directory: &Path) -> Result<()> {
    let shown = directory.display();
    if Cache::is_in(directory) {
        return Err(misconfigured(format!(
            "{shown} is the directory of a disk store: choose another one, or use \
             `type = \"disk\"`"
        )));
    }
    let reading = |e| local::fault(format!("reading directory {shown}"), e);
    for item in fs::read_dir(directory).map_err(reading)? {
        let item = item.map_err(reading)?;
        if !is_collection(&item.path()).map_err(reading)? {
            let name = item.file_name();
            let name = name.display();
            return Err(misconfigured(format!(
                "{shown} holds {name}, which is no collection of a multidisk store: choose an \
                 empty directory, or one that kvgate or py-key-value made"
            )));
        }
    }
    let probe = directory.join(PROBE);
    let writing = |e| local::fault(format!("directory {shown} can't be written to"), e);
    fs::write(&probe, []).map_err(writing)?;
    fs::remove_file(&probe).map_err(writing)
}

/// Whether it is the directory of a collection, or about to become one, or hidden.
fn is_collection(path: &Path) -> io::Result<bool> {
    let name = path.file_name().unwrap_or(OsStr::new(""));
    if name.as_encoded_bytes().starts_with(b".") || name == LOST_AND_FOUND {
        return Ok(true);
    }
    if !path.is_dir() {
        return Ok(false);
    }
    Ok(Cache::is_in(path) || fs::read_dir(path)?.next().is_none())
}

fn misconfigured(context: String) -> Error {
    Error::new(Kind::Misconfigured, context)
}
