//! What can be seen of a running server: logs, spans, figures.

mod call_metrics;
mod collector;
mod current;
mod logs;
mod measured;
mod otlp_figures;
mod send_figures;
mod spans;
mod store_metrics;

pub(crate) use self::call_metrics::{CODES, CallMetrics};
pub(crate) use self::current::{note_store, noted_store};
pub(crate) use self::logs::start as start_logs;
pub(crate) use self::measured::Measured;
pub(crate) use self::send_figures::FigureSender;
pub(crate) use self::spans::{Spans, end_call, trace_id};
pub(crate) use self::store_metrics::StoreMetrics;

/// Bounds of latencies in seconds; they resolve 100 µs, where a call to a store in memory
/// or on the same machine lies.
const BUCKETS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_15, 0.000_2, 0.000_3, 0.000_5, 0.000_75, 0.001, 0.002_5, 0.005, 0.01,
    0.05, 0.1, 0.5, 1.0, 10.0,
];
