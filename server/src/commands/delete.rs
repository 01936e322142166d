//! `kvgate delete`.

use std::process::ExitCode;

use clap::Args;

use super::failure::found;
use super::place::Place;

/// Delete a key.
#[derive(Debug, Args)]
#[command(after_help = "Exit code 3: the key has no entry.")]
pub(crate) struct Arguments {
    /// The key.
    key: String,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    Ok(found(arguments.place.collection()?.delete(&arguments.key).await?))
}
