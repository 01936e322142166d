//! What is counted and measured, for whoever asks: `/metrics` and a collector.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use crate::health::Health;
use crate::layers::Load;

/// All figures: those that are counted, and those that are read when somebody asks.
pub(crate) struct Figures {
    registry: Registry,
    load: Arc<Load>,
    open: Arc<AtomicUsize>,
    calls_in_flight: IntGauge,
    calls_in_flight_max: IntGauge,
    connections_open: IntGauge,
    health: Arc<Health>,
    store_up: IntGaugeVec,
}

impl Figures {
    pub(crate) fn new(
        registry: Registry,
        load: Arc<Load>,
        open: Arc<AtomicUsize>,
        health: Arc<Health>,
    ) -> prometheus::Result<Self> {
        let calls_in_flight = IntGauge::new("kvgate_calls_in_flight", "gRPC calls being answered")?;
        let help = "gRPC calls that may be answered at the same time now";
        let calls_in_flight_max = IntGauge::new("kvgate_calls_in_flight_max", help)?;
        let connections_open = IntGauge::new("kvgate_connections_open", "gRPC connections")?;
        registry.register(Box::new(calls_in_flight.clone()))?;
        registry.register(Box::new(calls_in_flight_max.clone()))?;
        registry.register(Box::new(connections_open.clone()))?;
        let store_up = Opts::new("kvgate_store_up", "Whether the store answered its last check");
        let store_up = IntGaugeVec::new(store_up, &["kvgate_store"])?;
        registry.register(Box::new(store_up.clone()))?;
        let build = Opts::new("kvgate_build_info", "The version of the server; always 1")
            .const_label("version", env!("CARGO_PKG_VERSION"));
        let build = IntGauge::with_opts(build)?;
        build.set(1);
        registry.register(Box::new(build))?;
        #[cfg(target_os = "linux")]
        {
            let process = prometheus::process_collector::ProcessCollector::for_self();
            registry.register(Box::new(process))?;
        }
        Ok(Self {
            registry,
            load,
            open,
            calls_in_flight,
            calls_in_flight_max,
            connections_open,
            health,
            store_up,
        })
    }

    /// Reads them.
    pub(crate) fn gather(&self) -> Vec<MetricFamily> {
        let gauge = |figure: usize| i64::try_from(figure).unwrap_or(i64::MAX);
        self.calls_in_flight.set(gauge(self.load.in_flight()));
        self.calls_in_flight_max.set(gauge(self.load.bound()));
        self.connections_open.set(gauge(self.open.load(Ordering::Relaxed)));
        for (store, up) in self.health.stores() {
            self.store_up.with_label_values(&[store]).set(i64::from(up));
        }
        self.registry.gather()
    }
}
