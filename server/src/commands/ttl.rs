//! `kvgate ttl`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use jiff::SignedDuration;
use kvgate_client::Ttl;

use super::failure::found;
use super::output::{Format, moment_or_dash, print, table};
use super::place::Place;

/// Print how many seconds the entry of a key still lives; `null` if for ever.
#[derive(Debug, Args)]
#[command(after_help = "Exit code 3: the key has no entry.")]
pub(crate) struct Arguments {
    /// The key.
    key: String,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let place = arguments.place.collection()?;
    let Some((entry, ttl)) = place.get_with_ttl(&arguments.key).await? else {
        return Ok(found(false));
    };
    match arguments.format {
        Format::Json => {
            let seconds = ttl.left().map(|left| left.as_secs_f64());
            writeln!(io::stdout(), "{}", serde_json::to_string(&seconds)?)?;
        }
        Format::Table => {
            let left = match ttl {
                Ttl::Forever => "for ever".to_owned(),
                Ttl::Left(left) => {
                    let left = SignedDuration::try_from(left)?;
                    format!("{:#}", left.round(jiff::Unit::Second)?)
                }
            };
            let mut table = table(&["KEY", "LIVES", "EXPIRES"]);
            table.add_row([entry.key.as_str(), &left, &moment_or_dash(entry.expires_at)]);
            print(&table)?;
        }
    }
    Ok(found(true))
}
