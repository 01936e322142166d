//! `kvgate list`.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Args;
use futures::TryStreamExt;

use super::failure::Usage;
use super::output::{Format, TABLE_ROWS_MAX, print, table};
use super::place::Place;

/// List the keys of a collection, or the collections of a store.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kvgate list user- --collection sessions | jq -r .
  kvgate list --collections --format table")]
pub(crate) struct Arguments {
    /// Only names that begin with this.
    #[arg(default_value = "", hide_default_value = true)]
    prefix: String,
    /// List the collections that hold entries, instead of keys.
    #[arg(long, conflicts_with = "collection")]
    collections: bool,
    /// How to print: a JSON string a line, or a table.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { prefix, collections, format, place } = arguments;
    let client = place.store.client()?;
    let mut names = if collections {
        client.list_collections(&prefix)
    } else {
        client.collection(place.collection).list_keys(&prefix)
    };
    match format {
        Format::Json => {
            // names come a page at a time; a pipe that is closed ends the listing
            let mut out = BufWriter::new(io::stdout().lock());
            while let Some(name) = names.try_next().await? {
                serde_json::to_writer(&mut out, &name).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
            out.flush()?;
        }
        Format::Table => {
            let mut table = table(&[if collections { "COLLECTION" } else { "KEY" }]);
            while let Some(name) = names.try_next().await? {
                if table.row_count() == TABLE_ROWS_MAX {
                    return Err(too_many());
                }
                table.add_row([name]);
            }
            print(&table)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn too_many() -> anyhow::Error {
    let message = format!("more than {TABLE_ROWS_MAX} rows for a table");
    Usage::new(message, "name a prefix, or leave out `--format table`").into()
}
