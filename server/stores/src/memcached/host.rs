//! One memcached server and the connections to it.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvgate_core::{Error, Kind, Result};
use tokio::runtime::{self, Handle};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::address::Address;
use super::commands::Batch;
use super::connection::{Connecting, Connection};
use super::reader::Fault;

/// A server, and at most so many connections to it.
pub(super) struct Host {
    address: Address,
    connecting: Arc<Connecting>,
    connections_max: usize,
    /// One for each connection that may be in use.
    permits: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that nobody uses. It belongs to the runtime that made it, and ends
/// with it, so that no other one may use it.
struct Idle {
    runtime: runtime::Id,
    connection: Connection,
}

impl Host {
    pub(super) fn new(
        address: Address,
        connecting: Arc<Connecting>,
        connections_max: usize,
    ) -> Self {
        let permits = Semaphore::new(connections_max);
        Self { address, connecting, connections_max, permits, idle: Mutex::default() }
    }

    /// Where it is.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a batch and answers it. An outer error means that it has no answer at
    /// all; a batch that broke off has the error in place of each answer that it lacks.
    pub(super) async fn ask<B: Batch>(&self, batch: &B) -> Result<Vec<Result<B::Answer>>> {
        let waited = timeout(self.connecting.timeout, self.permits.acquire()).await;
        let _permit = waited.map_err(|_| self.busy())?.map_err(|_| self.busy())?;
        let mut answers = Vec::with_capacity(batch.len());
        let ended = self.run(batch, &mut answers).await?;
        let mut answers: Vec<_> =
            answers.into_iter().map(|answer| answer.map_err(|fault| self.error(fault))).collect();
        if let Err(fault) = ended {
            let error = self.broken_off::<B>(fault);
            if answers.is_empty() {
                return Err(error);
            }
            answers.resize_with(batch.len(), || Err(error.clone()));
        }
        Ok(answers)
    }

    /// Runs a batch over an idle connection or a new one. An outer error means that
    /// there is none, so that nothing was sent.
    async fn run<B: Batch>(
        &self,
        batch: &B,
        answers: &mut Vec<Result<B::Answer, Fault>>,
    ) -> Result<Result<(), Fault>> {
        if let Some(idle) = self.take_idle() {
            match self.run_over(idle, batch, answers).await {
                // the server had closed it while nobody used it, maybe because it was
                // restarted. A write is not sent again: it may have been carried out,
                // and what somebody else has put since then must not be replaced by it
                Err(Fault::Lost(_)) if B::READS && answers.is_empty() => {}
                ended => return Ok(ended),
            }
        }
        self.close_surplus();
        let connected = self.connecting.connect(&self.address).await;
        let connection = connected.map_err(|fault| self.error(fault))?;
        Ok(self.run_over(connection, batch, answers).await)
    }

    async fn run_over<B: Batch>(
        &self,
        connection: Connection,
        batch: &B,
        answers: &mut Vec<Result<B::Answer, Fault>>,
    ) -> Result<(), Fault> {
        let mut lease = Lease { host: self, connection: Some(connection) };
        lease.run(batch, answers).await?;
        lease.give_back();
        Ok(())
    }

    /// An idle connection of this runtime that can be used, as far as is known.
    fn take_idle(&self) -> Option<Connection> {
        let runtime = Handle::current().id();
        let mut idle = self.idle();
        while let Some(last) = idle.iter().rposition(|idle| idle.runtime == runtime) {
            let Idle { connection, .. } = idle.remove(last);
            if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Makes room for a new connection among those that other runtimes left idle.
    fn close_surplus(&self) {
        let in_use = self.connections_max - self.permits.available_permits();
        let room = self.connections_max - in_use;
        let mut idle = self.idle();
        let surplus = idle.len().saturating_sub(room);
        idle.drain(..surplus);
    }

    // a panic can't leave the list half changed: each change of it is one call
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn busy(&self) -> Error {
        let (max, patience) = (self.connections_max, self.connecting.timeout);
        let context = format!(
            "none of the {max} connections to memcached at {} was free for {patience:?} \
             (connections, timeout)",
            self.address
        );
        Error::new(Kind::Unavailable, context)
    }

    /// The error of all that a batch did not answer.
    fn broken_off<B: Batch>(&self, fault: Fault) -> Error {
        let denied = matches!(fault, Fault::Denied);
        let error = self.error(fault);
        if B::READS || denied { error } else { error.may_have_happened() }
    }

    fn error(&self, fault: Fault) -> Error {
        let at = format!("memcached at {}", self.address);
        match fault {
            Fault::Lost(error) => Error::new(Kind::Unavailable, at).with_source(error),
            Fault::Silent(patience) => {
                Error::new(Kind::Unavailable, format!("{at} did not answer for {patience:?}"))
            }
            Fault::Busy(said) => Error::new(Kind::Unavailable, format!("{at} answered {said}")),
            Fault::Denied => {
                let problem = "does not let us in: it wants another username and password";
                Error::new(Kind::AccessDenied, format!("{at} {problem}"))
            }
            Fault::NoLogin => {
                let problem = "asks for no password, and would store it as an item that all can \
                               read: remove username and password, or start it with -Y";
                Error::new(Kind::Misconfigured, format!("{at} {problem}"))
            }
            Fault::Full => {
                Error::new(Kind::Full, format!("{at} has no room left, and is told not to evict"))
            }
            Fault::TooLarge => {
                let problem = "takes no item that large: let item_bytes_max be what its -I says";
                Error::new(Kind::ValueTooLarge, format!("{at} {problem}"))
            }
            Fault::Oversized => {
                let problem = "holds an item under this key that is larger than item_bytes_max";
                Error::new(Kind::Unreadable, format!("{at} {problem}"))
            }
            Fault::Nonsense(what) => {
                let problem = format!("{at} answered with {what}: is it a memcached?");
                Error::new(Kind::Internal, problem)
            }
        }
    }
}

/// A connection in use. Only [`Lease::give_back`] keeps it: one whose call failed, or
/// was dropped when its caller went away, may have answers on the way that belong to
/// nobody. The idle ones go with it, because what broke it mostly broke them.
struct Lease<'a> {
    host: &'a Host,
    connection: Option<Connection>,
}

impl Lease<'_> {
    async fn run<B: Batch>(
        &mut self,
        batch: &B,
        answers: &mut Vec<Result<B::Answer, Fault>>,
    ) -> Result<(), Fault> {
        match &mut self.connection {
            Some(connection) => connection.run(batch, answers).await,
            None => Err(Fault::Lost(ErrorKind::NotConnected.into())),
        }
    }

    /// Keeps the connection for the next call: its last answer was read to the end.
    fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            self.host.idle().push(Idle { runtime: Handle::current().id(), connection });
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if self.connection.is_some() {
            self.host.idle().clear();
        }
    }
}
