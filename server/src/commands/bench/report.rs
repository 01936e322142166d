//! What is told of a load.

use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::Arguments;
use super::load::Measured;
use crate::commands::output::{self, Format, grouped, table};

const PERCENTILES: [(&str, f64); 5] =
    [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99_9", 99.9), ("p99_99", 99.99)];

pub(super) fn print(measured: &Measured, arguments: &Arguments) -> io::Result<()> {
    match arguments.format {
        Format::Json => writeln!(io::stdout(), "{}", as_json(measured, arguments)),
        Format::Table => print_table(measured),
    }
}

fn print_table(measured: &Measured) -> io::Result<()> {
    let mut table =
        table(&["CALL", "CALLS", "CALLS/S", "P50", "P90", "P99", "P99.9", "P99.99", "MAX"]);
    for (call, times) in &measured.times {
        let calls = times.len();
        let mut row = vec![call.word().to_owned(), grouped(calls), rate(calls, measured.elapsed)];
        row.extend(PERCENTILES.map(|(_, percent)| shown(times.value_at_percentile(percent))));
        row.push(shown(times.max()));
        table.add_row(row);
    }
    output::print(&table)?;
    for (reason, count) in &measured.failures {
        writeln!(io::stdout(), "{} calls failed: {reason}", grouped(*count))?;
    }
    Ok(())
}

fn as_json(measured: &Measured, arguments: &Arguments) -> Value {
    let calls: u64 = measured.times.values().map(Histogram::len).sum();
    let seconds = measured.elapsed.as_secs_f64();
    let by_call: Map<String, Value> = measured
        .times
        .iter()
        .map(|(call, times)| (call.word().to_owned(), of_call(times, seconds)))
        .collect();
    json!({
        "seconds": seconds,
        "connections": arguments.connections,
        "concurrency": arguments.concurrency,
        "value_size": arguments.value_size,
        "keys": arguments.keys,
        "batch": arguments.batch,
        "calls": calls,
        "calls_per_second": per_second(calls, seconds),
        "by_call": by_call,
        "failures": measured.failures,
    })
}

fn of_call(times: &Histogram<u64>, seconds: f64) -> Value {
    let mut latency: Map<String, Value> = PERCENTILES
        .map(|(name, percent)| (name.to_owned(), micros(times.value_at_percentile(percent))))
        .into_iter()
        .collect();
    latency.insert("max".to_owned(), micros(times.max()));
    json!({
        "calls": times.len(),
        "calls_per_second": per_second(times.len(), seconds),
        "latency_us": latency,
    })
}

fn micros(nanos: u64) -> Value {
    json!(nanos / 1000)
}

fn per_second(calls: u64, seconds: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 calls")]
    let calls = calls as f64;
    (calls / seconds).round()
}

fn rate(calls: u64, time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    grouped(calls.saturating_mul(1000) / millis)
}

fn shown(nanos: u64) -> String {
    format!("{:.3?}", Duration::from_nanos(nanos))
}
