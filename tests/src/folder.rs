//! A directory of a test's own, and the configuration in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::failure::Outcome;
use crate::server::{Finished, Server, binary, run_to_end};

/// What nearly every configuration of the tests begins with: a port that is
/// free.
pub const SERVER_SETTINGS: &str = "[server]\nlisten = \"127.0.0.1:0\"\n";

/// A configuration of one store, `main`, in a directory.
pub fn store_in(store_type: &str, directory: &Path) -> String {
    let directory = directory.display();
    // every store has the word of py-key-value
    let setting = if store_type == "rocksdb" { "path" } else { "directory" };
    format!(
        "{SERVER_SETTINGS}default_store = \"main\"\n\
         [stores.main]\ntype = \"{store_type}\"\n{setting} = '{directory}'\n"
    )
}

/// A temporary directory, which is removed when it is dropped.
pub struct Folder {
    directory: TempDir,
}

impl Folder {
    /// An empty directory.
    pub fn new() -> Outcome<Self> {
        Ok(Self { directory: tempfile::Builder::new().prefix("kvgate-tests-").tempdir()? })
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The directory itself.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the configuration is.
    pub fn configuration(&self) -> PathBuf {
        self.path("kvgate.toml")
    }

    /// Writes the configuration.
    pub fn configure(&self, text: &str) -> Outcome {
        Ok(std::fs::write(self.configuration(), text)?)
    }

    /// The configuration, for a failure to tell.
    pub fn text(&self) -> String {
        std::fs::read_to_string(self.configuration()).unwrap_or_default()
    }

    /// Writes the stores' part of the configuration, below the usual settings
    /// of the server, and starts the server.
    pub async fn start(&self, stores: &str) -> Outcome<Server> {
        self.configure(&format!("{SERVER_SETTINGS}{stores}"))?;
        Server::start(&self.configuration()).await
    }

    /// Runs the server's command line in this directory until it ends by
    /// itself.
    pub async fn run(&self, arguments: &[&str]) -> Outcome<Finished> {
        self.run_with(arguments, &[]).await
    }

    /// The same with environment variables.
    pub async fn run_with(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Outcome<Finished> {
        let mut command = Command::new(binary()?);
        command.args(arguments).current_dir(self.directory()).envs(variables.iter().copied());
        run_to_end(command).await
    }
}
