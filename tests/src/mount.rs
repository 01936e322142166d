//! File systems of a test's own: small ones and read-only ones.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::failure::{Failure, Outcome};
use crate::server::binary;

/// A mount that only the processes in its name space see.
///
/// A shell holds the name space as long as this lives; with it the mount ends,
/// even if the test is killed: the shell's standard input is then closed.
pub struct Mount {
    shell: Child,
    private_users: bool,
}

impl Mount {
    /// A file system in memory with room for so many bytes.
    pub fn small(directory: &Path, bytes: usize) -> Outcome<Self> {
        let options = format!("size={bytes}");
        Self::hold(r#"mount -t tmpfs -o "$2" kvgate-test "$1""#, directory, &options)
    }

    /// The directory itself, which can't be written to. The superuser may write
    /// where permissions alone forbid it.
    pub fn read_only(directory: &Path) -> Outcome<Self> {
        Self::hold(r#"mount --bind "$1" "$1" && mount -o "$2" "$1""#, directory, "remount,ro,bind")
    }

    fn hold(mount: &str, directory: &Path, options: &str) -> Outcome<Self> {
        // The superuser needs a name space of mounts alone; others need one of
        // users too, where the kernel allows it.
        let mut failed = Vec::new();
        for private_users in [false, true] {
            let mut command = Command::new("unshare");
            command.arg("--mount").args(private_users.then_some("--map-root-user"));
            command.args(["--", "sh", "-ec", &format!("{mount}\necho mounted\nexec cat"), "sh"]);
            command.arg(directory).arg(options);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut shell = command.spawn()?;
            let mut line = String::new();
            if let Some(stdout) = shell.stdout.as_mut() {
                BufReader::new(stdout).read_line(&mut line)?;
            }
            if line == "mounted\n" {
                return Ok(Self { shell, private_users });
            }
            let output = shell.wait_with_output()?;
            failed.push(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Err(Failure::new(format!(
            "mounting over {} failed ({}): this test must be root, or the kernel must allow user \
             name spaces",
            directory.display(),
            failed.join("; ")
        )))
    }

    /// The server's binary, to be run where the mount is seen.
    pub fn server(&self) -> Outcome<Command> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.shell.id())).arg("--mount");
        if self.private_users {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(binary()?);
        Ok(command)
    }

    /// Where this process sees a path that is below the mount.
    pub fn outside(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.shell.id()));
        root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        drop(self.shell.kill());
        drop(self.shell.wait());
    }
}
