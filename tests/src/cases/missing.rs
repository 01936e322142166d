//! What is not there is no error; what is there is what was put last.

use std::time::{Duration, SystemTime};

use crate::case::Case;
use crate::client::found;
use crate::context::Context;
use crate::failure::{Failure, Outcome, expect, expect_equal};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::any_store("missing_key", missing_key),
        Case::new("overwrite", overwrite),
        Case::new("delete", delete),
        Case::new("put_after_delete", put_after_delete),
        Case::new("collections_are_kept_apart", collections),
        Case::new("empty_names_are_the_defaults", defaults),
        Case::new("created_at", created_at),
    ]
}

async fn missing_key(context: Context) -> Outcome {
    let here = &context.here;
    expect_equal(here.describe("Get", &"none"), here.get("none").await?, None)?;
    let answer = here.ttl("none").await?;
    expect_equal(here.describe("Ttl", &"none"), (answer.entry, answer.ttl), (None, None))?;
    expect_equal(here.describe("Delete", &"none"), here.delete("none").await?, false)?;
    let nothing = vec![("none".to_owned(), None), ("nothing".to_owned(), None)];
    let call = here.describe("GetMany", &["none", "nothing"]);
    expect_equal(call, found(here.get_many(&["none", "nothing"]).await?)?, nothing)?;
    for result in here.ttl_many(&["none", "nothing"]).await? {
        let call = here.describe("TtlMany", &result.key);
        expect_equal(call, (result.entry, result.ttl, result.error), (None, None, None))?;
    }
    let answer = here.delete_many(&["none", "nothing"]).await?;
    let call = here.describe("DeleteMany", &["none", "nothing"]);
    expect_equal(&call, answer.deleted_count, 0)?;
    expect(answer.results.iter().all(|result| !result.deleted), call)
}

async fn overwrite(context: Context) -> Outcome {
    for round in 0..5 {
        context.round_trip("key", format!(r#"{{"round":{round}}}"#)).await?;
    }
    Ok(())
}

async fn delete(context: Context) -> Outcome {
    let here = &context.here;
    here.put("gone", "{}").await?;
    here.put("kept", "{}").await?;
    expect_equal(here.describe("Delete", &"gone"), here.delete("gone").await?, true)?;
    expect_equal(here.describe("Delete", &"gone"), here.delete("gone").await?, false)?;
    expect_equal(here.describe("Get", &"gone"), here.get("gone").await?, None)?;
    expect(here.get("kept").await?.is_some(), here.describe("Get", &"kept"))
}

async fn put_after_delete(context: Context) -> Outcome {
    for round in 0..3 {
        context.round_trip("key", format!(r#"{{"round":{round}}}"#)).await?;
        let deleted = context.here.delete("key").await?;
        expect_equal(context.here.describe("Delete", &"key"), deleted, true)?;
    }
    Ok(())
}

async fn collections(context: Context) -> Outcome {
    let here = &context.here;
    let there = here.beside(&format!("{}-too", here.collection));
    here.put("key", r#"{"in":"here"}"#).await?;
    expect_equal(there.describe("Get", &"key"), there.get("key").await?, None)?;
    there.put("key", r#"{"in":"there"}"#).await?;
    expect_equal(there.describe("Delete", &"key"), there.delete("key").await?, true)?;
    let call = here.describe("Get", &"key");
    context.expect_value(call, here.value("key").await?, &r#"{"in":"here"}"#.into())
}

async fn defaults(context: Context) -> Outcome {
    let key = "empty_names_are_the_defaults";
    let unnamed = context.client.collection("", "");
    unnamed.put(key, r#"{"a":1}"#).await?;
    for (store, collection) in [("", "default_collection"), (context.store(), "")] {
        let place = context.client.collection(store, collection);
        let call = place.describe("Get", &key);
        context.expect_value(call, place.value(key).await?, &r#"{"a":1}"#.into())?;
    }
    Ok(())
}

async fn created_at(context: Context) -> Outcome {
    let here = &context.here;
    let mut earlier = SystemTime::UNIX_EPOCH;
    for round in 0..3 {
        let before = SystemTime::now();
        here.put("key", format!(r#"{{"round":{round}}}"#)).await?;
        let after = SystemTime::now();
        let call = here.describe("Get", &"key");
        let entry = here.get("key").await?.ok_or_else(|| Failure::new(&call))?;
        expect_equal(&call, &entry.key, "key")?;
        expect_equal(format!("expires_at of {call}"), entry.expires_at, None)?;
        let created = entry.created_at.ok_or_else(|| Failure::new(format!("{call}: no time")))?;
        let created = SystemTime::try_from(created)?;
        // Stored times have microseconds, and MongoDB's milliseconds.
        let range = before - Duration::from_millis(1)..=after + Duration::from_millis(1);
        expect(range.contains(&created), format!("{call}: {created:?} is not in {range:?}"))?;
        expect(created >= earlier, format!("{call}: {created:?} is before {earlier:?}"))?;
        earlier = created;
    }
    Ok(())
}
