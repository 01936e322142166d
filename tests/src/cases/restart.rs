//! What outlives the server.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;

use super::values::object_of;
use crate::case::Case;
use crate::client::{duration, entry, found};
use crate::context::Context;
use crate::failure::{Outcome, expect, expect_equal};
use crate::running::Stop;
use crate::wait::until;

pub(super) fn cases() -> Vec<Case> {
    let case = |case: Case| case.own_server();
    vec![
        case(Case::new("graceful_stop", |context| keeps(context, Stop::Gracefully))),
        case(Case::new("kill", |context| keeps(context, Stop::Killed))),
        case(Case::new("kill_during_64_writers", kill_during_writers)),
        case(Case::new("kill_during_replacement", kill_during_replacement)),
        case(Case::new("expiry_goes_on", expiry_goes_on)),
        case(Case::new("again_and_again", again_and_again)),
    ]
}

/// Persistent stores keep every fact of an entry, others begin empty.
async fn keeps(context: Context, how: Stop) -> Outcome {
    let here = &context.here;
    let there = here.beside("there");
    let values = [r#"{"n": 1.0}"#.into(), Bytes::from(r#"{"é":"😀"}"#), object_of(100_000)];
    let keys = ["one", "two/é", "large"];
    let entries = keys.iter().zip(&values).map(|(key, value)| entry(*key, value.clone()));
    let ttl = duration(Duration::from_hours(10));
    here.put_many_with(entries.collect(), Some(ttl)).await?;
    there.put("one", r#"{"in":"there"}"#).await?;
    here.put("deleted", "{}").await?;
    here.delete("deleted").await?;
    let mut before = Vec::new();
    for (place, key) in keys.map(|key| (here, key)).into_iter().chain([(&there, "one")]) {
        before.push((place.collection.clone(), key, place.get(key).await?));
    }

    let context = context.restart(how).await?;
    for (collection, key, entry) in before {
        let place = context.here.beside(&collection);
        let expected = entry.filter(|_| context.capabilities.persistent);
        expect_equal(place.describe("Get", &key), place.get(key).await?, expected)?;
    }
    let here = &context.here;
    expect_equal(here.describe("Get", &"deleted"), here.get("deleted").await?, None)?;
    context.round_trip("after", "{}").await
}

/// Every write that was acknowledged before the kill is there after it.
async fn kill_during_writers(context: Context) -> Outcome {
    let acknowledged = Mutex::new(Vec::new());
    let count = || acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len();
    let writers = (0..64).map(async |writer| {
        let here = context.here.clone();
        for round in 0.. {
            // A large value now and then: those may be kept apart.
            let size = if round % 8 == 7 { 40_000 } else { 200 };
            let key = format!("key-{writer}-{round}");
            let written = match writer % 4 {
                0 => here.put_many(vec![entry(&key, object_of(size))]).await,
                _ => here.put(&key, object_of(size)).await,
            };
            if written.is_err() {
                return;
            }
            let mut acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
            acknowledged.push((key, size));
        }
    });
    let killer = async {
        let enough = context.many(1_000);
        let written = until(format!("{enough} writes are acknowledged"), async || {
            Ok((count() >= enough).then_some(()))
        })
        .await;
        // in any case, or else the writers never end
        context.running.kill()?;
        written
    };
    let (_, outcome) = futures::future::join(join_all(writers), killer).await;
    outcome?;

    let context = context.restart(Stop::Killed).await?;
    let acknowledged = acknowledged.into_inner().unwrap_or_else(PoisonError::into_inner);
    for part in acknowledged.chunks(100) {
        let keys: Vec<&str> = part.iter().map(|(key, _)| key.as_str()).collect();
        let results = found(context.here.get_many(&keys).await?)?;
        for ((key, value), (_, size)) in results.into_iter().zip(part) {
            let call = context.here.describe("GetMany", &key);
            context.expect_kept(call, value, &object_of(*size))?;
        }
    }
    context.round_trip("after", "{}").await
}

/// An entry that is being replaced is the old one or a new one, not nothing.
async fn kill_during_replacement(context: Context) -> Outcome {
    let here = context.here.clone();
    let large = |n: usize| Bytes::from(format!(r#"{{"n":{n},"pad":"{}"}}"#, "x".repeat(40_000)));
    let keys: Vec<String> = (0..16).map(|n| format!("key-{n}")).collect();
    let rounds = Mutex::new(vec![0; keys.len()]);
    for key in &keys {
        here.put(key, large(0)).await?;
    }
    let writers = keys.iter().enumerate().map(async |(index, key)| {
        for round in 1.. {
            if here.put(key, large(round)).await.is_err() {
                return;
            }
            rounds.lock().unwrap_or_else(PoisonError::into_inner)[index] = round;
        }
    });
    let killer = async {
        let replaced = until("every key is replaced five times", async || {
            let rounds = rounds.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(rounds.iter().all(|round| *round >= 5).then_some(()))
        })
        .await;
        context.running.kill()?;
        replaced
    };
    let (_, outcome) = futures::future::join(join_all(writers), killer).await;
    outcome?;

    let context = context.restart(Stop::Killed).await?;
    let rounds = rounds.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (key, round) in keys.iter().zip(rounds) {
        let call = context.here.describe("Get", key);
        let found = context.here.value(key).await?;
        if !context.capabilities.persistent {
            expect_equal(call, found, None)?;
            continue;
        }
        // The write that the kill cut off may have taken place.
        let text = format!("{call}: neither of round {round} nor of the next");
        let found = found.unwrap_or_default();
        expect(found == large(round) || found == large(round + 1), text)?;
    }
    Ok(())
}

/// Time passes while the server is down, and for the server that comes up.
async fn expiry_goes_on(context: Context) -> Outcome {
    let ttl = Duration::from_millis(400);
    context.here.put_for("ends", "{}", ttl).await?;
    context.here.put("lives", "{}").await?;
    let context = context.restart(Stop::Gracefully).await?;
    let here = &context.here;
    until(format!("{} finds nothing", here.describe("Get", &"ends")), async || {
        Ok(here.get("ends").await?.is_none().then_some(()))
    })
    .await?;
    let there = here.get("lives").await?.is_some();
    expect_equal(here.describe("Get", &"lives"), there, context.capabilities.persistent)?;
    if context.capabilities.list_keys {
        let expected: &[&str] = if context.capabilities.persistent { &["lives"] } else { &[] };
        expect_equal(here.describe("ListKeys", &""), here.keys("", 0).await?, expected)?;
    }
    Ok(())
}

async fn again_and_again(mut context: Context) -> Outcome {
    for round in 0..5 {
        let key = format!("key-{round}");
        context.round_trip(&key, object_of(round * 20_000)).await?;
        let how = if round % 2 == 0 { Stop::Killed } else { Stop::Gracefully };
        context = context.restart(how).await?;
        for earlier in 0..=round {
            let key = format!("key-{earlier}");
            let call = context.here.describe("Get", &key);
            let found = context.here.value(&key).await?;
            context.expect_kept(call, found, &object_of(earlier * 20_000))?;
        }
    }
    Ok(())
}
