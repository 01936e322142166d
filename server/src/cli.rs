//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::failure::EXIT_CODES;
use crate::commands::{Entries, completions};

const EXAMPLES: &str = "\
Examples:
  kvgate serve                            a Disk store in ./kvgate-data, on 127.0.0.1:50051
  kvgate put greeting '{\"text\": \"hello\"}' --ttl 1h
  kvgate get greeting | jq -r .text
  kvgate serve --config kvgate.toml       what the configuration says
  kvgate export backup.jsonl.zst          all entries of a store, as lines of JSON
  kvgate copy old new --config both.toml  from a store to another
";

/// One gRPC door to the key-value stores that teams already run.
#[derive(Debug, Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the configured stores until SIGINT or SIGTERM.
    ///
    /// Without a configuration: a Disk store in ./kvgate-data, on loopback. Every
    /// field can also be set by an environment variable: `KVGATE_SERVER__LISTEN`,
    /// `KVGATE_STORES__MAIN__DIRECTORY`. The address is printed once calls are taken;
    /// logs go to standard error.
    Serve {
        #[command(flatten)]
        file: ConfigFile,
        /// Listen beyond loopback without TLS and authentication: anybody who can connect
        /// may read and write.
        ///
        /// Only for a network that keeps others out, or behind a proxy that does.
        #[arg(long)]
        insecure: bool,
    },
    /// Check a configuration: unknown fields, wrong types, settings that can't work.
    Check {
        /// The configuration: TOML, JSON or YAML by its ending.
        #[arg(env = "KVGATE_CONFIG")]
        file: PathBuf,
        /// Also open each store and try whether its backend answers.
        #[arg(long)]
        connect: bool,
    },
    /// Make tokens for callers.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Print the JSON Schema of the configuration, for editors and Helm.
    ConfigSchema,
    Completions(completions::Arguments),
    #[command(flatten)]
    Entries(Box<Entries>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token, and print the entry by which a server knows it.
    ///
    /// The entry is for the file of `server.authentication.tokens_file`, in TOML. It has
    /// the token's SHA-256 alone: the token itself is shown once, on standard error, or
    /// written into a file.
    New {
        /// Who will show it, as the server's logs name them.
        principal: String,
        /// What they may do: a name of `server.roles`. It can be given several times.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// Write the token into this new file, for its owner alone, instead of showing it.
        #[arg(long, value_name = "FILE")]
        save: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration: TOML, JSON or YAML by its ending.
    #[arg(long = "config", value_name = "FILE", env = "KVGATE_CONFIG")]
    pub(crate) path: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
