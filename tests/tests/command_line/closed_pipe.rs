//! Whoever reads the output has had enough, as in `kvgate scan | head -1`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use kvgate_tests::failure::{Failure, Outcome, expect_equal};

use crate::files::lines;
use crate::kvgate::Kvgate;

/// More than a pipe holds.
const COUNT: usize = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_without_a_word() -> Outcome {
    let kvgate = Kvgate::start().await?;
    kvgate.run_with(&["import", "-", "--collection", "many"], &lines(COUNT)).await?.expect(0)?;
    for arguments in [
        &["list", "--collection", "many"][..],
        &["scan", "--collection", "many"],
        &["export", "-"],
        &["config-schema"],
        &["completions", "bash"],
        &["stores"],
    ] {
        let mut command = kvgate.command(arguments)?;
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let first = first_line(&mut child)?;
        expect_equal(format!("{arguments:?}: an empty line"), first.is_empty(), false)?;
        let mut said = String::new();
        let stderr = child.stderr.take().ok_or_else(|| Failure::new("no standard error"))?;
        BufReader::new(stderr).read_to_string(&mut said)?;
        expect_equal(format!("{arguments:?}: standard error"), said.as_str(), "")?;
        expect_equal(format!("{arguments:?}: exit code"), child.wait()?.code(), Some(0))?;
    }
    Ok(())
}

/// Reads a line and closes the pipe.
fn first_line(child: &mut Child) -> Outcome<String> {
    let stdout = child.stdout.take().ok_or_else(|| Failure::new("no standard output"))?;
    let mut line = String::new();
    BufReader::with_capacity(64, stdout).read_line(&mut line)?;
    Ok(line)
}
