//! The command line: a file each command, and what they share.
//!
//! | file | what |
//! |---|---|
//! | `place` | which server, or which configuration, and which store |
//! | `in_process` | the stores of a configuration without a server: the services, called directly |
//! | `failure` | what is told about an error, and the exit code |
//! | `output`, `line` | tables and JSON; an entry as a line |
//! | `pages`, `packed`, `position_file` | what is read of a store; files; where to go on |
//! | `progress`, `waiting` | what is told: bars on a terminal, summaries, which entry failed |

mod bench;
pub(crate) mod check;
pub(crate) mod completions;
mod copy;
mod delete;
mod export;
pub(crate) mod failure;
mod get;
mod import;
mod in_process;
mod line;
mod list;
mod output;
mod packed;
mod pages;
mod place;
mod position_file;
mod progress;
mod put;
mod scan;
mod stores;
pub(crate) mod token;
mod ttl;
mod waiting;

use std::process::ExitCode;

use clap::Subcommand;

/// The commands that work with entries.
#[derive(Debug, Subcommand)]
pub(crate) enum Entries {
    Get(get::Arguments),
    Put(put::Arguments),
    Delete(delete::Arguments),
    Ttl(ttl::Arguments),
    List(list::Arguments),
    Scan(scan::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Copy(copy::Arguments),
    Stores(stores::Arguments),
    Bench(bench::Arguments),
}

impl Entries {
    /// Does what the command says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if !matches!(self, Self::Bench(_)) {
            // the command reads and writes files and pipes on this thread, and may wait for
            // them for long: the other one keeps the connection alive meanwhile
            builder.worker_threads(1);
        }
        let runtime = builder.enable_all().build()?;
        let done = runtime.block_on(async {
            match self {
                Self::Get(arguments) => get::run(arguments).await,
                Self::Put(arguments) => put::run(arguments).await,
                Self::Delete(arguments) => delete::run(arguments).await,
                Self::Ttl(arguments) => ttl::run(arguments).await,
                Self::List(arguments) => list::run(arguments).await,
                Self::Scan(arguments) => scan::run(arguments).await,
                Self::Export(arguments) => export::run(arguments).await,
                Self::Import(arguments) => import::run(arguments).await,
                Self::Copy(arguments) => copy::run(arguments).await,
                Self::Stores(arguments) => stores::run(arguments).await,
                Self::Bench(arguments) => bench::run(arguments).await,
            }
        });
        // blocking work that still runs must not hold the process
        runtime.shutdown_background();
        done
    }
}
