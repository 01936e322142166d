//! The files that hold the values too long for the database.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, MAIN_SEPARATOR, Path, PathBuf};

use crate::local::directory;

/// How often making a file is tried: another process removes a directory which is
/// empty, also one that was just made for this file.
const TRIES_MAX: usize = 10;

/// The value files below a cache's directory.
#[derive(Clone, Debug)]
pub(super) struct ValueFiles {
    directory: PathBuf,
}

impl ValueFiles {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Writes a new file; answers its name: the path below the directory.
    pub(super) fn write(&self, text: &str) -> io::Result<String> {
        let name = random_name();
        let path = self.directory.join(&name);
        let written = create(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        match written {
            Ok(()) => Ok(name),
            Err(error) => {
                self.remove(&name);
                Err(error)
            }
        }
    }

    /// Waits until the files, and that they are there, can survive a power loss.
    pub(super) fn sync(&self, names: &[&str]) -> io::Result<()> {
        let mut directories = BTreeSet::new();
        for name in names {
            let path = self.directory.join(name);
            // Windows syncs only what was opened for writing
            OpenOptions::new().append(true).open(&path)?.sync_all()?;
            let parents = path.ancestors().skip(1).map(Path::to_owned);
            directories.extend(parents.take_while(|parent| parent.starts_with(&self.directory)));
        }
        directories.iter().try_for_each(|path| directory::sync(path))
    }

    /// Reads a file whole.
    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        if !is_below(name) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the name of the value file leads out of the directory",
            ));
        }
        fs::read(self.directory.join(name))
    }

    /// Removes a file, and the directories that became empty, as diskcache does.
    /// A file that can't be removed is left over; it harms nobody.
    pub(super) fn remove(&self, name: &str) {
        if !is_below(name) {
            return;
        }
        let path = self.directory.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "can't remove a value file");
            }
            _ => {}
        }
        let parents = path.ancestors().skip(1);
        for parent in parents.take_while(|parent| *parent != self.directory) {
            // refused when another file is in it: then it is to stay
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut tries = 0;
    loop {
        tries += 1;
        let created = match path.parent() {
            Some(parent) => fs::create_dir_all(parent),
            None => Ok(()),
        };
        let created =
            created.and_then(|()| OpenOptions::new().write(true).create_new(true).open(path));
        match created {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES_MAX => {}
            created => return created,
        }
    }
}

/// `xx/yy/<28 hex>.val`: two levels, because directories with many files are slow.
fn random_name() -> String {
    let hex = format!("{:032x}", rand::random::<u128>());
    let (first, second, rest) = (&hex[..2], &hex[2..4], &hex[4..]);
    format!("{first}{MAIN_SEPARATOR}{second}{MAIN_SEPARATOR}{rest}.val")
}

/// Names come from the database, which anybody may have written.
fn is_below(name: &str) -> bool {
    let mut components = Path::new(name).components();
    !name.is_empty() && components.all(|component| matches!(component, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_removed_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = ValueFiles::new(directory.path());
        let name = files.write("text").expect("written");
        files.sync(&[&name]).expect("synced");
        assert_eq!(name.len(), "xx/yy/.val".len() + 28);
        assert_eq!(files.read(&name).expect("there"), b"text");
        files.remove(&name);
        let mut left = fs::read_dir(directory.path()).expect("the directory stays");
        assert!(left.next().is_none());
    }

    #[test]
    fn stays_within_its_directory() {
        let directory = tempfile::tempdir().expect("a directory");
        let outside = directory.path().join("outside");
        fs::write(&outside, "precious").expect("written");
        let inside = directory.path().join("inside");
        fs::create_dir(&inside).expect("made");
        let files = ValueFiles::new(&inside);
        for name in ["../outside", outside.to_str().expect("UTF-8"), ""] {
            files.read(name).expect_err(name);
            files.remove(name);
        }
        assert!(outside.exists());
    }
}
