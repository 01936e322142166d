//! `kvgate scan`.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Args;
use futures::TryStreamExt;

use super::failure::complete;
use super::line::{self, Breaks};
use super::list::too_many;
use super::output::{Format, TABLE_ROWS_MAX, moment_or_dash, print, table};
use super::place::Place;

/// Print all entries of a collection.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kvgate scan user- --collection sessions | jq 'select(.value.age > 30) | .key'

Exit code 4: some entries can't be read; standard error says which.")]
pub(crate) struct Arguments {
    /// Only entries whose keys begin with this.
    #[arg(default_value = "", hide_default_value = true)]
    prefix: String,
    /// How to print: an entry as JSON a line, or a table.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { prefix, format, place } = arguments;
    let mut results = place.collection()?.scan(&prefix);
    let mut table = table(&["KEY", "VALUE", "CREATED", "EXPIRES"]);
    let mut out = BufWriter::new(io::stdout().lock());
    let mut failed = 0;
    while let Some(result) = results.try_next().await? {
        let entry = match result.outcome {
            Ok(Some(entry)) => entry,
            Ok(None) => continue,
            Err(error) => {
                failed += 1;
                // nobody need listen
                drop(writeln!(io::stderr(), "kvgate: key {:?}: {error}", result.key));
                continue;
            }
        };
        match format {
            Format::Json => line::write(&mut out, "", &entry, Breaks::AsSpaces)?,
            Format::Table if table.row_count() == TABLE_ROWS_MAX => return Err(too_many()),
            Format::Table => {
                table.add_row([
                    entry.key.as_str(),
                    entry.value.as_str(),
                    &moment_or_dash(entry.created_at),
                    &moment_or_dash(entry.expires_at),
                ]);
            }
        }
    }
    out.flush()?;
    drop(out);
    if format == Format::Table {
        print(&table)?;
    }
    Ok(complete(failed))
}
