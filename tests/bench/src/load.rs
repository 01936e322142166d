//! Drives one server and counts what it answers.
//!
//! One thread with a current-thread runtime for each CPU of the load
//! generator's; the connections are dealt out among the threads. Each call in
//! flight is a task that calls again as soon as it is answered.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;

use crate::Result;
use crate::args::{Operation, Shape};
use crate::calls;
use crate::connection::Connection;
use crate::cpus::Cpus;
use crate::dataset::Dataset;
use crate::process::Server;
use crate::statistics::percentile;

/// Calls before the measuring begins: connections are made, caches filled.
pub(crate) const WARM_UP: Duration = Duration::from_millis(500);
/// How long calls in flight may take to end after the measuring.
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// What is measured, other than on which server.
#[derive(Clone, Copy)]
pub(crate) struct Benchmark {
    pub(crate) operation: Operation,
    pub(crate) shape: Shape,
    pub(crate) duration: Duration,
    pub(crate) dataset: Dataset,
}

/// What one side did in one round. A unit is a call, or an entry of a stream.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) units_per_second: f64,
    /// Of a whole call, streams included.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) server_cpu_us_per_unit: f64,
    /// The part of its CPUs that the server used.
    pub(crate) server_busy: f64,
}

/// The time that counts: what ends before or after is not measured.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

/// What was answered within the window.
#[derive(Default)]
pub(crate) struct Samples {
    pub(crate) units: usize,
    /// In nanoseconds; a call of more than 4.29 s counts as one of that.
    pub(crate) latencies: Vec<u32>,
}

impl Samples {
    /// Notes a call that ends now, if it counts. False once the window is over.
    pub(crate) fn note_call(&mut self, begun: Instant, units: usize, window: Window) -> bool {
        let now = Instant::now();
        if window.counts(now) {
            let nanoseconds = now.duration_since(begun).as_nanos();
            self.latencies.push(u32::try_from(nanoseconds).unwrap_or(u32::MAX));
            self.units += units;
        }
        now < window.until
    }

    fn merge(&mut self, other: Self) {
        self.units += other.units;
        self.latencies.extend(other.latencies);
    }
}

impl Window {
    pub(crate) fn counts(&self, now: Instant) -> bool {
        self.from <= now && now < self.until
    }
}

/// Drives `server` and returns what came of it. A wrong answer is an error.
pub(crate) fn measure(server: &Server, benchmark: Benchmark, cpus: &Cpus) -> Result<Figures> {
    let from = Instant::now() + WARM_UP;
    let window = Window { from, until: from + benchmark.duration };
    let (busy, samples) = thread::scope(|scope| {
        let threads: Vec<_> = (0..cpus.load_count().min(benchmark.shape.connections))
            .map(|first| {
                let mine = (first..benchmark.shape.connections).step_by(cpus.load_count());
                scope.spawn(move || drive(server, mine.collect(), benchmark, window))
            })
            .collect();
        let busy = cpus_used(server, window);
        let mut samples = Samples::default();
        for thread in threads {
            samples.merge(thread.join().map_err(|_| "a thread of the load generator panicked")??);
        }
        Result::Ok((busy?, samples))
    })
    .map_err(|error| format!("{}, {}: {error}", server.name, benchmark.operation))?;
    figures(samples, busy, benchmark.duration, cpus)
        .ok_or_else(|| format!("{} answered nothing in time", server.name).into())
}

/// How many CPUs the server keeps busy during the window.
fn cpus_used(server: &Server, window: Window) -> Result<f64> {
    thread::sleep(window.from.saturating_duration_since(Instant::now()));
    let (begun, before) = (Instant::now(), server.cpu_time()?);
    thread::sleep(window.until.saturating_duration_since(Instant::now()));
    let (used, elapsed) = (server.cpu_time()?.saturating_sub(before), begun.elapsed());
    Ok(used.as_secs_f64() / elapsed.as_secs_f64())
}

fn drive(
    server: &Server,
    connections: Vec<usize>,
    benchmark: Benchmark,
    window: Window,
) -> Result<Samples> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut callers = JoinSet::new();
        for number in connections {
            let connection = Connection::open(server.address).await?;
            for call in 0..benchmark.shape.calls {
                let caller = number * benchmark.shape.calls + call;
                callers.spawn(call_on(connection.clone(), benchmark, caller, window));
            }
        }
        let last = tokio::time::Instant::from_std(window.until + LAST_ANSWER);
        tokio::time::timeout_at(last, collect(callers))
            .await
            .map_err(|_| format!("no answer for {} s", LAST_ANSWER.as_secs()))?
    })
}

async fn call_on(
    connection: Connection,
    benchmark: Benchmark,
    caller: usize,
    window: Window,
) -> Result<Samples> {
    let dataset = benchmark.dataset;
    match benchmark.operation {
        Operation::Get => calls::get(connection, dataset, caller, window).await,
        Operation::Put => calls::put(connection, dataset, caller, window).await,
        Operation::Stream => calls::stream(connection, dataset, window).await,
    }
}

async fn collect(mut callers: JoinSet<Result<Samples>>) -> Result<Samples> {
    let mut samples = Samples::default();
    while let Some(caller) = callers.join_next().await {
        samples.merge(caller??);
    }
    Ok(samples)
}

fn figures(
    mut samples: Samples,
    cpus_used: f64,
    duration: Duration,
    cpus: &Cpus,
) -> Option<Figures> {
    samples.latencies.sort_unstable();
    let microseconds = |percent| Some(f64::from(percentile(&samples.latencies, percent)?) / 1e3);
    let units_per_second = count(samples.units) / duration.as_secs_f64();
    Some(Figures {
        units_per_second,
        p50_us: microseconds(50)?,
        p99_us: microseconds(99)?,
        server_cpu_us_per_unit: cpus_used * 1e6 / units_per_second,
        server_busy: cpus_used / count(cpus.server_count()),
    })
}

#[expect(clippy::cast_precision_loss, reason = "what is counted stays far below 2^53")]
fn count(units: usize) -> f64 {
    units as f64
}
