//! `list` and `scan`.

use kvgate_tests::failure::{Outcome, expect, expect_equal};
use serde_json::json;

use crate::kvgate::Kvgate;

#[tokio::test]
async fn keys_and_collections() -> Outcome {
    let kvgate = Kvgate::start().await?;
    for key in ["user/1", "user/2", "group \"1\"\n"] {
        kvgate.run(&["put", key, "{}", "--collection", "names"]).await?.expect(0)?;
    }
    let listed = kvgate.run(&["list", "--collection", "names"]).await?.expect(0)?;
    let mut keys = listed.lines()?;
    keys.sort_by_key(ToString::to_string);
    expect_equal("keys", keys, [json!("group \"1\"\n"), json!("user/1"), json!("user/2")])?;
    let some = kvgate.run(&["list", "user/", "--collection", "names"]).await?.expect(0)?;
    expect_equal("keys with a prefix", some.lines()?.len(), 2)?;
    let collections = kvgate.run(&["list", "--collections"]).await?.expect(0)?;
    expect_equal("collections", collections.lines()?, [json!("names")])?;
    let table = ["list", "user/", "--collection", "names", "--format", "table"];
    let table = kvgate.run(&table).await?.expect(0)?;
    expect(table.out.trim_start().starts_with("KEY") && table.out.contains("user/2"), table.out)
}

#[tokio::test]
async fn entries() -> Outcome {
    let kvgate = Kvgate::start().await?;
    kvgate.run(&["put", "a", "{\"n\":1.0}", "--ttl", "1h"]).await?.expect(0)?;
    kvgate.run(&["put", "b", "{\n\"n\":\n2}"]).await?.expect(0)?;
    let mut entries = kvgate.run(&["scan"]).await?.expect(0)?.lines()?;
    entries.sort_by_key(|entry| entry["key"].to_string());
    let found = entries.iter().map(|entry| (&entry["key"], &entry["value"]["n"]));
    let expected = [(json!("a"), json!(1.0)), (json!("b"), json!(2))];
    expect_equal(
        "entries",
        found.collect::<Vec<_>>(),
        expected.each_ref().map(|it| (&it.0, &it.1)),
    )?;
    expect(entries[0]["expires_at"].is_string(), "when it expires")?;
    expect(entries[1].get("expires_at").is_none(), "it expires never")?;
    let table = kvgate.run(&["scan", "a", "--format", "table"]).await?.expect(0)?;
    expect(table.out.contains("EXPIRES") && !table.out.contains('\u{1b}'), table.out)
}
