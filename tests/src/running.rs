//! A server that runs one setup.

use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::failure::Outcome;
use crate::folder::{Folder, SERVER_SETTINGS};
use crate::server::Server;
use crate::setups::{Backend, Place, Setup};
use crate::wine::Wine;

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// By SIGTERM, or Ctrl-C on Windows: it finishes what it does.
    Gracefully,
    /// By SIGKILL: it can't do anything more.
    Killed,
}

/// Everything that a setup's server needs, before it is started.
pub struct Prepared {
    // Fields are dropped in this order: the backend ends before its directory.
    backend: Option<Box<dyn Backend>>,
    wine: Option<Wine>,
    folder: Folder,
}

impl Prepared {
    /// Starts the setup's backend and writes the server's configuration.
    pub async fn new(setup: &Setup) -> Outcome<Self> {
        let folder = Folder::new()?;
        let backend = match &setup.backend {
            Some(backend) => Some((backend.start)(folder.path("backend")).await?),
            None => None,
        };
        let wine = setup.facts.on_windows.then(|| Wine::new(folder.path("wine"))).transpose()?;
        let prepared = Self { backend, wine, folder };
        let data = match prepared.wine {
            Some(_) => Wine::path(&prepared.data()),
            None => prepared.data(),
        };
        let place = Place { directory: &data, backend: prepared.backend.as_deref() };
        let (name, settings) = (setup.name, (setup.settings)(&place));
        let stores = format!("default_store = \"{name}\"\n[stores.{name}]\n{settings}");
        prepared.folder.configure(&format!("{SERVER_SETTINGS}{stores}"))?;
        Ok(prepared)
    }

    /// Where the store keeps its data, if it keeps it in files.
    pub fn data(&self) -> PathBuf {
        self.folder.path("data")
    }

    /// What Python's store over the same entries is opened with.
    pub fn python(&self) -> Value {
        match &self.backend {
            Some(backend) => backend.python(),
            None => json!({ "directory": self.data() }),
        }
    }

    /// The setup's backend, if it has one.
    pub fn backend(&self) -> Option<&dyn Backend> {
        self.backend.as_deref()
    }

    /// The Windows that the server runs on, if it does.
    pub fn wine(&self) -> Option<&Wine> {
        self.wine.as_ref()
    }

    /// Starts the server.
    pub async fn start(self) -> Outcome<Running> {
        let file = self.folder.configuration();
        let server = match &self.wine {
            Some(wine) => Server::start_in(wine, &file).await?,
            None => Server::start(&file).await?,
        };
        Ok(Running { server, prepared: self })
    }
}

/// A server that runs one setup, with everything that it needs.
pub struct Running {
    // Fields are dropped in this order: the server ends before what it uses.
    /// The server.
    pub server: Server,
    prepared: Prepared,
}

impl Running {
    /// Starts the setup's backend and a server.
    pub async fn start(setup: &Setup) -> Outcome<Self> {
        Prepared::new(setup).await?.start().await
    }

    /// Stops the server; what it left stays.
    pub async fn stop(self, how: Stop) -> Outcome<Prepared> {
        match how {
            Stop::Gracefully => self.server.terminate().await?,
            Stop::Killed => self.server.kill().await?,
        }
        Ok(self.prepared)
    }

    /// Kills the server and leaves it so until it is restarted.
    pub fn kill(&self) -> Outcome {
        self.server.signal(Signal::KILL)
    }

    /// The setup's backend, if it has one.
    pub fn backend(&self) -> Option<&dyn Backend> {
        self.prepared.backend()
    }

    /// What Python's store over the same entries is opened with.
    pub fn python(&self) -> Value {
        self.prepared.python()
    }

    /// Where the store keeps its data, if it keeps it in files.
    pub fn data(&self) -> PathBuf {
        self.prepared.data()
    }
}
