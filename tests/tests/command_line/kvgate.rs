//! The command line as a process.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use kvgate_tests::failure::{Failure, Outcome, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::server::{Server, binary};
use serde_json::Value;

/// A memory store that holds a million entries, another one, and one that can't be written.
pub(crate) const STORES: &str = "default_store = \"main\"\n\
    [stores.main]\ntype = \"memory\"\nmax_entries_per_collection = 2000000\n\
    [stores.other]\ntype = \"memory\"\nmax_entries_per_collection = 2000000\n\
    [stores.sealed]\ntype = \"memory\"\nwrap = [{ type = \"read_only\" }]\n";

/// How a command ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// Checks the exit code.
    pub(crate) fn expect(self, code: i32) -> Outcome<Self> {
        let said = format!("exit code, with {:?} and {:?}", self.out, self.err);
        expect_equal(said, self.code, Some(code))?;
        Ok(self)
    }

    /// The one JSON value that it printed.
    pub(crate) fn json(&self) -> Outcome<Value> {
        Ok(serde_json::from_str(&self.out)?)
    }

    /// The JSON values that it printed, one a line.
    pub(crate) fn lines(&self) -> Outcome<Vec<Value>> {
        Ok(self.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }
}

/// A server, and a folder in which commands run.
pub(crate) struct Kvgate {
    pub(crate) server: Server,
    pub(crate) folder: Folder,
}

impl Kvgate {
    /// Starts a server with [`STORES`].
    pub(crate) async fn start() -> Outcome<Self> {
        let folder = Folder::new()?;
        let server = folder.start(STORES).await?;
        Ok(Self { server, folder })
    }

    /// A command that is told where the server is.
    pub(crate) fn command(&self, arguments: &[&str]) -> Outcome<Command> {
        let mut command = command(&self.folder, arguments)?;
        command.env("KVGATE_URL", format!("http://{}", self.server.address()));
        Ok(command)
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Outcome<Done> {
        finish(self.command(arguments)?, String::new()).await
    }

    /// Runs a command that reads `input`.
    pub(crate) async fn run_with(&self, arguments: &[&str], input: &str) -> Outcome<Done> {
        finish(self.command(arguments)?, input.to_owned()).await
    }
}

/// A command that knows nothing of a server.
pub(crate) fn command(folder: &Folder, arguments: &[&str]) -> Outcome<Command> {
    let mut command = Command::new(binary()?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KVGATE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).current_dir(folder.directory());
    Ok(command)
}

/// Runs a command to its end.
pub(crate) async fn finish(command: Command, input: String) -> Outcome<Done> {
    let (child, writing) = begin(command, input)?;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await??;
    // a command that does not read all of it ends the pipe
    drop(writing.join());
    Ok(Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

/// Starts a command, and a thread that writes what it reads.
pub(crate) fn begin(
    mut command: Command,
    input: String,
) -> Outcome<(Child, std::thread::JoinHandle<std::io::Result<()>>)> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let stdin = child.stdin.take();
    let mut stdin = stdin.ok_or_else(|| Failure::new("the command has no standard input"))?;
    let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    Ok((child, writing))
}
