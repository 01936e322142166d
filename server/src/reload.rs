//! What is made of files, and made anew when they change.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use kvgate_core::{Error, Kind, Result};
use sha2::{Digest, Sha256};

use crate::signals::Hangups;

/// The largest file: far above what a server has certificates, tokens or keys for.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How long files that have changed must stay as they are before they are used, and how
/// often that is tried.
const SETTLING: Duration = Duration::from_millis(50);
const SETTLING_READS_MAX: u32 = 40;

/// What can be made anew.
pub(crate) trait Reload: Send + Sync {
    /// Looks at the files, and makes anew what is made of them if they have changed. It
    /// blocks as long as reading takes.
    fn reload(&self);
}

/// Reloads again and again, and at once when the process is told to by SIGHUP.
pub(crate) async fn watch(all: Vec<Arc<dyn Reload>>, interval: Duration, mut hangups: Hangups) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = hangups.next() => tracing::info!("SIGHUP: looking at the files for changes"),
        }
        for one in &all {
            let one = Arc::clone(one);
            // files may be on a network; what panics was said already, and is tried again
            drop(tokio::task::spawn_blocking(move || one.reload()).await);
        }
    }
}

type Make<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<T> + Send + Sync>;

/// A `T` made of files. Whoever has it is not disturbed by a newer one.
pub(crate) struct Reloaded<T> {
    /// The setting that names the files, for the log.
    what: String,
    files: Vec<PathBuf>,
    make: Make<T>,
    current: ArcSwap<T>,
    seen: Mutex<Seen>,
}

/// What was found last time: the same mistake is not logged twice.
struct Seen {
    contents: [u8; 32],
    failure: Option<String>,
}

impl<T: Send + Sync> Reloaded<T> {
    /// Reads the files for the first time. `make` gets their contents, in their order.
    pub(crate) fn open(
        what: impl Into<String>,
        files: Vec<PathBuf>,
        make: impl Fn(&[Vec<u8>]) -> Result<T> + Send + Sync + 'static,
    ) -> Result<Self> {
        let what = what.into();
        let context = |error: Error| misconfigured(format!("{what}: {error}"));
        let contents = read_all(&files).map_err(context)?;
        let made = make(&contents).map_err(context)?;
        let seen = Mutex::new(Seen { contents: hash(&contents), failure: None });
        let current = ArcSwap::from_pointee(made);
        Ok(Self { what, files, make: Box::new(make), current, seen })
    }

    /// The newest one, without a lock.
    pub(crate) fn current(&self) -> Guard<Arc<T>> {
        self.current.load()
    }

    /// Makes it anew if the files have changed. Answers whether it did.
    pub(crate) fn refresh(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match self.read_settled(seen.contents) {
            Ok(contents) => {
                let hash = hash(&contents);
                let read_before = seen.failure.as_deref().is_none_or(|f| !f.starts_with(READING));
                if hash == seen.contents && read_before {
                    return false;
                }
                seen.contents = hash;
                (self.make)(&contents)
            }
            Err(error) => Err(error),
        };
        match made {
            Ok(made) => {
                self.current.store(Arc::new(made));
                seen.failure = None;
                tracing::info!("{} has changed and was loaded", self.what);
                true
            }
            Err(error) => {
                let failure = Some(error.to_string());
                if seen.failure != failure {
                    tracing::error!("{}: {error}; what was loaded before stays in use", self.what);
                    seen.failure = failure;
                }
                false
            }
        }
    }
}

impl<T> Reloaded<T> {
    /// Reads the files. If they are not what they were, somebody may be writing them still:
    /// half a list of tokens could look like a whole one.
    fn read_settled(&self, before: [u8; 32]) -> Result<Vec<Vec<u8>>> {
        let mut last = read_all(&self.files)?;
        if hash(&last) == before {
            return Ok(last);
        }
        for _ in 0..SETTLING_READS_MAX {
            std::thread::sleep(SETTLING);
            let now = read_all(&self.files)?;
            if now == last {
                return Ok(now);
            }
            last = now;
        }
        Err(misconfigured(format!("{READING}it: it changes all the time")))
    }
}

impl<T: Send + Sync> Reload for Reloaded<T> {
    fn reload(&self) {
        self.refresh();
    }
}

/// How the failure of a file that can't be read begins: once it can be, it is used even
/// if it is what it was.
const READING: &str = "reading ";

fn read_all(files: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    files.iter().map(|file| read(file)).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let failed =
        |error: std::io::Error| misconfigured(format!("{READING}{}: {error}", path.display()));
    let mut content = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > FILE_BYTES_MAX {
        let message = format!("{READING}{}: over {FILE_BYTES_MAX} bytes", path.display());
        return Err(misconfigured(message));
    }
    Ok(content)
}

fn hash(contents: &[Vec<u8>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for content in contents {
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    hash.finalize().into()
}

/// A mistake of whoever wrote the configuration or a file that it names.
pub(crate) fn misconfigured(message: impl Into<String>) -> Error {
    Error::new(Kind::Misconfigured, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(contents: &[Vec<u8>]) -> Result<u32> {
        let text = String::from_utf8_lossy(&contents[0]);
        text.trim().parse().map_err(|_| misconfigured("not a number"))
    }

    #[test]
    fn a_mistake_keeps_what_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("number");
        let write = |text: &str| std::fs::write(&file, text).expect("written");
        write("1");
        let reloaded = Reloaded::open("number", vec![file.clone()], number).expect("a number");
        assert!(!reloaded.refresh());
        write("2");
        assert!(reloaded.refresh());
        assert_eq!(**reloaded.current(), 2);
        write("two");
        assert!(!reloaded.refresh());
        std::fs::remove_file(&file).expect("removed");
        assert!(!reloaded.refresh());
        assert_eq!(**reloaded.current(), 2);
        write("3");
        assert!(reloaded.refresh());
        assert_eq!(**reloaded.current(), 3);
    }

    #[test]
    fn what_is_wrong_at_the_start_is_told() {
        let missing = PathBuf::from("/no/such/file");
        let error = Reloaded::open("server.x", vec![missing], number).err().expect("no file");
        let message = error.to_string();
        assert!(message.starts_with("server.x: reading /no/such/file: "), "{message}");
        assert_eq!(error.kind(), Kind::Misconfigured);
    }
}
