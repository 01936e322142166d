//! Backends that take long to start: the tests of one process share one of each.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use tokio::sync::{Mutex, MutexGuard};

use crate::failure::{Failure, Outcome};
use crate::setups::{Backend, Setup};

/// A backend that runs as long as anybody has it. It is meant for a `static`.
pub struct Shared<B> {
    running: Mutex<Result<Weak<B>, String>>,
}

impl<B> Shared<B> {
    /// One that is not started yet.
    #[expect(clippy::new_without_default, reason = "a static needs a constant")]
    pub const fn new() -> Self {
        Self { running: Mutex::const_new(Ok(Weak::new())) }
    }

    /// The backend, which `start` starts unless it runs. One that could not be started is
    /// not tried again: each try takes long.
    pub async fn get(&self, start: impl AsyncFnOnce() -> Outcome<B>) -> Outcome<Arc<B>> {
        let mut running = self.running.lock().await;
        if let Some(backend) = running.as_ref().map_err(Failure::new)?.upgrade() {
            return Ok(backend);
        }
        match start().await {
            Ok(backend) => {
                let backend = Arc::new(backend);
                *running = Ok(Arc::downgrade(&backend));
                Ok(backend)
            }
            Err(failure) => {
                // the whole of it once is enough: it may have a log in it
                *running = Err("a test before has failed to start the backend".to_owned());
                Err(failure)
            }
        }
    }
}

/// Keeps a setup's shared backend from the setup's first test to its last.
pub struct Kept {
    setup: &'static Setup,
    part: Mutex<Option<Box<dyn Backend>>>,
    turn: Mutex<()>,
}

impl Kept {
    /// Nothing yet: a test that is not run needs none.
    pub fn new(setup: &'static Setup) -> Self {
        Self { setup, part: Mutex::default(), turn: Mutex::default() }
    }

    /// Has the backend run from now on, if it is a shared one.
    pub async fn keep(&self) -> Outcome {
        let shared = self.setup.backend.as_ref().filter(|_| self.setup.facts.shares_backend);
        let mut part = self.part.lock().await;
        if let (Some(backend), None) = (shared, &*part) {
            *part = Some((backend.start)(PathBuf::new()).await?);
        }
        Ok(())
    }

    /// Like [`Kept::keep`], for tests that may stop it: waits for the end of those before.
    pub async fn turn(&self) -> Outcome<Option<MutexGuard<'_, ()>>> {
        if !self.setup.facts.shares_backend {
            return Ok(None);
        }
        let turn = self.turn.lock().await;
        self.keep().await?;
        Ok(Some(turn))
    }
}
