//! Files that say where to go on after a command was cut off.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A position beside the file that it is about.
pub(super) struct PositionFile(PathBuf);

impl PositionFile {
    /// The one beside `file`, whose name ends in `ending`.
    pub(super) fn beside(file: &Path, ending: &str) -> Self {
        let mut path = file.as_os_str().to_owned();
        path.push(ending);
        Self(path.into())
    }

    /// What was saved last; nothing if there is no such file.
    pub(super) fn load<T: DeserializeOwned>(&self) -> anyhow::Result<Option<T>> {
        let text = match fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| self.name("reading")),
        };
        let position = serde_json::from_slice(&text);
        Ok(Some(position.with_context(|| self.name("reading"))?))
    }

    /// Replaces what was saved: a process that is killed leaves the old position or this one.
    pub(super) fn save<T: Serialize>(&self, position: &T) -> anyhow::Result<()> {
        let new = self.0.with_extension("new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(position)?)?;
            file.sync_data()?;
            fs::rename(&new, &self.0)
        };
        write().with_context(|| self.name("writing"))
    }

    pub(super) fn remove(&self) -> anyhow::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| self.name("removing"))
            }
            _ => Ok(()),
        }
    }

    fn name(&self, doing: &str) -> String {
        format!("{doing} {}", self.0.display())
    }
}
