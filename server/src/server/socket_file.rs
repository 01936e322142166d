//! The file of a Unix socket: made for its owner, removed at the end.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::umask;

/// The file of a listening socket; dropping it removes the file.
pub(crate) struct SocketFile {
    path: PathBuf,
    id: Id,
}

/// Which file it is, by device, number and when it was made (numbers are used again): one
/// that somebody else has put there stays.
type Id = (u64, u64, i64, i64);

impl SocketFile {
    /// Listens at `path`, where a server that was killed may have left its socket.
    pub(super) fn bind(path: &Path, mode: u32) -> io::Result<(UnixListener, Self)> {
        remove_stale(path)?;
        // the file is never there with another mode, not for a moment: no other thread
        // makes files yet
        let before = umask(Mode::from_bits_truncate(!mode & 0o777));
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound?;
        listener.set_nonblocking(true)?;
        let file = Self { path: path.to_owned(), id: id(path)? };
        Ok((listener, file))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if id(&self.path).is_ok_and(|id| id == self.id) {
            // what stays is found to be stale by the next server
            drop(std::fs::remove_file(&self.path));
        }
    }
}

fn id(path: &Path) -> io::Result<Id> {
    let file = std::fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino(), file.mtime(), file.mtime_nsec()))
}

/// Removes a socket that nobody listens on any more; anything else is left alone.
fn remove_stale(path: &Path) -> io::Result<()> {
    let file = match std::fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !file.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file of another kind",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there")),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_comes_and_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let (listener, file) = SocketFile::bind(&path, 0o620).expect("bound");
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o620);
        let taken = SocketFile::bind(&path, 0o600).err().expect("somebody listens");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        // as after kill -9: the file is there, and nobody listens
        drop(listener);
        let (_listener, newer) = SocketFile::bind(&path, 0o600).expect("the old one is stale");
        drop(file);
        assert!(path.exists(), "the file of the newer server");
        drop(newer);
        assert!(!path.exists());
        std::fs::write(&path, "precious").expect("written");
        assert!(SocketFile::bind(&path, 0o600).is_err());
        assert!(path.exists());
    }
}
