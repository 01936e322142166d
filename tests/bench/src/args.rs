//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand, ValueEnum};

const AFTER_HELP: &str = "\
How to read the table:
  8x32         8 connections with 32 calls in flight on each
  of best      the rate divided by that of the faster bare server in the same
               round; the median over the rounds (absolute figures differ from
               machine to machine: quote this)
  CPU          what the server's process used, for one call or one entry
  server busy  how much of its CPUs the server used; far below 100 % the load
               generator was the limit, and CPU tells more than the rate

Run it on a quiet machine. Build the server first:
  cargo build --release -p kvgate";

/// Measures kvgate against bare tonic servers that answer the same messages.
///
/// Starts two bare servers and kvgate with a Memory store, drives each in turn
/// with Get, Put and `StreamGetMany`, checks every answer, and prints rates,
/// latencies, the servers' CPU time and how each compares with the best bare
/// server.
#[derive(Debug, Parser)]
#[command(name = "kvgate-bench", version, after_help = AFTER_HELP)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// The kvgate program to measure [default: kvgate next to this program]
    #[arg(long, value_name = "PATH")]
    pub(crate) server: Option<PathBuf>,

    /// Measure the bare servers alone
    #[arg(long, conflicts_with = "server")]
    pub(crate) bare_only: bool,

    /// How long each side is measured in each round, after a short warm-up
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,

    /// How often the sides take turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,

    /// What to measure
    #[arg(long, value_delimiter = ',', default_values_t = Operation::ALL)]
    pub(crate) operations: Vec<Operation>,

    /// Connections x calls in flight on each, for Get and Put
    #[arg(long, value_delimiter = ',', value_name = "CxM", default_values_t = Shape::ALL)]
    pub(crate) at: Vec<Shape>,

    /// Connections x streams in flight on each, for `StreamGetMany`
    #[arg(long, value_delimiter = ',', value_name = "CxM", default_values_t = [Shape::ONE])]
    pub(crate) streams_at: Vec<Shape>,

    /// Also write every figure of every round to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Offer twice as many calls as the server can take, and compare those that it accepts.
    Overload(Overload),
    /// Be a bare server until killed.
    #[command(hide = true)]
    BareServer {
        #[arg(long)]
        runtime: Runtime,
    },
}

/// How `overload` measures.
#[derive(Debug, clap::Args)]
pub(crate) struct Overload {
    /// The kvgate program to measure [default: kvgate next to this program]
    #[arg(long, value_name = "PATH")]
    pub(crate) server: Option<PathBuf>,

    /// How long each load is offered in each round, after a short warm-up
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,

    /// How often the two loads take turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
}

/// The two shapes of a bare server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    /// tonic's transport on tokio's multi-thread runtime.
    MultiThread,
    /// Plain hyper on one current-thread runtime a core.
    PerCore,
}

/// What a caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Operation {
    Get,
    Put,
    Stream,
}

impl Operation {
    const ALL: [Self; 3] = [Self::Get, Self::Put, Self::Stream];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Stream => "stream",
        })
    }
}

/// How many connections, and how many calls in flight on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) calls: usize,
}

impl Shape {
    const ONE: Self = Self::new(1, 1);
    const ALL: [Self; 3] = [Self::ONE, Self::new(1, 16), Self::new(8, 32)];

    pub(crate) const fn new(connections: usize, calls: usize) -> Self {
        Self { connections, calls }
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| part.parse().ok().filter(|n| (1..=1000).contains(n));
        text.split_once('x')
            .and_then(|(left, right)| Some(Self::new(number(left)?, number(right)?)))
            .ok_or_else(|| "expected two numbers of 1 to 1000, such as 8x32".to_owned())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.connections, self.calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_read_as_it_is_printed() {
        assert_eq!("8x32".parse(), Ok(Shape::new(8, 32)));
        assert_eq!(Shape::new(8, 32).to_string(), "8x32");
        for bad in ["", "8", "0x1", "8x", "1x1001", "-1x1"] {
            assert!(bad.parse::<Shape>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
