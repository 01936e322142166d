//! Both sides with the directory open, and both writing.

use kvgate_tests::client::found;
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::python::Python;
use kvgate_tests::running::{Prepared, Stop};
use kvgate_tests::setups::Setup;
use serde_json::json;

use crate::pair::Pair;

/// The server opens a directory that Python has made and still has open.
pub(crate) async fn python_first(setup: &'static Setup) -> Outcome {
    let prepared = Prepared::new(setup).await?;
    let mut python = Python::open(setup, &prepared.python())?;
    let large = format!(r#"{{"pad": "{}"}}"#, "x".repeat(setup.facts.python_large(50_000)));
    python.put("first", "small", r#"{"n": 1}"#)?;
    python.put("first", "large", &large)?;
    let mut pair = Pair::beside(setup, prepared.start().await?).await?;
    pair.expect_server("first", "small", r#"{"n": 1}"#).await?;
    pair.expect_server("first", "large", &large).await?;
    pair.server("first").put("small", r#"{"n": 2}"#).await?;
    for python in [&mut python, &mut pair.python] {
        expect_equal("Python get", python.get("first", "small")?.as_deref(), Some(r#"{"n": 2}"#))?;
    }
    // What a server leaves is whole for Python, and for the next server.
    let prepared = pair.running.stop(Stop::Killed).await?;
    python.put("first", "later", r#"{"n": 3}"#)?;
    let pair = Pair::beside(setup, prepared.start().await?).await?;
    pair.expect_server("first", "small", r#"{"n": 2}"#).await?;
    pair.expect_server("first", "later", r#"{"n": 3}"#).await
}

/// Neither side loses what it has written while the other writes.
pub(crate) async fn both_write(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    let here = pair.server("both");
    let count = setup.facts.many(300);
    let keys = |side: &str| (0..count).map(|n| format!("{side}-{n}")).collect::<Vec<_>>();
    let (python, server) = (keys("python"), keys("server"));
    let request = json!({
        "do": "put_one_by_one", "collection": "both", "keys": python, "value": r#"{"by": "p"}"#,
    });
    pair.python.send(&request)?;
    for key in &server {
        here.put(key, r#"{"by": "s"}"#).await?;
        here.put("common", r#"{"by": "s"}"#).await?;
    }
    pair.python.answer(&request)?;

    let all = [python, server].concat();
    let results = found(here.get_many(&all).await?)?;
    let lost = results.iter().find(|(_, value)| value.is_none());
    expect_equal("an entry that is lost to the server", lost, None)?;
    let request = json!({ "do": "get_many", "collection": "both", "keys": all });
    let answer = pair.python.call(&request)?;
    let found = answer.as_array().map(|values| values.iter().filter(|one| !one.is_null()).count());
    expect_equal("how many entries Python finds", found, Some(count * 2))
}

/// Two Python processes and the server write the same keys.
pub(crate) async fn many_processes(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    pair.server_makes("same").await?;
    let mut second = Python::open(setup, &pair.running.python())?;
    let here = pair.server("same");
    // One after the other: two that set up a collection at once fail in Python ("already
    // exists", MongoDB), which is not what this is about.
    for python in [&mut pair.python, &mut second] {
        python.put("same", "key-0", "{}")?;
    }
    let keys: Vec<String> = (0..setup.facts.many(100)).map(|n| format!("key-{n}")).collect();
    let bytes = setup.facts.large(40_000);
    let large = |by: &str| format!(r#"{{"by": "{by}", "pad": "{}"}}"#, by.repeat(bytes));
    let request = |by: &str| json!({ "do": "put_one_by_one", "collection": "same", "keys": keys, "value": large(by) });
    pair.python.send(&request("p"))?;
    second.send(&request("q"))?;
    for key in &keys {
        here.put(key, large("s")).await?;
        let found = here.value(key).await?.unwrap_or_default();
        let whole = ["p", "q", "s"].iter().any(|by| pair.is_same(&found, &large(by)));
        expect(whole, format!("{}: a value that nobody has written", here.describe("Get", key)))?;
    }
    pair.python.answer(&request("p"))?;
    second.answer(&request("q"))?;
    let results = found(here.get_many(&keys).await?)?;
    for (key, value) in results {
        let python = pair.python.get("same", &key)?.unwrap_or_default();
        pair.expect_text(here.describe("Get", &key), value, &python)?;
    }
    Ok(())
}
