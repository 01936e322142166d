//! What is in the directories, and what must not be.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kvgate_core::name::Sanitize;
use kvgate_core::{Error, Kind, Result, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::file::{self, TEMPORARY_SUFFIX, failed};
use super::names::{ENTRY_SUFFIX, FileSystemLimits, INFO_SUFFIX, Names};

/// What every ext file system has at its top, readable by root alone.
const LOST_AND_FOUND: &str = "lost+found";

/// The file beside a collection's directory.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    /// What the collection is called.
    pub(super) collection: String,
}

impl Info {
    /// Reads an info file; nothing if there is none, or none that can be read.
    ///
    /// What it says of the directory is for py-key-value: ours is always the one
    /// beside it, wherever the tree has been moved.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        let text = metadata.is_file().then(|| fs::read(path).ok())??;
        serde_json::from_slice(&text).ok()
    }

    /// A new info file's text, laid out as Python does.
    pub(super) fn text(collection: &str, directory: &Path, now: Timestamp) -> String {
        // `open` saw that the base is text, and so is what it is joined with
        let directory = Value::from(directory.to_string_lossy());
        let collection = Value::from(collection);
        format!(
            "{{\"collection\": {collection}, \"created_at\": \"{now}\", \
             \"directory\": {directory}, \"version\": 1}}"
        )
    }
}

/// Makes the directory if only its last part is missing, sees that it is a
/// `FileTree`'s, and returns its absolute path.
pub(super) fn open(configured: &Path) -> Result<PathBuf> {
    let shown = configured.display();
    match fs::create_dir(configured) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(misconfigured(format!(
                "the parent of the directory {shown} does not exist: make it, or correct `directory`"
            )));
        }
        // a directory may be there that can't be made again, such as a mount
        Err(_) if configured.is_dir() => {}
        Err(error) => return Err(failed("making the directory", configured, error)),
    }
    if !configured.is_dir() {
        return Err(misconfigured(format!(
            "{shown} is not a directory: remove it, or correct `directory`"
        )));
    }
    refuse_foreign(configured)?;
    // py-key-value, too, writes the resolved path; on Windows that has a form
    // which Python doesn't take for the same
    let base =
        if cfg!(windows) { std::path::absolute(configured) } else { configured.canonicalize() };
    let base = base.map_err(|error| failed("resolving", configured, error))?;
    if base.to_str().is_none() {
        return Err(misconfigured(format!(
            "the path of {shown} is not UTF-8, so an info file can't name it: rename it"
        )));
    }
    if let Some(parent) = base.parent() {
        file::sync_directory(parent)?;
    }
    Ok(base)
}

/// Refuses a directory that another program has filled: a destroy in it, or
/// collections among its files, are not what anybody wants.
fn refuse_foreign(directory: &Path) -> Result<()> {
    for item in items(directory)? {
        let item = item?;
        let name = item.file_name();
        let name = name.to_string_lossy();
        let file_type = item.file_type().map_err(|error| failed("reading", &item.path(), error))?;
        let is_info = name.ends_with(INFO_SUFFIX) || name.ends_with(TEMPORARY_SUFFIX);
        let is_ours = file_type.is_dir() || (file_type.is_file() && is_info);
        if !is_ours && !name.starts_with('.') {
            return Err(misconfigured(format!(
                "the directory {} holds {name:?}, which no filetree store puts there: \
                 choose a directory of its own, or move that away",
                directory.display()
            )));
        }
    }
    Ok(())
}

/// Finds out which names the file system takes.
pub(super) fn names(base: &Path, sanitize: Sanitize) -> Result<Names> {
    let folds_case =
        file::folds_case(base).map_err(|error| failed("writing to the directory", base, error))?;
    Ok(Names {
        sanitize,
        limits: FileSystemLimits::of(base),
        // macOS folds ways of writing a letter even where it keeps case apart
        is_folding: folds_case || cfg!(any(windows, target_os = "macos")),
    })
}

/// The stored names of the entries in a collection's directory: of regular files
/// with the suffix. Nothing if there is no directory.
pub(super) fn entries(directory: &Path) -> Result<BTreeSet<String>> {
    let mut entries = BTreeSet::new();
    for item in items(directory)? {
        let item = item?;
        let is_file = item.file_type().is_ok_and(|file_type| file_type.is_file());
        if is_file && let Some(name) = stored_name(&item, ENTRY_SUFFIX) {
            entries.insert(name);
        }
    }
    Ok(entries)
}

/// The stored names of the collections: of the info files, and of directories
/// without one, which other programs may make. A hidden directory or
/// `lost+found` without one is nothing of ours.
pub(super) fn collections(base: &Path) -> Result<BTreeSet<String>> {
    let mut collections = BTreeSet::new();
    let (mut linked, mut infos) = (BTreeSet::new(), BTreeSet::new());
    for item in items(base)? {
        let item = item?;
        let file_type = item.file_type().map_err(|error| failed("reading", &item.path(), error))?;
        let Some(name) = stored_name(&item, "") else {
            continue;
        };
        if file_type.is_file() {
            infos.extend(stored_name(&item, INFO_SUFFIX));
        } else if !file_type.is_dir() {
            linked.insert(name);
        } else if !name.starts_with('.') && name != LOST_AND_FOUND {
            collections.insert(name);
        }
    }
    collections.append(&mut infos);
    Ok(&collections - &linked)
}

/// The temporary files that processes left behind which died.
pub(super) fn left_behind(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut left_behind = Vec::new();
    for item in items(directory)? {
        let item = item?;
        if file::is_left_behind(&item) {
            left_behind.push(item.path());
        }
    }
    Ok(left_behind)
}

/// The name without the suffix, if it has it and is text.
fn stored_name(item: &fs::DirEntry, suffix: &str) -> Option<String> {
    let name = item.file_name().into_string().ok()?;
    let stored = name.strip_suffix(suffix)?;
    (!stored.is_empty()).then(|| stored.to_owned())
}

/// What is in a directory; nothing if it isn't there.
fn items(directory: &Path) -> Result<impl Iterator<Item = Result<fs::DirEntry>>> {
    let items = match fs::read_dir(directory) {
        Ok(items) => Some(items),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed("reading", directory, error)),
    };
    let directory = directory.to_owned();
    let item =
        move |item: io::Result<_>| item.map_err(|error| failed("reading", &directory, error));
    Ok(items.into_iter().flatten().map(item))
}

fn misconfigured(context: String) -> Error {
    Error::new(Kind::Misconfigured, context)
}
