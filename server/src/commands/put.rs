//! `kvgate put`.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use kvgate_client::RawJson;

use super::output::duration;
use super::place::Place;

/// Store a JSON object under a key.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The key.
    key: String,
    /// The JSON object; `-` reads it from standard input.
    value: String,
    /// How long the entry lives, such as 90s, 1h 30m, 7d or a number of seconds; for ever
    /// without it.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    ttl: Option<Duration>,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { key, value, ttl, place } = arguments;
    let value = if value == "-" {
        let mut text = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut text);
        read.context("reading the value from standard input")?;
        RawJson::from(text)
    } else {
        RawJson::from(value)
    };
    place.collection()?.put(&key, value).ttl(ttl).await?;
    Ok(ExitCode::SUCCESS)
}
