//! Values that cross over.

use kvgate_tests::client::{entry, found};
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::setups::Setup;
use serde_json::json;

use crate::pair::Pair;

/// Objects as Python writes them: members sorted, a space after each comma and
/// colon, ASCII alone. Both sides must have exactly this.
const TEXTS: &[&str] = &[
    "{}",
    r#"{"a": null, "b": true, "c": false, "d": "", "e": [], "f": {}}"#,
    r#"{"a": [1, [2, [3, {"b": []}]]]}"#,
    r#"{"float": 1.0, "int": 1, "negative": -0.0}"#,
    r#"{"n": 9007199254740993}"#,
    r#"{"n": 123456789012345678901234567890123456789012345678901234567890}"#,
    r#"{"n": 1e+300}"#,
    r#"{"n": 0.1}"#,
    r#"{"s": "\u00e9 \ud83d\ude00 \" \\ \n \t \u0000"}"#,
    r#"{"lone": "\ud800"}"#,
    r#"{"created_at": 1, "expires_at": 2, "key": 3, "value": {"version": 4}}"#,
];

/// Whether the backend has no form for the value, whoever stores it.
fn is_refused(setup: &Setup, text: &str) -> bool {
    setup.facts.refused_values.iter().any(|part| text.contains(part))
}

pub(crate) async fn from_python(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    for (index, text) in TEXTS.iter().enumerate() {
        let key = format!("key-{index}");
        if text.contains(r"\ud800") && setup.facts.python_client_writes {
            // for what becomes of it see unreadable.rs
            continue;
        }
        if is_refused(setup, text) {
            let refused = pair.python.put("values", &key, text).is_err();
            expect(refused, format!("Python put {text}, for which the backend has no form"))?;
            continue;
        }
        pair.python.put("values", &key, text)?;
        pair.expect_server("values", &key, text).await?;
    }
    Ok(())
}

pub(crate) async fn from_server(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    let taken = TEXTS.iter().filter(|text| !is_refused(setup, text));
    for (index, text) in taken.enumerate() {
        let key = format!("key-{index}");
        pair.server("values").put(&key, *text).await?;
        pair.expect_python("values", &key, text)?;
    }
    // Texts that Python would not have written, and what it makes of them.
    for (text, python) in [
        (r#"{"é":"😀"}"#, r#"{"\u00e9": "\ud83d\ude00"}"#),
        ("{\n\"b\":1,\t\"a\":2}", r#"{"a": 2, "b": 1}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a": 2}"#),
        (r#"{"a":1.00,"b":1E2}"#, r#"{"a": 1.0, "b": 100.0}"#),
        (r#"{"a":"\/"}"#, r#"{"a": "/"}"#),
    ] {
        if is_refused(setup, text) {
            continue;
        }
        pair.server("values").put("key", text).await?;
        pair.expect_python("values", "key", python)?;
        pair.expect_server("values", "key", text).await?;
    }
    Ok(())
}

/// Sizes on both sides of those at which a value gets a file of its own.
const SIZES: &[usize] = &[1_000, 32_000, 32_600, 32_700, 32_768, 33_000, 100_000, 2_000_000];

fn text_of(size: usize) -> String {
    format!(r#"{{"pad": "{}"}}"#, "x".repeat(size))
}

pub(crate) async fn large(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    pair.server_makes("large").await?;
    let store = pair.client.get_store(setup.name).await?;
    let limit = usize::try_from(store.limits.unwrap_or_default().value_bytes_max)?;
    for size in SIZES.iter().filter(|size| limit == 0 || **size < limit) {
        let text = text_of(setup.facts.large(*size));
        pair.python.put("large", "python", &text)?;
        pair.expect_server("large", "python", &text).await?;
        pair.server("large").put("server", text.clone()).await?;
        pair.expect_python("large", "server", &text)?;
    }
    // Text whose length in bytes is not that in characters.
    let wide = format!(r#"{{"pad":"{}"}}"#, "é".repeat(20_000));
    pair.server("large").put("wide", wide).await?;
    let escaped = format!(r#"{{"pad": "{}"}}"#, r"\u00e9".repeat(20_000));
    pair.expect_python("large", "wide", &escaped)?;
    pair.python.put("large", "wide", &escaped)?;
    pair.expect_server("large", "wide", &escaped).await
}

/// Each side replaces what the other has put, from small to large and back.
pub(crate) async fn replaced(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    pair.server_makes("replaced").await?;
    for size in [10, 50_000, 60_000, 20, 70_000] {
        let (one, other) = (text_of(size), text_of(size + 1));
        pair.python.put("replaced", "key", &one)?;
        pair.expect_server("replaced", "key", &one).await?;
        pair.server("replaced").put("key", other.clone()).await?;
        pair.expect_python("replaced", "key", &other)?;
    }
    Ok(())
}

pub(crate) async fn deleted(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    pair.server_makes("deleted").await?;
    for size in [10, 50_000] {
        let text = text_of(size);
        pair.python.put("deleted", "key", &text)?;
        let here = pair.server("deleted");
        expect_equal(here.describe("Delete", &"key"), here.delete("key").await?, true)?;
        expect_equal("Python get", pair.python.get("deleted", "key")?, None)?;
        expect_equal("Python delete", pair.python.delete("deleted", "key")?, false)?;

        here.put("key", text).await?;
        expect_equal("Python delete", pair.python.delete("deleted", "key")?, true)?;
        expect_equal(here.describe("Get", &"key"), here.get("key").await?, None)?;
        expect_equal(here.describe("Delete", &"key"), here.delete("key").await?, false)?;
    }
    Ok(())
}

pub(crate) async fn many(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    pair.server_makes("many").await?;
    let here = pair.server("many");
    let count = setup.facts.many(300);
    let text = |n: usize| match n % 50 {
        49 => text_of(40_000 + n),
        _ => format!(r#"{{"n": {n}}}"#),
    };
    let keys = |side: &str| (0..count).map(|n| format!("{side}_{n}")).collect::<Vec<_>>();
    let (python, server) = (keys("python"), keys("server"));
    let texts: Vec<String> = (0..count).map(text).collect();
    pair.python.call(&json!({
        "do": "put_many", "collection": "many", "keys": python, "values": texts, "ttl": null,
    }))?;
    let entries = server.iter().zip(&texts).map(|(key, text)| entry(key, text.clone()));
    here.put_many(entries.collect()).await?;

    for keys in [&python, &server] {
        let results = found(here.get_many(keys).await?)?;
        for ((key, value), text) in results.into_iter().zip(&texts) {
            pair.expect_text(here.describe("GetMany", &key), value, text)?;
        }
        let request = json!({ "do": "get_many", "collection": "many", "keys": keys });
        expect_equal("Python get_many", pair.python.call(&request)?, json!(texts))?;
    }
    if pair.capabilities.list_keys {
        let mut listed = [python.clone(), server.clone()].concat();
        listed.sort_unstable();
        expect_equal(here.describe("ListKeys", &""), here.sorted_keys("").await?, listed)?;
    }

    let request = json!({ "do": "delete_many", "collection": "many", "keys": server });
    expect_equal("Python delete_many", pair.python.call(&request)?, json!(count))?;
    let answer = here.delete_many(&python).await?;
    expect_equal(
        here.describe("DeleteMany", &"python_…"),
        answer.deleted_count,
        i64::try_from(count)?,
    )?;
    let left = found(here.get_many(&[python, server].concat()).await?)?;
    let left = left.iter().find(|(_, value)| value.is_some());
    expect_equal(here.describe("GetMany", &"all"), left, None)
}
