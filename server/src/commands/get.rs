//! `kvgate get`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::failure::found;
use super::output::{Format, moment_or_dash, print, table};
use super::place::Place;

/// Print the value of a key, letter for letter.
#[derive(Debug, Args)]
#[command(after_help = "Exit code 3: the key has no entry.")]
pub(crate) struct Arguments {
    /// The key.
    key: String,
    /// How to print: the JSON object alone, or with its times.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(entry) = arguments.place.collection()?.get_entry(&arguments.key).await? else {
        return Ok(found(false));
    };
    match arguments.format {
        Format::Json => {
            let mut out = io::stdout().lock();
            out.write_all(entry.value.as_bytes())?;
            out.write_all(b"\n")?;
            out.flush()?;
        }
        Format::Table => {
            let mut table = table(&["KEY", "VALUE", "CREATED", "EXPIRES"]);
            let (created, expires) = (entry.created_at, entry.expires_at);
            table.add_row([
                entry.key.as_str(),
                entry.value.as_str(),
                &moment_or_dash(created),
                &moment_or_dash(expires),
            ]);
            print(&table)?;
        }
    }
    Ok(found(true))
}
