//! Figures in the form of OTLP, by the names of OpenTelemetry's conventions.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};
use prometheus::proto::{self, LabelPair, MetricFamily, MetricType};

/// What OpenTelemetry calls a figure of ours, and its unit. The rules are those of its
/// specification on compatibility with Prometheus, backwards.
const NAMES: [(&str, &str, &str); 21] = [
    ("db_client_operation_duration_seconds", "db.client.operation.duration", "s"),
    ("kvgate_build_info", "kvgate.build.info", "1"),
    ("kvgate_calls_in_flight", "kvgate.calls.in_flight", "{call}"),
    ("kvgate_calls_in_flight_max", "kvgate.calls.in_flight.max", "{call}"),
    ("kvgate_connections_open", "kvgate.connections.open", "{connection}"),
    ("kvgate_entries_deleted_total", "kvgate.entries.deleted", "{entry}"),
    ("kvgate_entries_written_total", "kvgate.entries.written", "{entry}"),
    ("kvgate_hits_total", "kvgate.hits", "{key}"),
    ("kvgate_misses_total", "kvgate.misses", "{key}"),
    ("kvgate_store_up", "kvgate.store.up", "1"),
    ("kvgate_streams_open", "kvgate.streams.open", "{stream}"),
    ("kvgate_value_read_bytes_total", "kvgate.value.read", "By"),
    ("kvgate_value_written_bytes_total", "kvgate.value.written", "By"),
    ("process_cpu_seconds_total", "process.cpu.time", "s"),
    ("process_max_fds", "process.unix.file_descriptor.limit", "{file_descriptor}"),
    ("process_open_fds", "process.unix.file_descriptor.count", "{file_descriptor}"),
    ("process_resident_memory_bytes", "process.memory.usage", "By"),
    ("process_start_time_seconds", "process.start_time", "s"),
    ("process_threads", "process.thread.count", "{thread}"),
    ("process_virtual_memory_bytes", "process.memory.virtual", "By"),
    ("rpc_server_call_duration_seconds", "rpc.server.call.duration", "s"),
];

/// What OpenTelemetry calls a label of ours.
const LABELS: [(&str, &str); 8] = [
    ("db_operation_name", "db.operation.name"),
    ("db_system_name", "db.system.name"),
    ("error_type", "error.type"),
    ("kvgate_store", "kvgate.store"),
    ("rpc_method", "rpc.method"),
    ("rpc_response_status_code", "rpc.response.status_code"),
    ("rpc_system_name", "rpc.system.name"),
    ("version", "service.version"),
];

/// When figures began to be counted, and when they were read, in nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) begun: u64,
    pub(super) now: u64,
}

/// A family of figures as a metric of OTLP; nothing for kinds that we don't have.
pub(super) fn metric(family: &MetricFamily, span: Span) -> Option<Metric> {
    let known = NAMES.iter().find(|(name, ..)| *name == family.name());
    // one that is not in the table is better seen by its own name than not at all
    let (name, unit) = known.map_or((family.name(), ""), |(_, name, unit)| (*name, *unit));
    let read = family.get_metric().iter();
    let data = match family.get_field_type() {
        MetricType::COUNTER => Data::Sum(Sum {
            data_points: read
                .map(|metric| number(metric, metric.get_counter().get_value(), span))
                .collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        }),
        MetricType::GAUGE => Data::Gauge(Gauge {
            data_points: read
                .map(|metric| number(metric, metric.get_gauge().get_value(), span))
                .collect(),
        }),
        MetricType::HISTOGRAM => Data::Histogram(Histogram {
            data_points: read.map(|metric| histogram(metric, span)).collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        }),
        MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    Some(Metric {
        name: name.to_owned(),
        description: family.help().to_owned(),
        unit: unit.to_owned(),
        metadata: Vec::new(),
        data: Some(data),
    })
}

fn number(metric: &proto::Metric, value: f64, span: Span) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(metric.get_label()),
        start_time_unix_nano: span.begun,
        time_unix_nano: span.now,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn histogram(metric: &proto::Metric, span: Span) -> HistogramDataPoint {
    let histogram = metric.get_histogram();
    let count = histogram.get_sample_count();
    let mut point = HistogramDataPoint {
        attributes: attributes(metric.get_label()),
        start_time_unix_nano: span.begun,
        time_unix_nano: span.now,
        count,
        sum: Some(histogram.get_sample_sum()),
        ..HistogramDataPoint::default()
    };
    // Prometheus counts what is up to each bound, OTLP what is between two of them
    let mut below = 0;
    for bucket in histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite()) {
        point.explicit_bounds.push(bucket.upper_bound());
        point.bucket_counts.push(bucket.cumulative_count().saturating_sub(below));
        below = bucket.cumulative_count();
    }
    point.bucket_counts.push(count.saturating_sub(below));
    point
}

fn attributes(labels: &[LabelPair]) -> Vec<KeyValue> {
    // by the conventions what did not happen has no attribute, where Prometheus needs a label
    let there = labels.iter().filter(|label| !label.value().is_empty());
    there
        .map(|label| {
            let known = LABELS.iter().find(|(name, _)| *name == label.name());
            attribute(known.map_or(label.name(), |(_, name)| name), label.value())
        })
        .collect()
}

/// An attribute that is text.
pub(super) fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use prometheus::{HistogramOpts, HistogramVec, Registry};

    use super::*;

    #[test]
    fn what_is_up_to_each_bound_becomes_what_is_between_two() {
        let registry = Registry::new();
        let opts = HistogramOpts::new("rpc_server_call_duration_seconds", "how long");
        let seconds =
            HistogramVec::new(opts.buckets(vec![1.0, 2.0]), &["rpc_method", "error_type"])
                .expect("a histogram");
        registry.register(Box::new(seconds.clone())).expect("the only one");
        for took in [0.5, 1.0, 1.5, 7.0] {
            seconds.with_label_values(&["Get", ""]).observe(took);
        }
        let metric = metric(&registry.gather()[0], Span { begun: 1, now: 2 }).expect("a histogram");
        assert_eq!((metric.name.as_str(), metric.unit.as_str()), ("rpc.server.call.duration", "s"));
        let Some(Data::Histogram(histogram)) = metric.data else {
            panic!("not a histogram");
        };
        let point = &histogram.data_points[0];
        assert_eq!(point.attributes, [attribute("rpc.method", "Get")]);
        assert_eq!(point.explicit_bounds, [1.0, 2.0]);
        assert_eq!(point.bucket_counts, [2, 1, 1]);
        assert_eq!((point.count, point.sum), (4, Some(10.0)));
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1, 2));
    }
}
