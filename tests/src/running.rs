//! A server that runs one setup.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::failure::Outcome;
use crate::server::Server;
use crate::setups::{Backend, Place, Setup};

/// What every configuration of the tests begins with.
pub const SERVER_SETTINGS: &str = "[server]\nlisten = \"127.0.0.1:0\"\n";

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// By SIGTERM: it finishes what it does.
    Gracefully,
    /// By SIGKILL: it can't do anything more.
    Killed,
}

/// A server that runs one setup, with everything that it needs.
pub struct Running {
    // Fields are dropped in this order: the server ends before what it uses.
    /// The server.
    pub server: Server,
    /// The setup's backend, if it has one.
    pub backend: Option<Box<dyn Backend>>,
    configuration: PathBuf,
    directory: TempDir,
}

impl Running {
    /// Starts the setup's backend and a server.
    pub async fn start(setup: &Setup) -> Outcome<Self> {
        let directory = tempfile::Builder::new().prefix("kvgate-tests-").tempdir()?;
        let backend = match setup.backend {
            Some(start) => Some(start(&directory.path().join("backend"))?),
            None => None,
        };
        let data = directory.path().join("data");
        let place = Place { directory: &data, backend: backend.as_deref() };
        let name = setup.name;
        let settings = (setup.settings)(&place);
        let text =
            format!("{SERVER_SETTINGS}default_store = \"{name}\"\n[stores.{name}]\n{settings}");
        let configuration = directory.path().join("kvgate.toml");
        std::fs::write(&configuration, text)?;
        let server = Server::start(&configuration).await?;
        Ok(Self { server, backend, configuration, directory })
    }

    /// Stops the server and starts it again over what it left.
    pub async fn restart(self, how: Stop) -> Outcome<Self> {
        let Self { server, backend, configuration, directory } = self;
        match how {
            Stop::Gracefully => server.terminate().await?,
            Stop::Killed => server.kill().await?,
        }
        let server = Server::start(&configuration).await?;
        Ok(Self { server, backend, configuration, directory })
    }

    /// Kills the server and leaves it so until it is restarted.
    pub fn kill(&self) -> Outcome {
        self.server.signal(Signal::KILL)
    }

    /// Where the store keeps its data, if it keeps it in files.
    pub fn data(&self) -> PathBuf {
        self.directory().join("data")
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }
}
