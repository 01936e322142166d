//! Figures of calls, named as OpenTelemetry's conventions for RPC name them.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntGauge, IntGaugeVec, Opts, Registry};
use tonic::Code;

use super::BUCKETS;
use crate::layers::Method;
use crate::router::STREAMS;

/// Every gRPC code, in order.
pub(crate) const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// How long calls took, by method, store and code; the count of each is how many there were.
///
/// No label can be made up by a caller: methods and codes are fixed, stores configured.
pub(crate) struct CallMetrics {
    stores: Vec<String>,
    seconds: HistogramVec,
    /// Each combination is looked up once, when it first occurs.
    found: Vec<OnceLock<Histogram>>,
    /// The streams that are open, each with its method.
    streams_open: [(Method, IntGauge); STREAMS.len()],
}

impl CallMetrics {
    /// `stores` are the names of the stores, in the order of their places.
    pub(crate) fn new(registry: &Registry, stores: Vec<String>) -> prometheus::Result<Self> {
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "rpc_server_call_duration_seconds",
                "How long gRPC calls took, from their headers to their end",
            )
            .const_label("rpc_system_name", "grpc")
            .buckets(BUCKETS.to_vec()),
            &["rpc_method", "rpc_response_status_code", "kvgate_store"],
        )?;
        registry.register(Box::new(seconds.clone()))?;
        let combinations = (stores.len() + 1) * Method::COUNT * CODES.len();
        let found = (0..combinations).map(|_| OnceLock::new()).collect();
        let streams_open = Opts::new("kvgate_streams_open", "gRPC streams being answered");
        let streams_open = IntGaugeVec::new(streams_open, &["rpc_method"])?;
        registry.register(Box::new(streams_open.clone()))?;
        let streams_open = STREAMS.map(Method::of).map(|method| {
            let open = streams_open.with_label_values(&[method.name()]);
            (method, open)
        });
        Ok(Self { stores, seconds, found, streams_open })
    }

    /// The name of a store, by its place; nothing for a call that named none.
    pub(crate) fn store(&self, index: Option<usize>) -> &str {
        index.and_then(|index| self.stores.get(index)).map_or("", String::as_str)
    }

    fn streams_open(&self, method: Method) -> Option<&IntGauge> {
        self.streams_open.iter().find(|(of, _)| *of == method).map(|(_, open)| open)
    }

    /// Counts a call that is open from now on, if it is a stream.
    pub(crate) fn begun(&self, method: Method) {
        if let Some(open) = self.streams_open(method) {
            open.inc();
        }
    }

    /// Counts a call that has ended.
    pub(crate) fn ended(&self, method: Method, store: Option<usize>, code: Code, took: Duration) {
        if let Some(open) = self.streams_open(method) {
            open.dec();
        }
        let store_place = store.map_or(0, |index| index + 1);
        let place = (store_place * Method::COUNT + method.place()) * CODES.len() + code as usize;
        let look_up = || {
            let labels = [method.name(), CODES[code as usize], self.store(store)];
            self.seconds.with_label_values(&labels)
        };
        if let Some(found) = self.found.get(place) {
            found.get_or_init(look_up).observe(took.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_in_their_order() {
        for (index, name) in CODES.iter().enumerate() {
            let code = Code::from(i32::try_from(index).expect("a few"));
            assert_eq!(format!("{code:?}").to_uppercase(), name.replace('_', ""));
        }
    }
}
