//! `kvgate serve`: starts everything, waits for a signal, stops everything.

use std::io::{self, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;
use futures::stream::{FuturesUnordered, StreamExt};
use kvgate_core::{Error, Kind, SystemClock};
use prometheus::Registry;

use crate::admin;
use crate::config::{ClientCertificates, Config, Listen, Server};
use crate::edge::Edge;
use crate::figures::Figures;
use crate::health::Health;
use crate::layers::{self, Load, Rate};
use crate::reload;
use crate::router::Router;
use crate::server::{self, Listener, Stop, Workers};
use crate::service::Service;
use crate::signals::{Hangups, Signals};
use crate::telemetry::{self, CallMetrics, FigureSender, Measured, Spans, StoreMetrics};
use crate::topology::Topology;

/// Serves the configured stores until a signal asks to stop.
pub(crate) fn serve(mut config: Config, insecure: bool) -> anyhow::Result<()> {
    refuse_exposure(&config.server, insecure)?;
    telemetry::start_logs(&config.server.log)?;
    warn_of_exposure(&config.server);
    let edge = Edge::open(&config.server)?;
    let listener = Listener::bind(&config.server.listen, config.server.socket_mode)
        .with_context(|| unusable(&config.server.listen, "server.listen"))?;
    let admin = match config.server.admin_listen {
        Some(address) => Some(
            server::bind_tcp(address)
                .with_context(|| unusable(&Listen::Tcp(address), "server.admin_listen"))?,
        ),
        None => None,
    };
    let stores = std::mem::take(&mut config.stores);
    let clock = Arc::new(SystemClock);
    let registry = Registry::new();
    let spans = config.server.tracing.as_ref().map(Spans::open).transpose()?.map(Arc::new);
    let metrics = StoreMetrics::new(&registry)?;
    let topology =
        Topology::open(stores, config.default_store.clone(), clock, |store, name, store_type| {
            let spans = spans.clone();
            Arc::new(Measured::new(store, name, store_type.word, &metrics, spans))
        })?;
    let running = Running::start(config, edge, &Arc::new(topology), registry, spans.as_ref())?;

    // the acceptor, the signals and the health checks share this thread
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = runtime.block_on(running.run(listener, admin));
    runtime.shutdown_background();
    if let Some(spans) = spans {
        spans.finish();
    }
    stopped
}

/// Whoever reaches a listener without TLS or authentication may do everything: it must not
/// be reached by mistake.
fn refuse_exposure(server: &Server, insecure: bool) -> Result<(), Error> {
    let listen = &server.listen;
    let guarded = server.tls.is_some() || server.authentication.is_some();
    if insecure || listen.is_local() || guarded {
        return Ok(());
    }
    let message = format!(
        "server.listen is {listen}, which other machines can reach, and there is no TLS or \
         authentication: configure server.tls or server.authentication, listen on 127.0.0.1, or \
         say --insecure if the network keeps others out"
    );
    Err(Error::new(Kind::Misconfigured, message))
}

/// Says what whoever can connect may do or see.
fn warn_of_exposure(server: &Server) {
    if server.listen.is_local() {
        return;
    }
    let certificates = server.tls.as_ref().is_some_and(|tls| {
        tls.client_ca_file.is_some() && tls.client_certificates == ClientCertificates::Required
    });
    if server.authentication.is_none() && !certificates {
        tracing::warn!("whoever can connect may do everything: there is no server.authentication");
    }
    if server.tls.is_none() {
        tracing::warn!("tokens and values can be read on the network: there is no server.tls");
    }
}

fn unusable(listen: &Listen, field: &str) -> String {
    format!("can't listen on {listen}: choose another address in {field}")
}

/// A server whose runtimes have started.
struct Running {
    config: Config,
    edge: Edge,
    health: Arc<Health>,
    load: Arc<Load>,
    registry: Registry,
    stop: Stop,
    workers: Workers,
}

impl Running {
    fn start(
        config: Config,
        edge: Edge,
        topology: &Arc<Topology>,
        registry: Registry,
        spans: Option<&Arc<Spans>>,
    ) -> anyhow::Result<Self> {
        let stop = Stop::default();
        let limits = &config.server.limits;
        let stores = topology.stores().map(|served| served.name.clone()).collect();
        let metrics = Arc::new(CallMetrics::new(&registry, stores)?);
        let load = Arc::new(Load::new(limits.concurrent_calls_max));
        let rate = Rate::new(limits).map(Arc::new);
        let health = Arc::new(Health::new(Arc::clone(topology), config.server.health_interval));
        let threads = match config.server.runtime_threads {
            Some(threads) => threads,
            None => available_parallelism()?,
        };
        let workers = Workers::start(threads.get(), &config.server, &edge, &stop, || {
            let service =
                Service::new(Arc::clone(topology), limits.clone(), edge.authentication.is_some());
            let stopping = stop.gently.clone();
            let router = Router::new(
                service,
                health.reporter(),
                stopping,
                limits.message_bytes_max,
                &config.server.compression,
            );
            let authentication = edge.authentication.as_ref();
            layers::stack(
                router,
                &metrics,
                spans,
                &load,
                authentication,
                rate.as_ref(),
                limits.message_bytes_max,
            )
        })?;
        Ok(Self { config, edge, health, load, registry, stop, workers })
    }

    async fn run(self, listener: Listener, admin: Option<TcpListener>) -> anyhow::Result<()> {
        let mut signals = Signals::new()?;
        self.keep_up().await?;
        let figures = self.figures()?;
        tokio::spawn(layers::adapt(Arc::clone(&self.load), available_parallelism()?.get()));
        let sender = match &self.config.server.metrics {
            Some(settings) => {
                let sender = Arc::new(FigureSender::open(settings, Arc::clone(&figures))?);
                let sending = Arc::clone(&sender);
                tokio::spawn(async move { sending.run().await });
                Some(sender)
            }
            None => None,
        };
        if let Some(admin) = admin {
            let served = admin::Admin::new(figures, Arc::clone(&self.health));
            let address = admin.local_addr()?;
            tokio::spawn(served.serve(tokio::net::TcpListener::from_std(admin)?));
            tracing::info!(%address, "admin listener serves /metrics, /healthz and /readyz");
        }
        self.health.begin().await;
        let health = Arc::clone(&self.health);
        tokio::spawn(async move { health.watch().await });
        announce(&listener.place()?)?;

        let connections_max = self.config.server.limits.connections_max;
        let accepting = self.workers.accept(listener, connections_max, &self.stop);
        tokio::select! {
            ended = accepting => ended.context("accepting connections")?,
            signal = signals.next() => tracing::info!(signal, "stopping: a second signal ends at once"),
        }
        self.drain(&mut signals).await?;
        if let Some(sender) = sender {
            sender.finish().await;
        }
        Ok(())
    }

    fn figures(&self) -> anyhow::Result<Arc<Figures>> {
        let (load, health) = (Arc::clone(&self.load), Arc::clone(&self.health));
        let figures = Figures::new(self.registry.clone(), load, self.workers.open(), health)?;
        Ok(Arc::new(figures))
    }

    /// Keeps up with files and keys that change.
    async fn keep_up(&self) -> io::Result<()> {
        let interval = self.config.server.reload_interval;
        let reloaded = self.edge.reloaded();
        if !reloaded.is_empty() {
            tokio::spawn(reload::watch(reloaded, interval, Hangups::new()?));
        }
        // keys that can't be fetched now are said to be missing, and asked for again
        let fetching: FuturesUnordered<_> =
            self.edge.issuers().iter().map(|issuer| issuer.keys.refresh()).collect();
        fetching.collect::<Vec<()>>().await;
        for issuer in self.edge.issuers() {
            let (issuer, hangups) = (Arc::clone(issuer), Hangups::new()?);
            tokio::spawn(async move { issuer.keys.watch(interval, hangups).await });
        }
        Ok(())
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
fn announce(place: &Listen) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "kvgate listening on {place}")?;
    out.flush()
}
