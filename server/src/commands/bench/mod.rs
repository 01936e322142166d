//! `kvgate bench`: load on a store, and how long its calls take.

mod load;
mod mix;
mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use futures::stream;
use kvgate_client::Collection;

use self::load::{Load, key, value};
use self::mix::Mix;
use super::output::{Format, duration};
use super::place::Store;
use super::progress::Progress;

/// How many keys are removed in one call.
const REMOVED_AT_ONCE: u64 = 1_000;

/// Put load on a store and measure how long its calls take.
///
/// It works in a collection of its own, whose keys it removes at the end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kvgate bench
  kvgate bench --mix get=90,put=10 --connections 8 --concurrency 256 --duration 30s
  kvgate bench --mix put_many=1 --batch 500 --format json | jq .calls_per_second")]
pub(crate) struct Arguments {
    /// What is called how often: weights of `get`, `put`, `delete`, `ttl`, `get_many` and
    /// `put_many`.
    #[arg(long, default_value = "get=80,put=20")]
    mix: Mix,
    /// How many connections share the calls.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    connections: u32,
    /// How many calls are under way at once, over all connections.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    concurrency: u32,
    /// The bytes of a value; at least 10.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..))]
    value_size: u32,
    /// How many keys there are.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// How many keys a call of many has.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// How long to measure.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    duration: Duration,
    /// How long to call before that.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    warmup: Duration,
    /// Makes the same calls again.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The collection.
    #[arg(long, default_value = "kvgate-bench")]
    collection: String,
    /// Leave the entries where they are.
    #[arg(long)]
    keep: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    store: Store,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { connections, collection, keys, .. } = &arguments;
    let connections = usize::try_from(*connections)?;
    let client = arguments.store.server.client(connections)?.with_store(&arguments.store.store);
    let here = client.collection(collection.as_str());
    let progress = Progress::spinning();
    progress.say("storing the keys".to_owned());
    let work = async {
        fill(&here, *keys, arguments.value_size).await.context("storing the keys")?;
        let load = Arc::new(Load::new(here.clone(), &arguments));
        progress.say("warming up".to_owned());
        load::run(&load, arguments.warmup, &progress).await?;
        load::run(&load, arguments.duration, &progress).await
    };
    let measured = tokio::select! {
        measured = work => measured,
        // what was stored is removed all the same
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    progress.say("removing the keys".to_owned());
    let cleared = clear(&here, &arguments).await;
    progress.end();
    // why it failed comes before what could not be removed
    let measured = measured?;
    cleared?;
    report::print(&measured, &arguments)?;
    Ok(ExitCode::SUCCESS)
}

/// Stores every key, so that what is read is there.
async fn fill(here: &Collection, keys: u64, value_size: u32) -> kvgate_client::Result<()> {
    let value = value(value_size);
    let entries = (0..keys).map(move |n| kvgate_client::PutEntry::new(key(n), value.clone()));
    here.stream_put_many(stream::iter(entries)).await.map(|_| ())
}

async fn clear(here: &Collection, arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.keep {
        return Ok(());
    }
    for first in (0..arguments.keys).step_by(usize::try_from(REMOVED_AT_ONCE)?) {
        let keys = (first..arguments.keys.min(first + REMOVED_AT_ONCE)).map(key);
        here.delete_many(keys).await.context("removing the keys")?;
    }
    Ok(())
}
