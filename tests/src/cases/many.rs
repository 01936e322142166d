//! Calls on many keys answer in the order of the request.

use bytes::Bytes;

use crate::case::Case;
use crate::client::{entry, found};
use crate::context::Context;
use crate::failure::{Outcome, expect, expect_equal};
use crate::rpc_error::refused_field;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::any_store("empty_lists", empty_lists),
        Case::new("order_duplicates_and_missing", order),
        Case::new("the_same_key_twice_ends_with_its_last", same_key_twice),
        Case::new("delete_many", delete_many),
        Case::new("ten_thousand_keys", ten_thousand),
        Case::new("a_bad_entry_stores_nothing", bad_entry),
    ]
}

async fn empty_lists(context: Context) -> Outcome {
    let here = &context.here;
    let none: &[&str] = &[];
    here.put_many(Vec::new()).await?;
    expect_equal(here.describe("GetMany", &none), here.get_many(none).await?, Vec::new())?;
    expect_equal(here.describe("TtlMany", &none), here.ttl_many(none).await?, Vec::new())?;
    let answer = here.delete_many(none).await?;
    let call = here.describe("DeleteMany", &none);
    expect_equal(call, (answer.results, answer.deleted_count), (Vec::new(), 0))?;
    let call = here.describe("StreamGetMany", &none);
    expect_equal(call, here.stream_results(Vec::new()).await?, Vec::new())
}

async fn order(context: Context) -> Outcome {
    let here = &context.here;
    let value = |key: &str| Bytes::from(format!(r#"{{"key":"{key}"}}"#));
    here.put_many(["c", "a", "b"].map(|key| entry(key, value(key))).to_vec()).await?;
    let keys = ["b", "none", "a", "b", "nothing", "c", "none"];
    let pairs = found(here.get_many(&keys).await?)?;
    let call = here.describe("GetMany", &keys);
    expect_equal(&call, pairs.len(), keys.len())?;
    for ((key, found), asked) in pairs.into_iter().zip(keys) {
        expect_equal(&call, &key, asked)?;
        let call = format!("{call}: {asked}");
        if asked.starts_with('n') {
            expect_equal(call, found, None)?;
        } else {
            context.expect_value(call, found, &value(asked))?;
        }
    }
    let results = here.ttl_many(&keys).await?;
    let call = here.describe("TtlMany", &keys);
    let asked: Vec<&str> = results.iter().map(|result| result.key.as_str()).collect();
    expect_equal(&call, asked, keys)?;
    for result in results {
        let there = !result.key.starts_with('n');
        expect_equal(format!("{call}: {}", result.key), result.entry.is_some(), there)?;
    }
    Ok(())
}

async fn same_key_twice(context: Context) -> Outcome {
    let here = &context.here;
    let entries = [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)];
    let entries = entries.map(|(key, n)| entry(key, format!(r#"{{"n":{n}}}"#)));
    here.put_many(entries.to_vec()).await?;
    for (key, value) in [("a", r#"{"n":3}"#), ("b", r#"{"n":2}"#)] {
        let found = here.value(key).await?;
        context.expect_value(here.describe("Get", &key), found, &value.into())?;
    }
    Ok(())
}

async fn delete_many(context: Context) -> Outcome {
    let here = &context.here;
    here.put_many(["a", "b", "c"].map(|key| entry(key, "{}")).to_vec()).await?;
    let keys = ["a", "none", "b", "a"];
    let answer = here.delete_many(&keys).await?;
    let call = here.describe("DeleteMany", &keys);
    let results: Vec<_> =
        answer.results.iter().map(|result| (result.key.as_str(), result.deleted)).collect();
    expect_equal(&call, results, [("a", true), ("none", false), ("b", true), ("a", false)])?;
    expect_equal(&call, answer.deleted_count, 2)?;
    let left = found(here.get_many(&["a", "b", "c"]).await?)?;
    let left: Vec<bool> = left.iter().map(|(_, value)| value.is_some()).collect();
    expect_equal(here.describe("GetMany", &["a", "b", "c"]), left, [false, false, true])
}

async fn ten_thousand(context: Context) -> Outcome {
    let here = &context.here;
    let count = context.many(10_000);
    let keys: Vec<String> = (0..count).map(|n| format!("key-{n}")).collect();
    let value = |n: usize| format!(r#"{{"n":{n}}}"#);
    let entries = keys.iter().enumerate().map(|(n, key)| entry(key, value(n)));
    here.put_many(entries.collect()).await?;
    let pairs = found(here.get_many(&keys).await?)?;
    expect_equal("the number of results of GetMany", pairs.len(), keys.len())?;
    for (n, ((key, found), asked)) in pairs.into_iter().zip(&keys).enumerate() {
        expect_equal("the key of a result of GetMany", &key, asked)?;
        context.expect_value(here.describe("GetMany", &key), found, &value(n).into())?;
    }
    let answer = here.delete_many(&keys).await?;
    expect_equal("the deleted_count of DeleteMany", answer.deleted_count, i64::try_from(count)?)?;
    let pairs = found(here.get_many(&keys[..count.min(100)]).await?)?;
    expect(pairs.iter().all(|(_, value)| value.is_none()), "an entry outlived DeleteMany")
}

async fn bad_entry(context: Context) -> Outcome {
    let here = &context.here;
    let entries = vec![entry("good", "{}"), entry("bad", "[]"), entry("also good", "{}")];
    let call = here.describe("PutMany", &["good", "bad", "also good"]);
    let answer = here.put_many(entries).await;
    let error = refused_field(answer, call, "INVALID_VALUE", "entries[1].value")?;
    expect(error.put_many_failure.is_none(), "an error that stored nothing has a PutManyFailure")?;
    let pairs = found(here.get_many(&["good", "bad", "also good"]).await?)?;
    let stored = pairs.into_iter().find(|(_, value)| value.is_some());
    expect_equal("what a refused PutMany has stored", stored, None)
}
