//! kvgate: one gRPC door to the key-value stores that teams already run.
//!
//! `ARCHITECTURE.md` beside this crate's manifest is the way in.

mod access;
mod admin;
mod audit;
mod cli;
mod commands;
mod config;
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
mod topology;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, TokenCommand};
use crate::commands::{check, completions, failure, token};

// a call allocates and frees many small pieces, which is what mimalloc is made for
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run(Cli::parse().command).unwrap_or_else(|error| failure::report(&error))
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
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
        Command::Completions(arguments) => completions::run(&arguments)?,
        Command::Entries(command) => return command.run(),
    }
    Ok(ExitCode::SUCCESS)
}
