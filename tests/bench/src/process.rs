//! The servers, each a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use tempfile::NamedTempFile;

use crate::Result;
use crate::args::Runtime;
use crate::cpus::Cpus;
use crate::dataset;

/// How long a server may take until it listens.
const START_SECONDS_MAX: u64 = 30;

/// A running server. It is killed when this is dropped.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// Whether it only answers, and keeps nothing.
    pub(crate) bare: bool,
    child: Child,
    /// Removed with the server.
    _config: Option<NamedTempFile>,
}

impl Server {
    /// Starts this program again, as a bare server.
    pub(crate) fn start_bare(runtime: Runtime, cpus: &Cpus) -> Result<Self> {
        let name = match runtime {
            Runtime::MultiThread => "bare, multi-thread runtime",
            Runtime::PerCore => "bare, one runtime a core",
        };
        let argument = runtime.to_possible_value().ok_or("a runtime without a name")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare-server", "--runtime", argument.get_name()]);
        let (child, address) = start(name, command, cpus)?;
        Ok(Self { name, address, bare: true, child, _config: None })
    }

    /// Starts kvgate with this configuration.
    pub(crate) fn start_kvgate(program: &Path, config: &str, cpus: &Cpus) -> Result<Self> {
        let config = write_config(config)?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(config.path());
        let (child, address) = start("kvgate", command, cpus)?;
        Ok(Self { name: "kvgate", address, bare: false, child, _config: Some(config) })
    }

    /// The CPU time that the server has used since it started.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        cpu_time(self.child.id())
            .map_err(|error| format!("{}: its CPU time can't be read: {error}", self.name).into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server that stands next to this program, unless another one is named.
pub(crate) fn find_kvgate(named: Option<&PathBuf>) -> Result<PathBuf> {
    let program = match named {
        Some(path) => path.clone(),
        None => std::env::current_exe()?
            .with_file_name(format!("kvgate{}", std::env::consts::EXE_SUFFIX)),
    };
    if program.is_file() {
        return Ok(program);
    }
    Err(format!(
        "no server at {}: build it with `cargo build --release -p kvgate`, \
         or name one with --server, or use --bare-only",
        program.display()
    )
    .into())
}

/// A Memory store that has room for all entries.
pub(crate) fn memory() -> String {
    let (store, entries_max) = (dataset::STORE, 2 * dataset::ENTRY_COUNT);
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ndefault_store = \"{store}\"\n\n\
         [stores.{store}]\ntype = \"memory\"\nmax_entries_per_collection = {entries_max}\n"
    )
}

fn write_config(text: &str) -> Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("kvgate-bench-").suffix(".toml").tempfile()?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    Ok(file)
}

fn start(name: &str, mut command: Command, cpus: &Cpus) -> Result<(Child, SocketAddr)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = cpus
        .on_server_cpus(|| command.spawn())?
        .map_err(|error| format!("{name} does not start: {error}"))?;
    let stdout = child.stdout.take().ok_or("no pipe from the server")?;
    match watch_output(stdout).recv_timeout(Duration::from_secs(START_SECONDS_MAX)) {
        Ok(address) => Ok((child, address)),
        Err(RecvTimeoutError::Disconnected) => {
            let status = child.wait()?;
            Err(format!("{name} ended before it listened ({status})").into())
        }
        Err(RecvTimeoutError::Timeout) => {
            child.kill()?;
            child.wait()?;
            Err(format!("{name} does not listen after {START_SECONDS_MAX} s").into())
        }
    }
}

/// Waits in a thread for the line that says where the server listens, and goes
/// on reading: a full pipe would stop the server.
fn watch_output(stdout: ChildStdout) -> Receiver<SocketAddr> {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
            if let Some(address) = listening_address(&line) {
                // Nobody waits any more if the server took too long.
                let _ = sender.try_send(address);
            }
        }
    });
    receiver
}

fn listening_address(line: &str) -> Option<SocketAddr> {
    line.split_once(" listening on ")?.1.trim().parse().ok()
}

#[cfg(target_os = "linux")]
fn cpu_time(process: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let ticks = ticks_used(&stat).ok_or("/proc/PID/stat is not as expected")?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis(ticks * 1000 / per_second))
}

#[cfg(not(target_os = "linux"))]
fn cpu_time(_: u32) -> Result<Duration> {
    Err("there is no /proc".into())
}

/// The sum of user and system time. The program's name, in parentheses, may
/// hold spaces: fields are counted from behind it.
#[cfg(any(target_os = "linux", test))]
fn ticks_used(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_that_says_it() {
        let address = listening_address("kvgate listening on 127.0.0.1:50051\n");
        assert_eq!(address, Some(SocketAddr::from(([127, 0, 0, 1], 50051))));
        assert_eq!(listening_address("kvgate 0.1.0"), None);
    }

    #[test]
    fn cpu_time_is_user_and_system_time() {
        let stat = "12 (a) b) S 1 12 12 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 9 9 9";
        assert_eq!(ticks_used(stat), Some(300));
        assert_eq!(ticks_used("12 (a) S 1"), None);
    }
}
