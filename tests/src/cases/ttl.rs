//! Entries end when their time is over, and not before.

use std::time::{Duration, Instant, SystemTime};

use crate::case::Case;
use crate::client::{Collection, duration, entry, entry_for, found};
use crate::context::Context;
use crate::failure::{Failure, Outcome, expect, expect_equal};
use crate::wait::until;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("below_a_second", |context| ends(context, Duration::from_millis(300))),
        Case::new("a_second_and_a_half", |context| ends(context, Duration::from_millis(1500))),
        Case::new("one_millisecond", |context| ends(context, Duration::from_millis(1))),
        Case::new("one_nanosecond", |context| ends(context, Duration::from_nanos(1))),
        Case::new("a_hundred_years", |context| long(context, YEAR * 100)),
        Case::new("five_thousand_years", |context| long(context, YEAR * 5000)),
        Case::new("put_without_ttl_removes_it", put_without),
        Case::new("put_with_ttl_replaces_it", put_with),
        Case::new("remaining_time", remaining),
        Case::new("of_many", of_many),
        Case::new("expired_is_invisible", expired_is_invisible),
        Case::new("expired_is_not_deleted", expired_is_not_deleted),
        Case::new("put_over_an_expired_entry", put_over_expired),
    ]
}

const YEAR: Duration = Duration::from_hours(24 * 365);

/// Steps of the clock that stamps entries against the one that measures here.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(20);

/// Asks until the entry is gone, and checks each answer against the clock: the
/// time over which an entry must be there, and the time from which it must not.
async fn ends(context: Context, ttl: Duration) -> Outcome {
    let here = &context.here;
    let before_put = Instant::now();
    here.put_for("key", "{}", ttl).await?;
    let after_put = Instant::now();
    let call = here.describe("Get", &"key");
    until(format!("{call} finds nothing"), async || {
        let asked = Instant::now();
        let found = here.get("key").await?.is_some();
        let answered = Instant::now();
        if answered + CLOCK_TOLERANCE < before_put + ttl {
            expect(found, format!("{call}: gone {:?} after put", answered - before_put))?;
        }
        if asked > after_put + ttl + CLOCK_TOLERANCE {
            expect(!found, format!("{call}: still there {:?} after put", asked - after_put))?;
        }
        Ok((!found).then_some(()))
    })
    .await
}

async fn long(context: Context, ttl: Duration) -> Outcome {
    let here = &context.here;
    let before = SystemTime::now();
    here.put_for("key", "{}", ttl).await?;
    let call = here.describe("Ttl", &"key");
    let answer = here.ttl("key").await?;
    let entry = answer.entry.ok_or_else(|| Failure::new(format!("{call}: found nothing")))?;
    let expires = entry.expires_at.ok_or_else(|| Failure::new(format!("{call}: no expiry")))?;
    let expires = SystemTime::try_from(expires)?;
    // A store that keeps times as floats has few digits left that far away.
    let second = Duration::from_secs(1);
    let range = before + ttl - second..SystemTime::now() + ttl + second;
    expect(range.contains(&expires), format!("{call}: expires at {expires:?}"))?;
    let left = answer.ttl.ok_or_else(|| Failure::new(format!("{call}: no time left")))?;
    let left = Duration::try_from(left)?;
    let near = left <= ttl + Duration::from_secs(1) && left + Duration::from_mins(1) > ttl;
    expect(near, format!("{call}: {left:?} is left of {ttl:?}"))
}

/// Puts a last entry with `ttl` and waits for its end: every entry that was
/// put before it with the same time has then ended, without being looked at.
async fn wait_out(here: &Collection, ttl: Duration) -> Outcome {
    here.put_for("the last to end", "{}", ttl).await?;
    until("the last entry has ended", async || {
        Ok(here.get("the last to end").await?.is_none().then_some(()))
    })
    .await
}

async fn put_without(context: Context) -> Outcome {
    let here = &context.here;
    let ttl = Duration::from_millis(300);
    here.put_for("key", "{}", ttl).await?;
    here.put("key", r#"{"for":"ever"}"#).await?;
    wait_out(here, ttl).await?;
    let call = here.describe("Get", &"key");
    let entry = here.get("key").await?.ok_or_else(|| Failure::new(format!("{call}: gone")))?;
    expect_equal(&call, entry.expires_at, None)?;
    expect_equal(here.describe("Ttl", &"key"), here.ttl("key").await?.ttl, None)?;
    context.expect_value(call, Some(entry.value), &r#"{"for":"ever"}"#.into())
}

async fn put_with(context: Context) -> Outcome {
    let here = &context.here;
    let short = Duration::from_millis(300);
    here.put_for("longer", "{}", short).await?;
    here.put_for("longer", "{}", Duration::from_hours(1)).await?;
    here.put("ends", "{}").await?;
    here.put_for("ends", "{}", short).await?;
    wait_out(here, short).await?;
    expect(here.get("longer").await?.is_some(), here.describe("Get", &"longer"))?;
    expect_equal(here.describe("Get", &"ends"), here.get("ends").await?, None)
}

async fn remaining(context: Context) -> Outcome {
    let here = &context.here;
    let ttl = Duration::from_mins(10);
    let before = Instant::now();
    here.put_for("key", "{}", ttl).await?;
    let single = here.ttl("key").await?.ttl;
    let many = here.ttl_many(&["key"]).await?.first().and_then(|result| result.ttl);
    for (call, left) in [("Ttl", single), ("TtlMany", many)] {
        let call = here.describe(call, &"key");
        let left = left.ok_or_else(|| Failure::new(format!("{call}: no time left")))?;
        let left = Duration::try_from(left)?;
        let least = ttl.saturating_sub(before.elapsed() + CLOCK_TOLERANCE);
        let range = least..=ttl + CLOCK_TOLERANCE;
        expect(range.contains(&left), format!("{call}: {left:?} is not in {range:?}"))?;
    }
    Ok(())
}

/// The time of each entry, or that of the call for those without one.
async fn of_many(context: Context) -> Outcome {
    let here = &context.here;
    let (own, common) = (Duration::from_mins(5), Duration::from_hours(5));
    let entries = vec![entry_for("own", "{}", own), entry("common", "{}")];
    here.put_many_with(entries, Some(duration(common))).await?;
    here.put_many(vec![entry("none", "{}")]).await?;
    let results = here.ttl_many(&["own", "common", "none"]).await?;
    for (result, expected) in results.iter().zip([Some(own), Some(common), None]) {
        let call = here.describe("TtlMany", &result.key);
        expect(result.entry.is_some(), &call)?;
        let left = result.ttl.map(Duration::try_from).transpose()?;
        let near = match (left, expected) {
            (Some(left), Some(ttl)) => {
                left <= ttl + CLOCK_TOLERANCE && left + Duration::from_mins(1) > ttl
            }
            (None, None) => true,
            _ => false,
        };
        expect(near, format!("{call}: {left:?} is left of {expected:?}"))?;
    }
    Ok(())
}

async fn expired_is_invisible(context: Context) -> Outcome {
    let here = &context.here;
    let ended = here.beside(&format!("{}-ended", here.collection));
    let ttl = Duration::from_millis(200);
    for place in [here, &ended] {
        place
            .put_many(vec![entry_for("ends 1", "{}", ttl), entry_for("ends 2", "{}", ttl)])
            .await?;
        place.put_for("ends 3", "{}", ttl).await?;
    }
    here.put("lives", "{}").await?;
    wait_out(here, ttl).await?;

    // Listing comes first: reading may make a store remove what has ended.
    if context.capabilities.list_collections {
        let collections = context.client.collections(context.store(), &here.collection, 0).await?;
        let call = "ListCollections, one of which has only ended entries";
        expect_equal(call, collections, vec![here.collection.clone()])?;
    }
    if context.capabilities.list_keys {
        expect_equal(here.describe("ListKeys", &""), here.keys("", 0).await?, ["lives"])?;
        let scanned: Vec<String> = here.scan("").await?.into_iter().map(|one| one.key).collect();
        expect_equal(here.describe("ScanEntries", &""), scanned, ["lives"])?;
        let none: Vec<String> = Vec::new();
        expect_equal(ended.describe("ListKeys", &""), ended.keys("", 0).await?, none)?;
    }
    let keys = ["ends 1", "lives", "ends 2"].map(str::to_owned);
    let many = found(here.get_many(&keys).await?)?;
    let streamed = found(here.stream_results(keys.to_vec()).await?)?;
    for (call, pairs) in [("GetMany", many), ("StreamGetMany", streamed)] {
        let there: Vec<bool> = pairs.iter().map(|(_, value)| value.is_some()).collect();
        expect_equal(here.describe(call, &keys), there, [false, true, false])?;
    }
    for result in ended.ttl_many(&keys).await? {
        let call = ended.describe("TtlMany", &result.key);
        expect_equal(call, (result.entry, result.ttl, result.error), (None, None, None))?;
    }
    let answer = ended.ttl("ends 3").await?;
    expect_equal(ended.describe("Ttl", &"ends 3"), (answer.entry, answer.ttl), (None, None))
}

async fn expired_is_not_deleted(context: Context) -> Outcome {
    let here = &context.here;
    let ttl = Duration::from_millis(200);
    for key in ["one", "two", "three"] {
        here.put_for(key, "{}", ttl).await?;
    }
    here.put("lives", "{}").await?;
    wait_out(here, ttl).await?;
    expect_equal(here.describe("Delete", &"one"), here.delete("one").await?, false)?;
    let keys = ["two", "lives", "three"];
    let answer = here.delete_many(&keys).await?;
    let deleted: Vec<bool> = answer.results.iter().map(|result| result.deleted).collect();
    let call = here.describe("DeleteMany", &keys);
    expect_equal(call, (deleted, answer.deleted_count), (vec![false, true, false], 1))
}

async fn put_over_expired(context: Context) -> Outcome {
    let here = &context.here;
    let ttl = Duration::from_millis(100);
    here.put_for("key", "{}", ttl).await?;
    wait_out(here, ttl).await?;
    context.round_trip("key", r#"{"again":true}"#).await
}
