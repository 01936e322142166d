//! One file: read, replaced, taken away.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvgate_core::envelope::{self, Decoded};
use kvgate_core::{Error, Kind, Result};
use tempfile::{NamedTempFile, TempPath};

/// How temporary files begin: hidden, and unlike those of other programs.
const TEMPORARY_PREFIX: &str = ".kvgate-";

/// How temporary files end: unlike any entry.
pub(super) const TEMPORARY_SUFFIX: &str = ".tmp";

/// No write takes so long: a temporary file that is older has been left behind
/// by a process that died.
const TEMPORARY_AGE_MAX: Duration = Duration::from_hours(1);

/// How often what Windows denies while a file is open is tried again, a millisecond later.
const DENIALS_MAX: usize = 200;

/// Reads an entry; nothing if there is no such file. What is not a regular file
/// is not read: a link may lead out of the directory, a pipe may never answer.
pub(super) fn read(path: &Path) -> Result<Option<Decoded>> {
    if !is_entry(path)? {
        return Ok(None);
    }
    let text = match fs::read(path) {
        Ok(text) => Bytes::from(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("reading", path, error)),
    };
    let decoded = envelope::decode(&text).map_err(|error| {
        let context = format!("reading {}", path.display());
        Error::new(error.kind(), context).with_source(error)
    })?;
    Ok(Some(decoded))
}

/// Whether a file is there; an error if it is no regular file.
fn is_entry(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => {
            let context = format!("{} is not a regular file: remove it", path.display());
            Err(Error::new(Kind::Unreadable, context))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("reading", path, error)),
    }
}

/// Writes a temporary file, to be renamed later. It is on the disk then: after a
/// power failure the name must not stand for a file without content.
pub(super) fn write_temporary(directory: &Path, text: &str) -> io::Result<NamedTempFile> {
    let mut temporary = named().tempfile_in(directory)?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

/// Puts a temporary file in its place. Windows denies it while somebody has the old file
/// open, which is never for long.
pub(super) fn publish(mut temporary: NamedTempFile, path: &Path) -> io::Result<()> {
    for _ in 0..DENIALS_MAX {
        match temporary.persist(path) {
            Ok(_) => return Ok(()),
            Err(refused) if is_in_use(&refused.error) => temporary = refused.file,
            Err(refused) => return Err(refused.error),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    temporary.persist(path).map(drop).map_err(|refused| refused.error)
}

/// Whether Windows denies what it allows once nobody has the file open.
fn is_in_use(error: &io::Error) -> bool {
    cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied
}

/// Moves a file away, so that nobody can replace it while it is looked at;
/// nothing if it is not there. It is removed when the path is dropped.
pub(super) fn take(path: &Path) -> Result<Option<TempPath>> {
    if !is_entry(path)? {
        return Ok(None);
    }
    let directory = path.parent().unwrap_or(path);
    match named().make_in(directory, |away| fs::rename(path, away)) {
        Ok(taken) => Ok(Some(taken.into_temp_path())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("removing", path, error)),
    }
}

/// Undoes [`take`], unless a newer file has come to its place.
pub(super) fn put_back(taken: TempPath, path: &Path) -> Result<()> {
    match taken.persist_noclobber(path) {
        Ok(()) => Ok(()),
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // the file system can't rename with care; without is better than a loss
        Err(refused) => refused
            .path
            .persist(path)
            .map_err(|refused| failed("putting back", path, refused.error)),
    }
}

/// Puts what was renamed and removed in a directory on the disk.
pub(super) fn sync_directory(directory: &Path) -> Result<()> {
    // elsewhere a directory can't be opened as a file
    if cfg!(unix) {
        match fs::File::open(directory).and_then(|directory| directory.sync_all()) {
            // removed by a destroy that came after us: nothing is left to sync
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(failed("syncing", directory, error).may_have_happened());
            }
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Whether it is a temporary file of a process of ours that died.
pub(super) fn is_left_behind(item: &fs::DirEntry) -> bool {
    let name = item.file_name();
    let is_ours = name
        .to_str()
        .is_some_and(|name| name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX));
    is_ours && item.metadata().is_ok_and(|metadata| metadata.is_file() && is_old(&metadata))
}

fn is_old(metadata: &fs::Metadata) -> bool {
    let age = metadata
        .modified()
        .ok()
        .and_then(|modified| SystemTime::now().duration_since(modified).ok());
    age.is_some_and(|age| age > TEMPORARY_AGE_MAX)
}

/// Whether a file can be found under a name that differs in case: then so can
/// every entry.
pub(super) fn folds_case(directory: &Path) -> io::Result<bool> {
    let probe = named().suffix("-CASE.tmp").tempfile_in(directory)?;
    let name = probe.path().file_name().unwrap_or_default();
    let lower = name.to_string_lossy().replace("-CASE", "-case");
    directory.join(lower).try_exists()
}

/// Removes a file that may have gone already.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("removing", path, error))
        }
        _ => Ok(()),
    }
}

fn named() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder
        .prefix(TEMPORARY_PREFIX)
        .suffix(TEMPORARY_SUFFIX)
        // enough that `take`, whose rename would replace another's, never meets one
        .rand_bytes(16);
    builder
}

/// The error of what the system refused.
pub(super) fn failed(doing: &str, path: &Path, error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let kind = match error.kind() {
        Io::StorageFull | Io::QuotaExceeded => Kind::Full,
        Io::PermissionDenied | Io::ReadOnlyFilesystem => Kind::AccessDenied,
        Io::InvalidFilename => Kind::InvalidKey,
        Io::FileTooLarge => Kind::ValueTooLarge,
        Io::IsADirectory | Io::NotADirectory => Kind::Misconfigured,
        _ => Kind::Unavailable,
    };
    Error::new(kind, format!("{doing} {}", path.display())).with_source(error)
}
