//! Measures kvgate against bare tonic servers, in one run.
//!
//! ```text
//! cargo build --release -p kvgate
//! cargo run --release -p kvgate-bench
//! ```
//!
//! # What is measured
//!
//! Three sides answer the same messages of `keyvalue.v1`: two bare servers that
//! do nothing but answer (tonic's own transport on tokio's multi-thread
//! runtime; plain hyper on one current-thread runtime a core), and kvgate with
//! a Memory store of 100,000 entries. Each side is a process of its own, kept
//! to one half of the CPUs; the load generator has the other half. The sides
//! take turns within each round, so that what the machine does meanwhile
//! falls on all of them. Every answer is checked: the key that was asked for, a
//! value of the right length, and that a put can be read back.
//!
//! # How to read it
//!
//! Absolute figures say as much about the machine as about the server: quote
//! ratios. `of best` is a side's rate divided by that of the faster bare server
//! in the same round, the median over the rounds. `server busy` is how much of
//! its CPUs a server used. Where it is far below 100 %, the load generator or
//! the network was the limit, and `CPU/call` tells more than the rate.
//! `8x32` is 8 connections with 32 calls in flight on each.
//!
//! # Target
//!
//! `Get` at 8x32 at least 65 % of the best bare server, `StreamGetMany` at
//! least 50 %; later 80 % of both.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints")]

mod args;
mod bare;
mod bare_server;
mod calls;
mod connection;
mod cpus;
mod dataset;
mod load;
mod overload;
mod process;
mod report;
mod run;
mod statistics;
mod table;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

/// glibc's allocator costs a tenth; kvgate doesn't use it either.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An error with its context already in its text: this tool only prints them.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.command {
        Some(Command::BareServer { runtime }) => bare_server::serve(*runtime),
        Some(Command::Overload(args)) => overload::run(args),
        None => run::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
