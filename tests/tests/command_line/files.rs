//! `export` and `import`.

use std::fmt::Write as _;

use kvgate_tests::failure::{Outcome, expect, expect_equal};
use serde_json::{Value, json};

use crate::kvgate::Kvgate;

/// Lines to import.
pub(crate) fn lines(count: usize) -> String {
    (0..count).fold(String::new(), |mut lines, n| {
        let pad = "x".repeat(100);
        // a string takes everything
        let _ = writeln!(lines, r#"{{"key":"key-{n:07}","value":{{"n":{n},"pad":"{pad}"}}}}"#);
        lines
    })
}

#[tokio::test]
async fn there_and_back() -> Outcome {
    let kvgate = Kvgate::start().await?;
    let odd = "{\r\n \"lines\": 1.0}";
    for (collection, key, value, ttl) in [
        ("sessions", "user 7", "{ \"n\":1e2, \"n\" : 2 }", Some("1h")),
        ("sessions", "schl\u{fc}ssel \"\n", odd, None),
        ("", "in the default one", "{}", Some("7d")),
    ] {
        let put = ["put", key, value, "--collection", collection];
        let ttl: Vec<&str> = ttl.into_iter().flat_map(|ttl| ["--ttl", ttl]).collect();
        kvgate.run(&[&put[..], &ttl].concat()).await?.expect(0)?;
    }
    for file in ["all.jsonl", "all.jsonl.gz", "all.jsonl.zst"] {
        let exported = kvgate.run(&["export", file]).await?.expect(0)?;
        let summary = exported.json()?;
        expect_equal(
            "entries",
            (&summary["entries"], &summary["collections"]),
            (&json!(3), &json!(2)),
        )?;
        expect_equal("standard error: no bar", exported.err.as_str(), "")?;
        expect(!kvgate.folder.path(&format!("{file}.part")).exists(), "the part is still there")?;
        let destroyed = ["import", file, "--store", "other"];
        let imported = kvgate.run(&destroyed).await?.expect(0)?.json()?;
        expect_equal(file, &imported["entries"], &json!(3))?;
        let get = |key, collection| ["get", key, "--store", "other", "--collection", collection];
        let one = kvgate.run(&get("user 7", "sessions")).await?.expect(0)?;
        expect_equal("user 7", one.out.as_str(), "{ \"n\":1e2, \"n\" : 2 }\n")?;
        let two = kvgate.run(&get("schl\u{fc}ssel \"\n", "sessions")).await?.expect(0)?;
        expect_equal("the odd one", two.out, format!("{odd}\n"))?;
        let ttl = ["ttl", "in the default one", "--store", "other"];
        let left = kvgate.run(&ttl).await?.expect(0)?.json()?.as_f64();
        let week = 7.0 * 86_400.0;
        let kept = left.is_some_and(|left| left <= week && left > week - 600.0);
        expect(kept, format!("a week became {left:?}"))?;
    }
    let again = kvgate.run(&["export", "all.jsonl"]).await?.expect(2)?;
    expect(again.err.contains("--overwrite"), again.err)?;
    kvgate.run(&["export", "all.jsonl", "--overwrite"]).await?.expect(0)?;
    Ok(())
}

#[tokio::test]
async fn what_is_chosen() -> Outcome {
    let kvgate = Kvgate::start().await?;
    let input = "{\"collection\":\"a\",\"key\":\"x1\",\"value\":{}}\n\n\
                 {\"collection\":\"a\",\"key\":\"y1\",\"value\":{},\"ttl\":60}\n\
                 {\"collection\":\"b\",\"key\":\"x2\",\"text\":\"{}\"}\n\
                 {\"collection\":\"b\",\"key\":\"z\",\"value\":{},\"expires_at\":\"2001-01-01T00:00:00Z\"}";
    let imported = kvgate.run_with(&["import", "-"], input).await?.expect(0)?.json()?;
    expect_equal("imported", (&imported["entries"], &imported["expired"]), (&json!(3), &json!(1)))?;
    for (arguments, count) in [
        (&["export", "-"][..], 3),
        (&["export", "-", "--collection", "a"], 2),
        (&["export", "-", "--prefix", "x"], 2),
        (&["export", "-", "--collection", "a", "--collection", "b", "--prefix", "x2"], 1),
        (&["export", "-", "--collection", "none"], 0),
    ] {
        let exported = kvgate.run(arguments).await?.expect(0)?;
        expect_equal(format!("{arguments:?}"), exported.lines()?.len(), count)?;
    }
    let all = kvgate.run(&["export", "-"]).await?.expect(0)?;
    let into = ["import", "-", "--collection", "c", "--store", "other"];
    kvgate.run_with(&into, &all.out).await?.expect(0)?;
    let listed = kvgate.run(&["list", "--collection", "c", "--store", "other"]).await?.expect(0)?;
    expect_equal("all in one collection", listed.lines()?.len(), 3)
}

#[tokio::test]
async fn bad_input() -> Outcome {
    let kvgate = Kvgate::start().await?;
    let good = r#"{"key":"good","value":{}}"#;
    for (bad, code, says) in [
        ("not json", 2, "line 2: it is not JSON"),
        (r#"{"key":"a","value":{},"expires":"secret"}"#, 2, "line 2: unknown field `expires`"),
        (r#"{"key":"a"}"#, 2, "line 2: it has not one of `value` and `text`"),
        (r#"{"key":"","value":{}}"#, 2, "line 2: key is empty"),
        (r#"{"key":"a","value":[1]}"#, 2, "line 2: value is JSON, but not an object"),
    ] {
        let input = format!("{good}\n{bad}\n{good}\n");
        let done = kvgate.run_with(&["import", "-"], &input).await?.expect(code)?;
        expect(done.err.contains(says), format!("no {says:?} in {}", done.err))?;
        expect(!done.err.contains("secret"), "a value is shown")?;
    }
    for name in ["cut.gz", "cut.zst"] {
        kvgate
            .run_with(&["import", "-", "--collection", "c"], &crate::files::lines(5_000))
            .await?
            .expect(0)?;
        kvgate.run(&["export", name, "--collection", "c", "--overwrite"]).await?.expect(0)?;
        let path = kvgate.folder.path(name);
        let whole = std::fs::read(&path)?;
        std::fs::write(&path, &whole[..whole.len() / 2])?;
        let done = kvgate.run(&["import", name, "--store", "other"]).await?.expect(1)?;
        expect(done.err.contains("after line"), done.err)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_can_not_be_written() -> Outcome {
    let kvgate = Kvgate::start().await?;
    let done = kvgate.run_with(&["import", "-", "--store", "sealed"], &lines(3_000)).await?;
    let done = done.expect(1)?;
    expect(done.err.contains("READ_ONLY") && done.err.contains("0 entries"), done.err)
}

/// The keys in exported lines, sorted.
pub(crate) fn keys(lines: &[Value]) -> Vec<&str> {
    let mut keys: Vec<&str> = lines.iter().filter_map(|line| line["key"].as_str()).collect();
    keys.sort_unstable();
    keys
}
