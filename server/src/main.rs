//! kvgate: one gRPC door to the key-value stores that teams already run.
//!
//! `ARCHITECTURE.md` beside this crate's manifest is the way in.

mod access;
mod admin;
mod audit;
mod call;
mod check;
mod cli;
mod config;
mod connect;
mod edge;
mod figures;
mod health;
mod identity;
mod layers;
mod reload;
mod router;
mod serve;
mod server;
mod service;
mod signals;
mod telemetry;
mod tls;
mod token;
mod topology;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, TokenCommand};

// a call allocates and frees many small pieces, which is what mimalloc is made for
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The key that was asked for has no entry.
const EXIT_MISSING: u8 = 3;
/// The configuration can't be used; clap exits with the same code.
const EXIT_CONFIGURATION: u8 = 2;
/// Anything else.
const EXIT_FAILURE: u8 = 1;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        // whoever reads our output has had enough, as in `kvgate config-schema | head`
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            let configuration = error.is::<config::Problems>()
                || error.downcast_ref::<kvgate_core::Error>().is_some_and(is_misconfigured);
            ExitCode::from(if configuration { EXIT_CONFIGURATION } else { EXIT_FAILURE })
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let found = |found| {
        if found { ExitCode::SUCCESS } else { ExitCode::from(EXIT_MISSING) }
    };
    match command {
        Command::Serve { file, insecure } => {
            serve::serve(config::load(file.path.as_deref(), config::environment())?, insecure)?;
        }
        Command::Check { file, connect } => check::check(&file, connect)?,
        Command::Token { command: TokenCommand::New { principal, roles, save } } => {
            token::new(&principal, &roles, save.as_deref())?;
        }
        Command::ConfigSchema => {
            let schema = serde_json::to_string_pretty(&config::schema())?;
            writeln!(io::stdout(), "{schema}")?;
        }
        Command::Get { key, place } => return Ok(found(call::get(key, place)?)),
        Command::Put { key, value, ttl, place } => call::put(key, value, ttl, place)?,
        Command::Delete { key, place } => return Ok(found(call::delete(key, place)?)),
    }
    Ok(ExitCode::SUCCESS)
}

fn is_misconfigured(error: &kvgate_core::Error) -> bool {
    error.kind() == kvgate_core::Kind::Misconfigured
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn complain(error: &anyhow::Error) {
    let store = error.downcast_ref::<kvgate_core::Error>().and_then(kvgate_core::Error::store);
    let place = store.map_or_else(String::new, |store| format!("stores.{store}: "));
    // nothing is left to be done if standard error is closed
    drop(writeln!(io::stderr(), "kvgate: {place}{error:#}"));
}
