//! Connections and the runtimes that serve them.
//!
//! One acceptor hands connections round robin to one single-threaded runtime a
//! core. `decisions/0001-runtime.md` says why: at load it does half as many calls more
//! as tokio's multi-threaded runtime.

mod connection;
mod linger;
mod listener;
mod peer;
mod pings;
#[cfg(unix)]
mod socket_file;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use http::HeaderValue;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::Serving;
use self::listener::Socket;
pub(crate) use self::listener::{Listener, Origin, bind_tcp};
pub(crate) use self::peer::Peer;
use crate::config::{Server, Web};
use crate::edge::Edge;
use crate::layers::Stack;

/// Connections that may wait for one runtime: it takes them faster than they come,
/// unless it is stuck.
const HANDED_OVER_MAX: usize = 1024;

/// How much a caller may send on one stream before the server has read it.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// The same for all streams of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// How much of an answer waits in the server for the caller to take it.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// The wait after an accept that failed, most likely for want of file descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What tells a running server to stop.
#[derive(Clone, Default)]
pub(crate) struct Stop {
    /// No new connections and calls; those there are run to their end.
    pub(crate) gently: CancellationToken,
    /// Everything ends.
    pub(crate) at_once: CancellationToken,
}

/// Runtimes that serve connections, a thread each.
pub(crate) struct Workers {
    threads: Vec<JoinHandle<()>>,
    connections: Vec<mpsc::Sender<Socket>>,
    open: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts `count` runtimes; `stack` makes what each of them serves.
    pub(crate) fn start(
        count: usize,
        settings: &Server,
        edge: &Edge,
        stop: &Stop,
        stack: impl Fn() -> Stack,
    ) -> io::Result<Self> {
        let open = Arc::new(AtomicUsize::new(0));
        let mut workers = Self { threads: Vec::new(), connections: Vec::new(), open };
        for index in 0..count {
            let (sender, receiver) = mpsc::channel(HANDED_OVER_MAX);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let serving = Serving {
                stack: stack(),
                http2: http2_settings(settings),
                connections: settings.connections.clone(),
                web: settings.web.as_ref().map(origins),
                tls: edge.tls.clone(),
                authentication: edge.authentication.clone(),
                stop: stop.clone(),
                open: Arc::clone(&workers.open),
            };
            let thread = std::thread::Builder::new().name(format!("kvgate-{index}"));
            let running = thread.spawn(move || {
                runtime.block_on(run(serving, receiver));
                // blocking work that still runs must not hold the process
                runtime.shutdown_background();
            })?;
            workers.threads.push(running);
            workers.connections.push(sender);
        }
        Ok(workers)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.open)
    }

    /// Accepts connections until the server stops, and hands them out.
    pub(crate) async fn accept(
        &self,
        listener: Listener,
        connections_max: usize,
        stop: &Stop,
    ) -> io::Result<()> {
        let listener = listener.into_tokio()?;
        let mut next = 0;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.gently.cancelled() => return Ok(()),
            };
            let socket = match accepted {
                Ok(socket) => socket,
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if self.open.load(Ordering::Relaxed) >= connections_max {
                tracing::warn!(connections_max, "connection refused: too many are open");
                continue;
            }
            next = (next + 1) % self.connections.len();
            if self.connections[next].send(socket).await.is_err() {
                return Err(io::Error::other("a runtime has ended before the server"));
            }
        }
    }

    /// Waits for all connections to end; call it off the runtimes.
    pub(crate) fn join(self) {
        drop(self.connections);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a runtime panicked");
            }
        }
    }
}

/// The origins as browsers send them; the configuration has checked that they can be.
fn origins(web: &Web) -> Arc<[HeaderValue]> {
    web.origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect()
}

fn http2_settings(settings: &Server) -> http2::Builder<TokioExecutor> {
    let Server { limits, connections, .. } = settings;
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        // tonic and hyper leave the streams of a connection unlimited
        .max_concurrent_streams(limits.streams_per_connection_max)
        // headers are held in memory before any layer sees the call
        .max_header_list_size(limits.header_bytes_max)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(connections.keepalive_interval)
        .keep_alive_timeout(connections.keepalive_timeout)
        // a date in every answer is of no use to gRPC
        .auto_date_header(false);
    http2
}

/// One runtime's part: serves the connections that it is handed.
async fn run(serving: Serving, mut connections: mpsc::Receiver<Socket>) {
    let tracker = TaskTracker::new();
    loop {
        let socket = tokio::select! {
            socket = connections.recv() => socket,
            () = serving.stop.gently.cancelled() => None,
        };
        let Some(socket) = socket else { break };
        tracker.spawn(serving.clone().serve(socket));
    }
    tracker.close();
    tokio::select! {
        () = tracker.wait() => {}
        () = serving.stop.at_once.cancelled() => {}
    }
}
