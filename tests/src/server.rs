//! The real server as a child process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::wait::until;
use crate::wine::Wine;

/// What the server prints on standard output once it accepts calls.
const READY: &str = "kvgate listening on ";

/// Longer than any test takes, and than all cases that share a server.
const LIFE_MAX: Duration = Duration::from_mins(15);

/// A running server. Dropping it kills the process and waits for its end.
pub struct Server {
    process: Process,
    place: String,
    /// What stops it gracefully.
    stop_signal: Signal,
}

impl Server {
    /// Starts the server with the configuration `file` and waits until it
    /// accepts calls.
    pub async fn start(file: &Path) -> Outcome<Self> {
        Self::start_with(Command::new(binary()?), file).await
    }

    /// Like [`Server::start`], where `command` ends in the server's binary:
    /// for one that is started through another program.
    pub async fn start_with(mut command: Command, file: &Path) -> Outcome<Self> {
        command.arg("serve").arg("--config").arg(file);
        let mut process = Process::start(command)?;
        let place = process.ready().await?;
        Ok(Self { process, place, stop_signal: Signal::TERM })
    }

    /// Like [`Server::start`], but the build for Windows.
    pub async fn start_in(wine: &Wine, file: &Path) -> Outcome<Self> {
        let server = Self::start_with(wine.server()?, &Wine::path(file)).await?;
        // Ctrl-C, which is all that Windows has
        Ok(Self { stop_signal: Signal::INT, ..server })
    }

    /// Where the server listens, as it says itself.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Where the server listens; an address that nobody listens at if it is a Unix
    /// socket.
    pub fn address(&self) -> SocketAddr {
        self.place.parse().unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// A client with a connection of its own.
    pub async fn client(&self) -> Outcome<Client> {
        Client::connect(self.address()).await
    }

    /// The process' id.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        self.process.log.so_far()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Outcome {
        self.process.signal(signal)
    }

    /// Waits until the server ends by itself.
    pub async fn exit_status(&mut self) -> Outcome<ExitStatus> {
        self.process.exit_status().await
    }

    /// Stops the server gracefully and checks that it says so by exit code 0.
    pub async fn terminate(mut self) -> Outcome {
        self.signal(self.stop_signal)?;
        let status = self.exit_status().await?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("the server ended with {status}, its log:\n{}", self.log())))
    }

    /// Kills the server: it can't do anything more.
    pub async fn kill(mut self) -> Outcome {
        self.signal(Signal::KILL)?;
        self.exit_status().await?;
        Ok(())
    }
}

/// How a run of the server's command line ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; absent if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote on standard output and on standard error.
    pub output: String,
}

/// Runs the server's command line until it ends by itself.
pub async fn run_to_end(command: Command) -> Outcome<Finished> {
    let mut process = Process::start(command)?;
    let status = process.exit_status().await?;
    let output = process.output.so_far() + &process.log.so_far();
    Ok(Finished { code: status.code(), output })
}

/// The server's binary: beside this test's own, or named by `KVGATE_BIN`.
pub fn binary() -> Outcome<PathBuf> {
    let path = match std::env::var_os("KVGATE_BIN") {
        Some(path) => PathBuf::from(path),
        // target/debug/deps/<this test>
        None => match std::env::current_exe()?.ancestors().nth(2) {
            Some(directory) => directory.join(format!("kvgate{}", std::env::consts::EXE_SUFFIX)),
            None => return Err(Failure::new("the test binary has no directory")),
        },
    };
    if path.is_file() {
        return Ok(path);
    }
    let path = path.display();
    Err(Failure::new(format!(
        "there is no server at {path}: run tests/run, or first \
         `cargo build --workspace --all-features --all-targets`"
    )))
}

struct Process {
    child: Child,
    /// Held as long as the process may live.
    _alive: SyncSender<()>,
    output: Text,
    log: Text,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    fn start(mut command: Command) -> Outcome<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // The environment configures the server too.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("KVGATE_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .spawn()
            .map_err(|error| Failure::from(error).within(format!("starting {command:?}")))?;
        let (output, log) = (Text::default(), Text::default());
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(output.read(stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(log.read(stderr));
        }
        let alive = kill_if_forgotten(&child);
        Ok(Self { child, _alive: alive, output, log, readers })
    }

    async fn ready(&mut self) -> Outcome<String> {
        let Self { child, output, .. } = self;
        let place = until("the server is ready", async || {
            let ended = child.try_wait()?;
            match (output.so_far().split_once('\n'), ended) {
                (Some((line, _)), _) => match line.strip_prefix(READY) {
                    Some(place) => Ok(Some(place.trim().to_owned())),
                    None => Err(Failure::new(format!("expected `{READY}…`, found `{line}`"))),
                },
                (None, None) => Ok(None),
                (None, Some(status)) => Err(Failure::new(format!("it ended with {status}"))),
            }
        });
        let place = place.await;
        if place.is_err() && self.child.try_wait()?.is_some() {
            self.finish_reading();
        }
        place.map_err(|failure| {
            failure.within(format!("starting the server, with the log:\n{}", self.log.so_far()))
        })
    }

    /// Reads what a process that has ended has left in its pipes.
    fn finish_reading(&mut self) {
        for reader in self.readers.drain(..) {
            // A reader that panicked has told why by itself.
            drop(reader.join());
        }
    }

    fn signal(&self, signal: Signal) -> Outcome {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    async fn exit_status(&mut self) -> Outcome<ExitStatus> {
        let child = &mut self.child;
        let status = until("the server ends", async || Ok(child.try_wait()?)).await;
        if status.is_ok() {
            self.finish_reading();
        }
        status.map_err(|failure| failure.within(format!("the log:\n{}", self.log.so_far())))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Kills a process that nobody has dropped for long: a test that hangs on it
/// then fails.
fn kill_if_forgotten(child: &Child) -> SyncSender<()> {
    let pid = Pid::from_child(child);
    let (alive, dropped) = sync_channel(1);
    std::thread::spawn(move || {
        if dropped.recv_timeout(LIFE_MAX) == Err(RecvTimeoutError::Timeout) {
            // It fails only for a process that has ended.
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    alive
}

/// What a process has written into a pipe.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<String>>);

impl Text {
    /// Reads a pipe to its end on a thread of its own, so that the process
    /// never waits for its reader.
    fn read(&self, pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let text = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut text = text.0.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
            }
        })
    }

    fn so_far(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
