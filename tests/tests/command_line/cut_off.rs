//! Exports and imports that are killed half-way, and gone on with.

use std::path::Path;
use std::process::Child;

use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::wait::until;
use serde_json::{Value, json};

use crate::files::{keys, lines};
use crate::kvgate::{Kvgate, begin};

/// So many that it takes some seconds.
const COUNT: usize = 200_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_export() -> Outcome {
    let kvgate = Kvgate::start().await?;
    kvgate.run_with(&["import", "-", "--collection", "many"], &lines(COUNT)).await?.expect(0)?;
    kvgate.run(&["put", "other", "{}", "--collection", "few"]).await?.expect(0)?;
    let (child, _) = begin(kvgate.command(&["export", "all.jsonl.zst"])?, String::new())?;
    let position = kvgate.folder.path("all.jsonl.zst.part.json");
    kill_half_way(child, &position, "entries").await?;
    expect(!kvgate.folder.path("all.jsonl.zst").exists(), "what is not complete has its name")?;

    let again = kvgate.run(&["export", "all.jsonl.zst"]).await?.expect(2)?;
    expect(again.err.contains("was cut off") && again.err.contains("--resume"), again.err)?;
    let other = ["export", "all.jsonl.zst", "--resume", "--prefix", "x"];
    kvgate.run(&other).await?.expect(2)?;
    let resumed = kvgate.run(&["export", "all.jsonl.zst", "--resume"]).await?.expect(0)?.json()?;
    let counts = (&resumed["entries"], &resumed["collections"]);
    expect_equal("exported", counts, (&json!(COUNT + 1), &json!(2)))?;
    expect(!position.exists(), "the position is still there")?;

    // each entry is there once
    kvgate.run(&["import", "all.jsonl.zst", "--store", "other"]).await?.expect(0)?;
    let back = ["export", "-", "--store", "other", "--collection", "many"];
    let back = kvgate.run(&back).await?.expect(0)?.lines()?;
    let expected = (0..COUNT).map(|n| format!("key-{n:07}"));
    expect(keys(&back).into_iter().eq(expected), "other keys than were exported")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import() -> Outcome {
    let kvgate = Kvgate::start().await?;
    std::fs::write(kvgate.folder.path("all.jsonl"), lines(COUNT))?;
    let import = ["import", "all.jsonl", "--collection", "many"];
    let (child, _) = begin(kvgate.command(&import)?, String::new())?;
    let position = kvgate.folder.path("all.jsonl.import.json");
    let line = kill_half_way(child, &position, "line").await?;

    // what was acknowledged is stored
    let key = format!("key-{:07}", line - 1);
    kvgate.run(&["get", &key, "--collection", "many"]).await?.expect(0)?;
    let elsewhere = ["import", "all.jsonl", "--resume", "--store", "other"];
    let elsewhere = kvgate.run(&elsewhere).await?.expect(2)?;
    expect(elsewhere.err.contains("another place"), elsewhere.err)?;
    let resume = [&import[..], &["--resume"]].concat();
    let resumed = kvgate.run(&resume).await?.expect(0)?.json()?;
    expect_equal("imported in all", &resumed["entries"], &json!(COUNT))?;
    expect(!position.exists(), "the position is still there")?;
    let listed = kvgate.run(&["list", "--collection", "many"]).await?.expect(0)?;
    expect_equal("stored", listed.out.lines().count(), COUNT)
}

/// Kills a command as soon as it has saved a position, and says which.
async fn kill_half_way(mut child: Child, position: &Path, field: &str) -> Outcome<u64> {
    let saved = until("a position is saved", async || {
        if let Some(status) = child.try_wait()? {
            return Err(Failure::new(format!("it ended with {status} before it could be killed")));
        }
        let text = std::fs::read(position).unwrap_or_default();
        let saved: Value = serde_json::from_slice(&text).unwrap_or_default();
        Ok(saved[field].as_u64().filter(|count| *count > 0))
    });
    let saved = saved.await?;
    child.kill()?;
    child.wait()?;
    // it may have got further meanwhile, and have said so
    let last: Value = serde_json::from_slice(&std::fs::read(position)?)?;
    let last = last[field].as_u64().unwrap_or(saved);
    expect(last < COUNT as u64, "it was killed after its end")?;
    Ok(last)
}
