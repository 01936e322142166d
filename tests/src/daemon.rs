//! A backend's server as a child process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Failure, Outcome};
use crate::wait::{until_boxed, within_boxed};

/// How long a server may take to start: some are whole Java applications.
const START_PATIENCE: Duration = Duration::from_mins(5);

/// A server that can be stopped and started again. Dropping it kills it.
pub struct Daemon {
    command: Box<dyn Fn() -> Command + Send + Sync>,
    ready: Ready,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

/// Whether a server answers by now.
pub type Ready = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

impl Daemon {
    /// Starts a server and waits until it is ready. `log` is where its output goes.
    pub async fn start(
        command: impl Fn() -> Command + Send + Sync + 'static,
        log: &Path,
        ready: Ready,
    ) -> Outcome<Self> {
        let (command, child) = (Box::new(command), Mutex::default());
        let daemon = Self { command, ready, log: log.to_owned(), child };
        daemon.restart().await?;
        Ok(daemon)
    }

    /// Starts it again after a stop, and waits until it is ready.
    pub async fn restart(&self) -> Outcome {
        let mut command = (self.command)();
        let log = File::options().create(true).append(true).open(&self.log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let program = command.get_program().to_owned();
        let child = command.spawn().map_err(|error| {
            let hint = "is it installed? `tests/backends/install` does it";
            Failure::from(error).within(format!("starting {} ({hint})", program.display()))
        })?;
        *self.child() = Some(child);
        self.until_ready().await
    }

    /// Waits until it is ready.
    pub async fn until_ready(&self) -> Outcome {
        let program = (self.command)().get_program().to_owned();
        let what = format!("{} is ready", program.display());
        let ready = within_boxed(START_PATIENCE, what, || {
            Box::pin(async {
                if let Some(status) = self.ended()? {
                    return Err(Failure::new(format!("it ended with {status}")));
                }
                Ok((self.ready)().await.then_some(()))
            })
        });
        ready.await.map_err(|failure| {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            failure.within(format!("starting {}, with the log:\n{log}", program.display()))
        })
    }

    /// Whether it was started and not stopped since.
    pub fn is_started(&self) -> bool {
        self.child().is_some()
    }

    /// Its process; nothing after a stop.
    pub fn process(&self) -> Option<Pid> {
        self.child().as_ref().map(Pid::from_child)
    }

    /// Stops it and waits for its end.
    pub async fn stop(&self) -> Outcome {
        self.signal(Signal::TERM)?;
        until_boxed("the backend ends", || Box::pin(async { self.ended() })).await?;
        *self.child() = None;
        Ok(())
    }

    /// Holds it: its connections stay open, and it does nothing.
    pub fn freeze(&self) -> Outcome {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub fn thaw(&self) -> Outcome {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Outcome {
        match self.process() {
            Some(process) => Ok(kill_process(process, signal)?),
            None => Err(Failure::new("the backend is not running")),
        }
    }

    fn ended(&self) -> Outcome<Option<ExitStatus>> {
        Ok(self.child().as_mut().map(Child::try_wait).transpose()?.flatten())
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child().take() {
            // Both fail only for a process that has ended.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
