//! A TCP proxy between a store and its backend, which can hold connections and
//! counts how often the two take turns.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::Outcome;

/// A proxy. Dropping it closes its listener and its connections.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    /// Connections up to this number are held.
    held: watch::Sender<u64>,
    accepted: AtomicU64,
    turns: AtomicU64,
}

impl Proxy {
    /// Listens on a free port for connections to the backend.
    pub async fn start(backend: SocketAddr) -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            held: watch::Sender::new(0),
            accepted: AtomicU64::new(0),
            turns: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, backend, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Where the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds all connections that are open now, for ever: nothing passes, and they
    /// stay open. New ones are served.
    pub fn hold_open_connections(&self) {
        self.shared.held.send_replace(self.shared.accepted.load(Ordering::SeqCst));
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How often a side that waits for the other one has been asked so far: the round
    /// trips of a protocol of questions and answers.
    pub fn round_trips(&self) -> u64 {
        self.shared.turns.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, backend: SocketAddr, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    // an error of accept concerns one connection; a backend that is down refuses
    while let Ok((client, _)) = listener.accept().await {
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst) + 1;
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(backend).await else {
                return;
            };
            // both fail only for a socket that is closed
            drop(client.set_nodelay(true));
            drop(server.set_nodelay(true));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let asking = Arc::new(AtomicBool::new(false));
            let (held, turns) = (&shared.held, &shared.turns);
            let ask = |_: usize| {
                if !asking.swap(true, Ordering::SeqCst) {
                    turns.fetch_add(1, Ordering::SeqCst);
                }
            };
            let answer = |_: usize| asking.store(false, Ordering::SeqCst);
            // when one side closes, the connection is over for both
            tokio::select! {
                () = pass(from_client, to_server, number, held.subscribe(), ask) => {}
                () = pass(from_server, to_client, number, held.subscribe(), answer) => {}
            }
        });
    }
}

/// Passes on what comes, until the connection ends or is held.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    mut held: watch::Receiver<u64>,
    passed: impl Fn(usize),
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let hold = async { drop(held.wait_for(|held| number <= *held).await) };
        let read = tokio::select! {
            biased;
            () = hold => None,
            read = from.read(&mut buffer) => Some(read),
        };
        let Some(read) = read else {
            // as long as the proxy lives
            return std::future::pending().await;
        };
        match read {
            Ok(count @ 1..) => {
                passed(count);
                if to.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}
