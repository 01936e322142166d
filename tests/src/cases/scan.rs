//! Scanning all entries of a collection.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;

use crate::case::Case;
use crate::client::{Collection, entry, entry_for};
use crate::context::Context;
use crate::failure::{Outcome, expect, expect_equal};
use crate::need::Need;

pub(super) fn cases() -> Vec<Case> {
    let case = |case: Case| case.needs(Need::ListKeys);
    vec![
        case(Case::any_store("nothing", nothing)),
        case(Case::new("all_facts_of_an_entry", facts)),
        case(Case::new("with_a_prefix", prefix)),
        case(Case::new("twenty_thousand_entries", |context| all(context, 20_000, 20))),
        case(Case::new("large_entries", |context| all(context, 24, 1 << 20))),
        case(Case::new("messages_stay_small", messages_stay_small)),
        case(Case::new("while_others_write", while_others_write)),
    ]
}

fn value(n: usize, bytes: usize) -> Bytes {
    format!(r#"{{"n":{n},"pad":"{}"}}"#, "x".repeat(bytes)).into()
}

/// Puts entries in batches that fit into a message.
pub(super) async fn fill(here: &Collection, count: usize, bytes: usize) -> Outcome<Vec<String>> {
    let keys: Vec<String> = (0..count).map(|n| format!("key-{n:06}")).collect();
    let batch = (2 << 20) / (bytes + 40);
    for (index, part) in keys.chunks(batch.clamp(1, 10_000)).enumerate() {
        let first = index * batch.clamp(1, 10_000);
        let entries = part.iter().enumerate();
        let entries = entries.map(|(n, key)| entry(key, value(first + n, bytes)));
        here.put_many(entries.collect()).await?;
    }
    Ok(keys)
}

async fn nothing(context: Context) -> Outcome {
    let call = context.here.describe("ScanEntries", &"");
    expect_equal(call, context.here.scan("").await?, Vec::new())
}

async fn facts(context: Context) -> Outcome {
    let here = &context.here;
    let entries = vec![entry("a", "{}"), entry_for("b", r#"{"b":1}"#, Duration::from_hours(1))];
    here.put_many(entries).await?;
    let mut gotten = Vec::new();
    for key in ["a", "b"] {
        gotten.extend(here.get(key).await?);
    }
    expect_equal(here.describe("ScanEntries", &""), here.scan("").await?, gotten)
}

async fn prefix(context: Context) -> Outcome {
    let here = &context.here;
    let keys = ["a", "ab", "abc", "b", "a%", "a*", "a_", "a/"];
    here.put_many(keys.map(|key| entry(key, "{}")).to_vec()).await?;
    for prefix in ["a", "ab", "a%", "a*", "a_", "a/", "c", ""] {
        let mut expected: Vec<_> = keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
        expected.sort_unstable();
        let scanned = here.scan(prefix).await?;
        let scanned: Vec<&str> = scanned.iter().map(|entry| entry.key.as_str()).collect();
        expect_equal(here.describe("ScanEntries", &prefix), scanned, expected)?;
    }
    Ok(())
}

async fn all(context: Context, count: usize, bytes: usize) -> Outcome {
    let here = &context.here;
    let (count, bytes) = (context.many(count), context.large(bytes));
    let keys = fill(here, count, bytes).await?;
    let entries = here.scan("").await?;
    expect_equal("the number of entries of ScanEntries", entries.len(), count)?;
    for (n, (entry, key)) in entries.into_iter().zip(keys).enumerate() {
        let call = here.describe("ScanEntries", &key);
        expect_equal(&call, entry.key, key)?;
        context.expect_value(call, Some(entry.value), &value(n, bytes))?;
    }
    Ok(())
}

async fn messages_stay_small(context: Context) -> Outcome {
    fill(&context.here, context.many(2_000), 500).await?;
    for message in context.here.scan_messages("").await? {
        let size = message.encoded_len();
        expect(size <= (64 << 10) + 700, format!("a message of ScanEntries has {size} bytes"))?;
    }
    Ok(())
}

/// What was there for the whole call is there exactly once.
async fn while_others_write(context: Context) -> Outcome {
    let here = &context.here;
    let keys = fill(here, context.many(2_000), 100).await?;
    let scanning = async {
        for _ in 0..5 {
            let scanned = here.scan("key-").await?;
            let stable = scanned.into_iter().map(|entry| entry.key);
            let stable: Vec<String> = stable.filter(|key| !key.ends_with('x')).collect();
            expect_equal(here.describe("ScanEntries", &"key-"), stable, keys.clone())?;
        }
        Outcome::Ok(())
    };
    let writing = async {
        for round in 0.. {
            let (passing, stable) = (format!("key-{round:06}x"), &keys[round % keys.len()]);
            here.put(&passing, "{}").await?;
            here.put(stable, r#"{"again":true}"#).await?;
            here.delete(&passing).await?;
        }
        Outcome::Ok(())
    };
    tokio::select! {
        outcome = scanning => outcome,
        outcome = writing => outcome,
    }
}
