//! `kvgate completions`.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;

/// Print a script that completes kvgate's arguments in a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kvgate completions bash > ~/.local/share/bash-completion/completions/kvgate
  kvgate completions zsh > ~/.zfunc/_kvgate       (with ~/.zfunc in fpath)
  kvgate completions fish > ~/.config/fish/completions/kvgate.fish")]
pub(crate) struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> io::Result<()> {
    // clap_complete panics if it can't write
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "kvgate", &mut script);
    io::stdout().write_all(&script)
}
