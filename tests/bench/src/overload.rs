//! What becomes of the calls that are accepted when more come than the server can take.
//!
//! A Disk store, whose calls wait for the disk, so that they are in flight together. First
//! as many callers as the server takes calls at the same time (`concurrent_calls_max`), each
//! of whom calls again when it is answered: what the server can do. Then twice as many
//! calls a second as that, whether answered or not: those over the limit must be refused,
//! cheaply, and those that are accepted must take no longer than before.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::Result;
use crate::args::Overload;
use crate::connection::{Connection, Refused};
use crate::cpus::Cpus;
use crate::dataset::{Dataset, PUT_COLLECTION, STORE, value};
use crate::load::WARM_UP;
use crate::process::{self, Server};
use crate::statistics::{Spread, percentile};
use crate::{calls, wire};

/// Calls that the server takes at the same time.
const CALLS_MAX: usize = 128;
const CONNECTIONS: usize = 8;
/// How often the callers who don't wait call.
const TICK: Duration = Duration::from_millis(1);
/// How long the server has nothing to do before it is measured: the overload before is over.
const REST: Duration = Duration::from_millis(500);
/// How long the last calls may take.
const LAST_ANSWER: Duration = Duration::from_secs(10);

/// What calls took, in nanoseconds.
#[derive(Default)]
struct Outcome {
    accepted: Vec<u32>,
    refused: Vec<u32>,
}

impl Outcome {
    fn note(&mut self, (accepted, took): (bool, u32)) {
        if accepted { &mut self.accepted } else { &mut self.refused }.push(took);
    }

    fn sorted(mut self) -> Self {
        self.accepted.sort_unstable();
        self.refused.sort_unstable();
        self
    }
}

/// Measures and prints.
pub(crate) fn run(args: &Overload) -> Result<()> {
    let cpus = Cpus::split();
    let program = process::find_kvgate(args.server.as_ref())?;
    let directory = tempfile::tempdir()?;
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[server.limits]\nconcurrent_calls_max = {CALLS_MAX}\n\
         [stores.{STORE}]\ntype = \"disk\"\ndirectory = '{}'\n",
        directory.path().join("data").display()
    );
    let server = Server::start_kvgate(&program, &config, &cpus)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}\n{CALLS_MAX} calls at the same time, Put of a Disk store\n", cpus.describe());
    let (mut p50, mut p99, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let (dataset, duration) = (Dataset::new(), Duration::from_secs(args.seconds));
    for round in 1..=args.rounds {
        std::thread::sleep(REST);
        let full = runtime.block_on(closed(&server, dataset, duration))?.sorted();
        if !full.refused.is_empty() {
            return Err("the server refused calls that it can take at the same time".into());
        }
        let capacity = rate(full.accepted.len(), duration);
        let over = runtime.block_on(open(&server, dataset, 2.0 * capacity, duration))?.sorted();
        let accepted = rate(over.accepted.len(), duration);
        let figure = |took: &[u32], percent| {
            percentile(took, percent).map(|nanoseconds| f64::from(nanoseconds) / 1e6)
        };
        let nothing = "no call was accepted or none refused: nothing to compare";
        let [full_50, full_99] = [50, 99].map(|percent| figure(&full.accepted, percent));
        let [over_50, over_99] = [50, 99].map(|percent| figure(&over.accepted, percent));
        let refused_99 = figure(&over.refused, 99).ok_or(nothing)?;
        let (full_50, full_99) = full_50.zip(full_99).ok_or(nothing)?;
        let (over_50, over_99) = over_50.zip(over_99).ok_or(nothing)?;
        println!(
            "round {round}: full {capacity:.0} calls/s, p50 {full_50:.2} ms, p99 {full_99:.2} ms; \
             offered twice that: accepted {accepted:.0} calls/s, p50 {over_50:.2} ms, p99 \
             {over_99:.2} ms, refused {:.0} calls/s, p99 {refused_99:.2} ms",
            rate(over.refused.len(), duration),
        );
        p50.push(over_50 / full_50);
        p99.push(over_99 / full_99);
        rates.push(accepted / capacity);
    }
    let line = |name: &str, ratios: Vec<f64>| {
        Spread::of(ratios).map_or_else(String::new, |spread| {
            let Spread { lowest, median, highest } = spread;
            format!("{name} {median:.2} ({lowest:.2} to {highest:.2})")
        })
    };
    println!(
        "\ntwice the load against the load it can take, accepted calls: {}; {}; {}",
        line("calls/s", rates),
        line("p50", p50),
        line("p99", p99)
    );
    Ok(())
}

/// Each caller calls again when it is answered.
async fn closed(server: &Server, dataset: Dataset, duration: Duration) -> Result<Outcome> {
    let connections = connect(server).await?;
    let from = Instant::now() + WARM_UP;
    let mut callers = JoinSet::new();
    for caller in 0..CALLS_MAX {
        let connection = connections[caller % CONNECTIONS].clone();
        callers.spawn(async move {
            let mut outcome = Outcome::default();
            for key in dataset.walk(caller) {
                let begun = Instant::now();
                let answer = put(connection.clone(), key.clone()).await?;
                if begun >= from + duration {
                    break;
                }
                if begun >= from {
                    outcome.note(answer);
                }
            }
            Result::Ok(outcome)
        });
    }
    let mut all = Outcome::default();
    while let Some(caller) = callers.join_next().await {
        let outcome = caller??;
        all.accepted.extend(outcome.accepted);
        all.refused.extend(outcome.refused);
    }
    Ok(all)
}

/// So many calls a second, whether they are answered or not.
async fn open(
    server: &Server,
    dataset: Dataset,
    per_second: f64,
    duration: Duration,
) -> Result<Outcome> {
    let connections = connect(server).await?;
    let keys = dataset.keys();
    let begun = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut calls, mut made, mut outcome) = (JoinSet::new(), 0, Outcome::default());
    while begun.elapsed() < WARM_UP + duration {
        ticks.tick().await;
        while made < due(begun.elapsed(), per_second) {
            let connection = connections[made % CONNECTIONS].clone();
            let key = keys[made % keys.len()].clone();
            let counts = begun.elapsed() >= WARM_UP;
            calls.spawn(async move { Result::Ok((counts, put(connection, key).await?)) });
            made += 1;
        }
        while let Some(call) = calls.try_join_next() {
            let (counts, answer) = call??;
            if counts {
                outcome.note(answer);
            }
        }
    }
    let rest = async {
        while let Some(call) = calls.join_next().await {
            let (counts, answer) = call??;
            if counts {
                outcome.note(answer);
            }
        }
        Result::Ok(())
    };
    timeout(LAST_ANSWER, rest).await.map_err(|_| "the last calls are not answered")??;
    Ok(outcome)
}

async fn connect(server: &Server) -> Result<Vec<Connection>> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(server.address).await?);
    }
    Ok(connections)
}

/// Whether it was accepted, and what it took.
async fn put(mut connection: Connection, key: Bytes) -> Result<(bool, u32)> {
    let request = wire::PutRequest {
        store: Bytes::from_static(STORE.as_bytes()),
        collection: Bytes::from_static(PUT_COLLECTION.as_bytes()),
        key,
        value: value(),
    };
    let begun = Instant::now();
    let answer = connection.unary::<wire::PutResponse>(calls::PUT, &request).await;
    let took = u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX);
    match answer {
        Ok(wire::PutResponse {}) => Ok((true, took)),
        Err(error) if error.is::<Refused>() => Ok((false, took)),
        Err(error) => Err(error),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below 2^53")]
fn due(elapsed: Duration, per_second: f64) -> usize {
    (elapsed.as_secs_f64() * per_second) as usize
}

#[expect(clippy::cast_precision_loss, reason = "what is counted stays far below 2^53")]
fn rate(calls: usize, duration: Duration) -> f64 {
    calls as f64 / duration.as_secs_f64()
}
