//! Makes the calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use kvgate_client::{Collection, PutEntry, RawJson};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use super::Arguments;
use super::mix::{Call, Mix};
use crate::commands::progress::Progress;

/// How exactly times are kept: to three digits.
const DIGITS: u8 = 3;

/// How often the bar says how far it is.
const TOLD_INTERVAL: Duration = Duration::from_millis(250);

/// What is called, and with what.
pub(super) struct Load {
    here: Collection,
    mix: Mix,
    value: RawJson,
    keys: u64,
    batch: u64,
    concurrency: u32,
    seed: u64,
}

impl Load {
    pub(super) fn new(here: Collection, arguments: &Arguments) -> Self {
        Self {
            here,
            mix: arguments.mix.clone(),
            value: value(arguments.value_size),
            keys: arguments.keys,
            batch: arguments.batch.into(),
            concurrency: arguments.concurrency,
            seed: arguments.seed,
        }
    }
}

/// What came of a load.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) elapsed: Duration,
    /// The times of the calls that succeeded, in nanoseconds.
    pub(super) times: BTreeMap<Call, Histogram<u64>>,
    /// How many calls failed, by reason.
    pub(super) failures: BTreeMap<String, u64>,
}

impl Measured {
    fn add(&mut self, other: Self) -> anyhow::Result<()> {
        for (call, times) in other.times {
            match self.times.get_mut(&call) {
                Some(sum) => sum.add(times)?,
                None => drop(self.times.insert(call, times)),
            }
        }
        for (reason, count) in other.failures {
            *self.failures.entry(reason).or_default() += count;
        }
        Ok(())
    }
}

/// Makes calls for so long.
pub(super) async fn run(
    load: &Arc<Load>,
    time: Duration,
    progress: &Progress,
) -> anyhow::Result<Measured> {
    let begun = Instant::now();
    let end = begun.checked_add(time).context("--duration or --warmup is too long")?;
    let mut callers = JoinSet::new();
    for caller in 0..load.concurrency {
        let load = Arc::clone(load);
        let random = StdRng::seed_from_u64(load.seed.wrapping_add(caller.into()));
        callers.spawn(async move { call_until(&load, end, random).await });
    }
    let mut sum = Measured::default();
    let mut telling = tokio::time::interval(TOLD_INTERVAL);
    loop {
        tokio::select! {
            ended = callers.join_next() => match ended {
                Some(measured) => sum.add(measured??)?,
                None => break,
            },
            _ = telling.tick() => {
                progress.say(format!("{:.0?} of {time:?}", begun.elapsed().min(time)));
            }
        }
    }
    sum.elapsed = begun.elapsed();
    Ok(sum)
}

/// One caller: a call after the other.
async fn call_until(load: &Load, end: Instant, mut random: StdRng) -> anyhow::Result<Measured> {
    let mut measured = Measured::default();
    for call in load.mix.calls() {
        measured.times.insert(call, Histogram::new(DIGITS)?);
    }
    loop {
        let begun = Instant::now();
        if begun >= end {
            return Ok(measured);
        }
        let call = load.mix.pick(random.random_range(0..load.mix.total()));
        let first = random.random_range(0..load.keys);
        let done = make(load, call, first).await;
        let nanos = u64::try_from(begun.elapsed().as_nanos())?;
        match (done, measured.times.get_mut(&call)) {
            (Ok(()), Some(times)) => times.record(nanos)?,
            (Ok(()), None) => {}
            (Err(error), _) => {
                let reason =
                    error.reason().map_or_else(|| format!("{:?}", error.code()), str::to_owned);
                *measured.failures.entry(reason).or_default() += 1;
            }
        }
    }
}

async fn make(load: &Load, call: Call, first: u64) -> kvgate_client::Result<()> {
    let here = &load.here;
    let keys = || (first..first + load.batch).map(|n| key(n % load.keys));
    match call {
        Call::Get => here.get_entry(&key(first)).await.map(drop),
        Call::Put => here.put(&key(first), load.value.clone()).await,
        Call::Delete => here.delete(&key(first)).await.map(drop),
        Call::Ttl => here.ttl(&key(first)).await.map(drop),
        Call::GetMany => here.get_results(keys()).await.map(drop),
        Call::PutMany => {
            here.put_many(keys().map(|key| PutEntry::new(key, load.value.clone()))).await
        }
    }
}

/// The key of a number.
pub(super) fn key(n: u64) -> String {
    format!("bench-{n:012}")
}

/// A value of so many bytes.
pub(super) fn value(bytes: u32) -> RawJson {
    let pad = "x".repeat((bytes as usize).saturating_sub(r#"{"pad":""}"#.len()));
    RawJson::from(format!(r#"{{"pad":"{pad}"}}"#))
}
