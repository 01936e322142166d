//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// One gRPC door to the key-value stores that teams already run.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  kvgate serve                            a Disk store in ./kvgate-data, on 127.0.0.1:50051
  kvgate put greeting '{\"text\": \"hello\"}'
  kvgate get greeting
  kvgate serve --config kvgate.toml       what the configuration says

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 the key has no entry."
)]
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
    /// Print the entry of a key as JSON.
    Get {
        /// The key.
        key: String,
        #[command(flatten)]
        place: Place,
    },
    /// Store a JSON object under a key.
    Put {
        /// The key.
        key: String,
        /// The JSON object; `-` reads it from standard input.
        value: String,
        /// How long the entry lives, in seconds; for ever without it.
        #[arg(long, value_name = "SECONDS")]
        ttl: Option<f64>,
        #[command(flatten)]
        place: Place,
    },
    /// Delete a key.
    Delete {
        /// The key.
        key: String,
        #[command(flatten)]
        place: Place,
    },
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

/// Which server, store and collection.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The server: http:// or https:// with host and port, or unix: with a path.
    #[arg(long, default_value = "http://127.0.0.1:50051", env = "KVGATE_URL")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// The store; the server's default without it.
    #[arg(long, default_value = "")]
    pub(crate) store: String,
    /// The collection; the store's default without it.
    #[arg(long, default_value = "")]
    pub(crate) collection: String,
}

/// How the server is known, and how it knows the caller.
#[derive(Debug, Args)]
pub(crate) struct Credentials {
    /// The authorities that the server's certificate may come from, in PEM; those of the
    /// system without it.
    #[arg(long, value_name = "FILE", env = "KVGATE_TLS_CA")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The certificate to show to the server, in PEM.
    #[arg(long, value_name = "FILE", env = "KVGATE_TLS_CERT", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM.
    #[arg(long, value_name = "FILE", env = "KVGATE_TLS_KEY", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A file with the token to show to the server; the variable `KVGATE_TOKEN` may hold it
    /// instead.
    #[arg(long, value_name = "FILE", env = "KVGATE_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
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
