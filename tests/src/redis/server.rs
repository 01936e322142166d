//! One server as a child process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use futures::FutureExt as _;

use super::{Product, run};
use crate::daemon::Daemon;
use crate::failure::Outcome;

/// A server. The tests ask it over a socket in its directory, whatever its port asks
/// of others.
pub(super) struct Server {
    /// The process.
    pub(super) daemon: Daemon,
    /// The port on loopback that it listens on.
    pub(super) port: u16,
    cli: Arc<Cli>,
}

/// How a server is started.
pub(super) struct Start<'a> {
    /// Whose server it is.
    pub(super) product: Product,
    /// Where it keeps its data; the directory is made.
    pub(super) directory: &'a Path,
    /// The port that is in the configuration.
    pub(super) port: u16,
    /// Lines of its configuration.
    pub(super) config: &'a str,
    /// The user and the password by which the tests ask it.
    pub(super) login: Option<(&'a str, &'a str)>,
    /// Whether it is a Sentinel.
    pub(super) is_sentinel: bool,
}

impl Server {
    /// Starts a server and waits until it answers.
    pub(super) async fn start(start: Start<'_>) -> Outcome<Self> {
        let Start { product, directory, port, config, login, is_sentinel } = start;
        std::fs::create_dir_all(directory)?;
        let (socket, file) = (directory.join("socket"), directory.join("server.conf"));
        let (at, kept) = (socket.display(), directory.display());
        let own = format!("bind 127.0.0.1\nunixsocket {at}\ndir {kept}\n");
        std::fs::write(&file, own + config)?;
        let cli = Arc::new(Cli::new(product, &socket, login));
        let asking = Arc::clone(&cli);
        let ready = Box::new(move || {
            let cli = Arc::clone(&asking);
            // a program is run, which blocks
            let asked = tokio::task::spawn_blocking(move || cli.run(&["PING"]));
            async move { matches!(asked.await, Ok(Ok(answer)) if answer.trim() == "PONG") }.boxed()
        });
        let command = move || {
            let mut command = Command::new(format!("{}-server", product.word()));
            command.arg(&file).args(is_sentinel.then_some("--sentinel"));
            command
        };
        let daemon = Daemon::start(command, &directory.join("log"), ready).await?;
        Ok(Self { daemon, port, cli })
    }

    /// What the server answers to a command.
    pub(super) fn ask(&self, command: &[&str]) -> Outcome<String> {
        self.cli.run(command)
    }

    /// The stored keys, each with its text and whether it expires.
    pub(super) fn contents(&self) -> Outcome<String> {
        let mut lines = Vec::new();
        for key in self.ask(&["--scan"])?.lines() {
            let expires = match self.ask(&["PTTL", key])?.trim() {
                "-1" => "",
                _ => " (expires)",
            };
            lines.push(format!("{key}{expires} = {}\n", self.ask(&["GET", key])?.trim_end()));
        }
        lines.sort_unstable();
        Ok(lines.concat())
    }

    /// How many commands that read or write entries it has carried out.
    pub(super) fn commands(&self) -> Outcome<u64> {
        const COUNTED: [&str; 5] = ["exists", "get", "mget", "set", "unlink"];
        let mut count = 0;
        // cmdstat_get:calls=7,usec=...
        for line in self.ask(&["INFO", "commandstats"])?.lines() {
            let parts = line.strip_prefix("cmdstat_").and_then(|it| it.split_once(":calls="));
            if let Some((name, rest)) = parts
                && COUNTED.contains(&name)
            {
                count += rest.split(',').next().unwrap_or_default().parse::<u64>()?;
            }
        }
        Ok(count)
    }
}

/// Runs the command-line client.
struct Cli {
    program: String,
    arguments: Vec<PathBuf>,
}

impl Cli {
    fn new(product: Product, socket: &Path, login: Option<(&str, &str)>) -> Self {
        // with -e it tells of refusals by its status
        let mut arguments = vec![PathBuf::from("-e"), PathBuf::from("-s"), socket.to_owned()];
        if let Some((user, password)) = login {
            let login = ["--no-auth-warning", "--user", user, "--pass", password];
            arguments.extend(login.map(PathBuf::from));
        }
        Self { program: format!("{}-cli", product.word()), arguments }
    }

    fn run(&self, arguments: &[&str]) -> Outcome<String> {
        run(Command::new(&self.program).args(&self.arguments).args(arguments))
    }
}
