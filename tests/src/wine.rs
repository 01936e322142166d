//! The server's build for Windows and programs of Windows, run by Wine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::built::built;
use crate::failure::{Failure, Outcome};

/// Where Debian has it.
const WINE: &str = "/usr/lib/wine/wine64";
const WINE_SERVER: &str = "/usr/lib/wine/wineserver";

/// A Windows with a registry of its own; its programs and its drive are those of
/// `tests/backends/windows/run`, which nobody writes to. Dropping it ends all that runs
/// in it.
pub struct Wine {
    prefix: PathBuf,
}

impl Wine {
    /// Makes the directory.
    pub fn new(prefix: PathBuf) -> Outcome<Self> {
        let made = built("windows", "prefix.made")?.join("prefix");
        fs::create_dir(&prefix)?;
        for name in ["system.reg", "user.reg", "userdef.reg", ".update-timestamp"] {
            fs::copy(made.join(name), prefix.join(name))?;
        }
        for name in ["drive_c", "dosdevices"] {
            symlink(made.join(name), prefix.join(name))?;
        }
        Ok(Self { prefix })
    }

    /// A path as programs of Windows see it: drive Z is this file system.
    pub fn path(path: &Path) -> PathBuf {
        PathBuf::from(format!("Z:{}", path.display()))
    }

    /// The server, which is to be given its arguments.
    pub fn server(&self) -> Outcome<Command> {
        let mut command = self.command(WINE);
        command.arg(server()?);
        Ok(command)
    }

    /// What a program of Windows prints when it succeeds.
    pub fn output(&self, arguments: &[&str]) -> Outcome<String> {
        let output = self.command(WINE).args(arguments).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        let error = String::from_utf8_lossy(&output.stderr);
        Err(Failure::new(format!("{arguments:?} ended with {}: {text}{error}", output.status)))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("WINEPREFIX", &self.prefix).env("WINEARCH", "win64").env("WINEDEBUG", "-all");
        // without its services, which nothing here needs and which take a second to start
        command.env("WINEDLLOVERRIDES", "mscoree,mshtml=;wineboot.exe,winemenubuilder.exe=d");
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        command
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        // both fail only if nothing runs
        for argument in ["-k", "-w"] {
            drop(self.command(WINE_SERVER).arg(argument).output());
        }
    }
}

/// The server's build for Windows, in the target folder of this test.
fn server() -> Outcome<PathBuf> {
    // target/debug/deps/<this test>
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3);
    let target = target.ok_or_else(|| Failure::new("the test binary has no directory"))?;
    let path = target.join("windows/x86_64-pc-windows-gnu/debug/kvgate.exe");
    if path.is_file() {
        return Ok(path);
    }
    let path = path.display();
    Err(Failure::new(format!(
        "there is no server for Windows at {path}: run tests/backends/install windows, then \
         tests/run or tests/backends/windows/run build"
    )))
}
