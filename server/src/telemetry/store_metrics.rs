//! Figures of what stores do, named as OpenTelemetry's conventions for databases name them.

use std::sync::OnceLock;
use std::time::Duration;

use kvgate_core::Operation;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

use super::BUCKETS;

/// Figures of all stores.
pub(crate) struct StoreMetrics {
    seconds: HistogramVec,
    hits: IntCounterVec,
    misses: IntCounterVec,
    written: IntCounterVec,
    deleted: IntCounterVec,
    bytes_read: IntCounterVec,
    bytes_written: IntCounterVec,
}

impl StoreMetrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "db_client_operation_duration_seconds",
                "How long a store's backend took for an operation, by what kept it from working",
            )
            .buckets(BUCKETS.to_vec()),
            &["db_system_name", "kvgate_store", "db_operation_name", "error_type"],
        )?;
        registry.register(Box::new(seconds.clone()))?;
        let counter = |name, help| {
            let counter = IntCounterVec::new(Opts::new(name, help), &["kvgate_store"])?;
            registry.register(Box::new(counter.clone()))?;
            prometheus::Result::Ok(counter)
        };
        Ok(Self {
            seconds,
            hits: counter("kvgate_hits_total", "Keys that were read and had an entry")?,
            misses: counter("kvgate_misses_total", "Keys that were read and had no entry")?,
            written: counter("kvgate_entries_written_total", "Entries that were stored")?,
            deleted: counter("kvgate_entries_deleted_total", "Entries that were deleted")?,
            bytes_read: counter("kvgate_value_read_bytes_total", "Bytes of values that were read")?,
            bytes_written: counter(
                "kvgate_value_written_bytes_total",
                "Bytes of values that were stored",
            )?,
        })
    }

    /// The figures of one store of the type `system`.
    pub(crate) fn of(&self, system: &str, store: &str) -> OneStore {
        let of = |counter: &IntCounterVec| counter.with_label_values(&[store]);
        OneStore {
            system: system.to_owned(),
            store: store.to_owned(),
            seconds: self.seconds.clone(),
            fine: std::array::from_fn(|_| OnceLock::new()),
            hits: of(&self.hits),
            misses: of(&self.misses),
            written: of(&self.written),
            deleted: of(&self.deleted),
            bytes_read: of(&self.bytes_read),
            bytes_written: of(&self.bytes_written),
        }
    }
}

/// Figures of one store.
pub(crate) struct OneStore {
    system: String,
    store: String,
    seconds: HistogramVec,
    /// Those of operations that worked: each is looked up once.
    fine: [OnceLock<Histogram>; Operation::COUNT],
    pub(super) hits: IntCounter,
    pub(super) misses: IntCounter,
    pub(super) written: IntCounter,
    pub(super) deleted: IntCounter,
    pub(super) bytes_read: IntCounter,
    pub(super) bytes_written: IntCounter,
}

impl OneStore {
    /// Counts an operation; `error` is what kept it from working, if anything did.
    pub(super) fn ended(&self, operation: Operation, error: Option<&str>, took: Duration) {
        let look_up = |error: &str| {
            let labels = [&self.system, &self.store, operation.word(), error];
            self.seconds.with_label_values(&labels)
        };
        let histogram = match error {
            None => self.fine[operation as usize].get_or_init(|| look_up("")),
            Some(error) => &look_up(error),
        };
        histogram.observe(took.as_secs_f64());
    }
}
