//! A million entries out and in again, in a bounded amount of memory.

use std::io::{BufWriter, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::process_figures::resident_bytes;
use serde_json::{Value, json};

use crate::kvgate::Kvgate;

const COUNT: usize = 1_000_000;

/// How much memory a command may take.
const RESIDENT_BYTES_MAX: u64 = 96 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_million_entries() -> Outcome {
    let kvgate = Kvgate::start().await?;
    let summary = watched(&kvgate, &["import", "-", "--collection", "many"], true).await?;
    expect_equal("imported", &summary["entries"], &json!(COUNT))?;
    let summary = watched(&kvgate, &["export", "all.jsonl.zst"], false).await?;
    expect_equal("exported", &summary["entries"], &json!(COUNT))?;
    let summary = watched(&kvgate, &["import", "all.jsonl.zst", "--store", "other"], false).await?;
    expect_equal("imported again", &summary["entries"], &json!(COUNT))?;
    let get = ["get", "key-0999999", "--store", "other", "--collection", "many"];
    let last = kvgate.run(&get).await?.expect(0)?.json()?;
    expect_equal("the last entry", &last["n"], &json!(COUNT - 1))
}

/// Runs a command, watches its memory, and answers with its summary.
async fn watched(kvgate: &Kvgate, arguments: &[&str], feed: bool) -> Outcome<Value> {
    let mut command = kvgate.command(arguments)?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let feeding = feed.then(|| feed_lines(&mut child)).transpose()?;
    drop(child.stdin.take());
    let mut most = 0;
    while child.try_wait()?.is_none() {
        // it may end between the two
        most = most.max(resident_bytes(child.id()).unwrap_or_default());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let output = child.wait_with_output()?;
    if let Some(feeding) = feeding {
        feeding.join().map_err(|_| Failure::new("feeding the command"))??;
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    expect_equal(format!("{arguments:?}: {said}"), output.status.code(), Some(0))?;
    let text = format!("{arguments:?} took {} MiB", most >> 20);
    expect(most > 0 && most <= RESIDENT_BYTES_MAX, text)?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Writes the lines as they are read: all of them at once would be 200 MB.
fn feed_lines(child: &mut Child) -> Outcome<std::thread::JoinHandle<std::io::Result<()>>> {
    let stdin = child.stdin.take().ok_or_else(|| Failure::new("no standard input"))?;
    Ok(std::thread::spawn(move || {
        let mut lines = BufWriter::new(stdin);
        let pad = "x".repeat(100);
        for n in 0..COUNT {
            writeln!(lines, r#"{{"key":"key-{n:07}","value":{{"n":{n},"pad":"{pad}"}}}}"#)?;
        }
        lines.flush()
    }))
}
