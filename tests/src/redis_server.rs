//! A server of Redis or Valkey as a child process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use futures::FutureExt as _;

use crate::daemon::Daemon;
use crate::failure::{Failure, Outcome};

/// Whose servers and programs are used. Both take the same arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
}

impl Product {
    /// The store's type in kvgate, and what its programs begin with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }
}

/// A server. The tests ask it over a socket in its directory, whatever its port asks
/// of others.
pub struct RedisServer {
    /// The process.
    pub daemon: Daemon,
    /// The port on loopback that it listens on.
    pub port: u16,
    cli: Arc<Cli>,
}

/// How a server is started.
pub struct Start<'a> {
    /// Whose server it is.
    pub product: Product,
    /// Where it keeps its data; the directory is made.
    pub directory: &'a Path,
    /// The port that is in the configuration.
    pub port: u16,
    /// Lines of its configuration.
    pub config: &'a str,
    /// The user and the password by which the tests ask it.
    pub login: Option<(&'a str, &'a str)>,
    /// Whether it is a Sentinel.
    pub is_sentinel: bool,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    pub async fn start(start: Start<'_>) -> Outcome<Self> {
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
    pub fn ask(&self, command: &[&str]) -> Outcome<String> {
        self.cli.run(command)
    }

    /// Stores something that is no entry: a list, or a text that is no envelope.
    pub fn put_foreign(&self, product: Product, collection: &str, key: &str) -> Outcome {
        let stored = format!("{collection}::{key}");
        self.ask(&["DEL", &stored])?;
        match product {
            Product::Redis => self.ask(&["RPUSH", &stored, "foreign"])?,
            Product::Valkey => self.ask(&["SET", &stored, "foreign"])?,
        };
        Ok(())
    }

    /// The stored keys, each with its text and whether it expires.
    pub fn contents(&self) -> Outcome<Vec<String>> {
        let mut lines = Vec::new();
        for key in self.ask(&["--scan"])?.lines() {
            let expires = match self.ask(&["PTTL", key])?.trim() {
                "-1" => "",
                _ => " (expires)",
            };
            lines.push(format!("{key}{expires} = {}", self.ask(&["GET", key])?.trim_end()));
        }
        lines.sort_unstable();
        Ok(lines)
    }

    /// How many commands that read or write entries it has carried out.
    pub fn commands(&self) -> Outcome<u64> {
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

/// What a program says; its end must be a good one.
pub fn run(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("{command:?}: {}: {said}{complaint}", output.status)))
}
