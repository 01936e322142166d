//! `kvgate serve`: starts everything, waits for a signal, stops everything.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;
use kvgate_core::{Error, Kind, SystemClock};
use prometheus::Registry;

use crate::config::Config;
use crate::health::Health;
use crate::layers::{self, CallMetrics, Load};
use crate::router::Router;
use crate::server::{self, Stop, Workers};
use crate::service::Service;
use crate::signals::Signals;
use crate::topology::Topology;
use crate::{admin, telemetry};

/// Serves the configured stores until a signal asks to stop.
pub(crate) fn serve(mut config: Config, insecure: bool) -> anyhow::Result<()> {
    refuse_exposure(config.server.listen, insecure)?;
    telemetry::start(&config.server.log)?;
    let listener = bind("server.listen", config.server.listen)?;
    let admin = match config.server.admin_listen {
        Some(address) => Some(bind("server.admin_listen", address)?),
        None => None,
    };
    let stores = std::mem::take(&mut config.stores);
    let clock = Arc::new(SystemClock);
    let topology = Topology::open(stores, config.default_store.clone(), clock)?;
    let running = Running::start(config, &Arc::new(topology))?;

    // the acceptor, the signals and the health checks share this thread
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = runtime.block_on(running.run(listener, admin));
    runtime.shutdown_background();
    stopped
}

/// Whoever reaches the listener may do everything: it must not be reached by mistake.
fn refuse_exposure(listen: SocketAddr, insecure: bool) -> Result<(), Error> {
    if insecure || listen.ip().is_loopback() {
        return Ok(());
    }
    let message = format!(
        "server.listen is {listen}, which other machines can reach, and there is no TLS or \
         authentication: listen on 127.0.0.1, or say --insecure if the network keeps others out"
    );
    Err(Error::new(Kind::Misconfigured, message))
}

fn bind(field: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    server::bind(address)
        .with_context(|| format!("can't listen on {address}: choose another address in {field}"))
}

/// A server whose runtimes have started.
struct Running {
    config: Config,
    health: Arc<Health>,
    load: Arc<Load>,
    registry: Registry,
    stop: Stop,
    workers: Workers,
}

impl Running {
    fn start(config: Config, topology: &Arc<Topology>) -> anyhow::Result<Self> {
        let stop = Stop::default();
        let limits = &config.server.limits;
        let registry = Registry::new();
        let metrics = Arc::new(CallMetrics::new(&registry)?);
        let load = Arc::new(Load::new(limits.concurrent_calls_max));
        let health = Arc::new(Health::new(Arc::clone(topology), config.server.health_interval));
        let threads = match config.server.runtime_threads {
            Some(threads) => threads,
            None => available_parallelism()?,
        };
        let workers = Workers::start(threads.get(), limits, &stop, || {
            let service = Service::new(Arc::clone(topology), limits.clone());
            let stopping = stop.gently.clone();
            let router =
                Router::new(service, health.reporter(), stopping, limits.message_bytes_max);
            layers::stack(router, &metrics, &load, limits.message_bytes_max)
        })?;
        Ok(Self { config, health, load, registry, stop, workers })
    }

    async fn run(self, listener: TcpListener, admin: Option<TcpListener>) -> anyhow::Result<()> {
        let mut signals = Signals::new()?;
        if let Some(admin) = admin {
            let open = self.workers.open();
            let figures = admin::Figures::new(&self.registry, Arc::clone(&self.load), open)?;
            let served =
                admin::Admin::new(self.registry.clone(), figures, Arc::clone(&self.health));
            let address = admin.local_addr()?;
            tokio::spawn(served.serve(tokio::net::TcpListener::from_std(admin)?));
            tracing::info!(%address, "admin listener serves /metrics, /healthz and /readyz");
        }
        self.health.begin().await;
        let health = Arc::clone(&self.health);
        tokio::spawn(async move { health.watch().await });
        announce(listener.local_addr()?)?;

        let connections_max = self.config.server.limits.connections_max;
        let accepting = self.workers.accept(listener, connections_max, &self.stop);
        tokio::select! {
            ended = accepting => ended.context("accepting connections")?,
            signal = signals.next() => tracing::info!(signal, "stopping: a second signal ends at once"),
        }
        self.drain(&mut signals).await
    }

    /// Lets the calls in flight end, for a bounded time.
    async fn drain(self, signals: &mut Signals) -> anyhow::Result<()> {
        self.health.end().await;
        self.stop.gently.cancel();
        let drain_timeout = self.config.server.drain_timeout;
        let workers = self.workers;
        let mut ended = tokio::task::spawn_blocking(move || workers.join());
        let cut = tokio::select! {
            ended = &mut ended => {
                ended.context("waiting for the runtimes")?;
                tracing::info!("stopped: all calls have ended");
                return Ok(());
            }
            () = tokio::time::sleep(drain_timeout) => {
                format!("{drain_timeout:?} (server.drain_timeout) have passed")
            },
            signal = signals.next() => format!("a second signal came, {signal}"),
        };
        let calls = self.load.in_flight();
        tracing::warn!(calls, "stopped: {cut}, calls in flight are cut off");
        self.stop.at_once.cancel();
        // what still runs is cut: only a thread that is stuck could take long
        drop(tokio::time::timeout(Duration::from_secs(1), ended).await);
        Ok(())
    }
}

/// Tells a person, and whoever started the server, where it listens.
fn announce(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "kvgate listening on {address}")?;
    out.flush()
}
