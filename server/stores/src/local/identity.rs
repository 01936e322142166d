use std::fs::{self, Metadata};
use std::path::Path;

use kvgate_core::Result;

use super::fault;

/// Which file a path leads to: a database would go on writing to one that somebody
/// has removed or replaced, and what it acknowledged would be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// The identity of the file that is there now; an error if there is none.
    ///
    /// It asks for the file's metadata only: closing a file of a database would
    /// give up the locks that `SQLite` holds on it in this process.
    pub(crate) fn of(file: &Path) -> Result<Self> {
        match fs::metadata(file) {
            Ok(metadata) => Ok(Self::from(&metadata)),
            Err(error) => Err(fault(format!("looking for {}", file.display()), error)),
        }
    }
}

impl From<&Metadata> for Identity {
    #[cfg(unix)]
    fn from(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Windows removes no file that is open.
    #[cfg(not(unix))]
    fn from(_: &Metadata) -> Self {
        Self { device: 0, inode: 0 }
    }
}
