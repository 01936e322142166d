//! Every name comes back as it was put, and no two names meet.

mod odd;

use bytes::Bytes;
use serde_json::json;
use tonic::Code;

use crate::case::Case;
use crate::client::{Collection, entry, found};
use crate::context::Context;
use crate::failure::{Outcome, expect, expect_equal};
use crate::need::Need;
use crate::rpc_error::refused;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("odd_keys", odd_keys),
        Case::new("odd_keys_are_listed", odd_keys_are_listed).needs(Need::ListKeys),
        // Collections are not kept apart from those of other cases.
        Case::new("odd_collections", odd_collections).own_server(),
        Case::new("odd_collections_are_listed", odd_collections_are_listed)
            .own_server()
            .needs(Need::ListCollections),
        Case::new("odd_collections_are_removed_alone", odd_collections_are_removed)
            .own_server()
            .needs(Need::DeleteCollection),
        Case::new("separators_in_collection_and_key", separators).own_server(),
        Case::new("the_longest_names", longest),
        Case::any_store("refused_names", refused_names),
        Case::any_store("names_over_the_store_s_limits", over_the_limits),
    ]
}

/// The names that the setup takes, for use as keys.
fn keys(context: &Context) -> Vec<String> {
    taken(context, odd::names(odd::KEY_CHARACTERS), context.limits.key_bytes_max)
}

/// The names that the setup takes, for use as collections. Where these are too many the
/// three cases, which are told apart by `which`, take others of them.
fn collections(context: &Context, which: usize) -> Vec<String> {
    let bytes_max = context.limits.collection_bytes_max;
    let mut names = taken(context, odd::names(odd::COLLECTION_CHARACTERS), bytes_max);
    names.retain(|name| !(context.setup.facts.refuses_collection)(name));
    let step = names.len().div_ceil(context.setup.facts.collections_many);
    names.into_iter().skip(which % step).step_by(step).collect()
}

fn taken(context: &Context, names: Vec<String>, bytes_max: i64) -> Vec<String> {
    names.into_iter().filter(|name| context.takes(name) && fits(name, bytes_max)).collect()
}

/// Whether a name is within a limit, if there is one.
fn fits(name: &str, bytes_max: i64) -> bool {
    bytes_max == 0 || i64::try_from(name.len()).is_ok_and(|size| size <= bytes_max)
}

/// The keys in an odd collection: one, and the collection's own name if it can be a key.
fn keys_in<'a>(context: &Context, name: &'a str) -> Vec<&'a str> {
    let own = fits(name, context.limits.key_bytes_max).then_some(name);
    std::iter::once("key").chain(own).collect()
}

/// A value that no other name has.
fn value_of(name: &str) -> Bytes {
    json!({ "name": name }).to_string().into()
}

async fn put_all(here: &Collection, keys: &[String]) -> Outcome {
    // One by one and all at once: both ways must find the same place.
    for key in keys.iter().step_by(2) {
        here.put(key, value_of(key)).await?;
    }
    let others = keys.iter().skip(1).step_by(2);
    Ok(here.put_many(others.map(|key| entry(key, value_of(key))).collect()).await?)
}

async fn odd_keys(context: Context) -> Outcome {
    let here = &context.here;
    let keys = keys(&context);
    put_all(here, &keys).await?;
    for key in &keys {
        let found = here.get(key).await?;
        let call = here.describe("Get", key);
        expect_equal(&call, found.as_ref().map(|entry| &entry.key), Some(key))?;
        context.expect_value(call, found.map(|entry| entry.value), &value_of(key))?;
    }
    let results = found(here.get_many(&keys).await?)?;
    for ((name, found), key) in results.into_iter().zip(&keys) {
        expect_equal(here.describe("GetMany", key), &name, key)?;
        context.expect_value(here.describe("GetMany", key), found, &value_of(key))?;
    }
    // Deleting one takes no other with it.
    for (index, key) in keys.iter().enumerate() {
        expect_equal(here.describe("Delete", key), here.delete(key).await?, true)?;
        let left = found(here.get_many(&to_look_at(&context, &keys, index)).await?)?;
        let is_deleted = |name: &String| keys[..=index].contains(name);
        let lost = left.iter().find(|(name, value)| value.is_none() && !is_deleted(name));
        expect_equal(format!("lost with {}", here.describe("Delete", key)), lost, None)?;
        let there = left.iter().find(|(name, value)| value.is_some() && is_deleted(name));
        expect_equal(format!("there after {}", here.describe("Delete", key)), there, None)?;
    }
    Ok(())
}

/// The keys to look at once one is deleted.
fn to_look_at(context: &Context, keys: &[String], deleted: usize) -> Vec<String> {
    if !is_slow(context, keys) {
        return keys.to_vec();
    }
    let next = next_alike(context, keys, deleted);
    std::iter::once(&keys[deleted]).chain(next).cloned().collect()
}

/// The names behind one that might have gone with it. A lost name is also missed in its
/// own turn: that it is looked for at once tells with which one it was lost, so a slow
/// backend is asked for one only.
fn next_alike<'a>(
    context: &Context,
    names: &'a [String],
    deleted: usize,
) -> impl Iterator<Item = &'a String> {
    let most = if is_slow(context, names) { 1 } else { usize::MAX };
    let (name, behind) = (&names[deleted], &names[deleted + 1..]);
    behind.iter().filter(move |other| odd::are_alike(name, other)).take(most)
}

/// Which of many collections to list or remove: all, or of a slow backend, that looks
/// through all entries for it, every fourth.
fn step(context: &Context, collections: &[String]) -> usize {
    if is_slow(context, collections) { 4 } else { 1 }
}

/// Whether so many names are too many to ask the backend for each more than a few times.
fn is_slow(context: &Context, names: &[String]) -> bool {
    context.many(names.len()) < names.len()
}

async fn odd_keys_are_listed(context: Context) -> Outcome {
    let here = &context.here;
    let mut keys = keys(&context);
    put_all(here, &keys).await?;
    keys.sort_unstable();
    let listed = here.sorted_keys("").await?;
    expect_same_names(&here.describe("ListKeys", &""), &listed, &keys)?;
    let scanned = here.scan("").await?;
    for entry in &scanned {
        let call = here.describe("ScanEntries", &entry.key);
        context.expect_value(call, Some(entry.value.clone()), &value_of(&entry.key))?;
    }
    let scanned: Vec<String> = scanned.into_iter().map(|entry| entry.key).collect();
    expect_same_names(&here.describe("ScanEntries", &""), &scanned, &keys)?;
    // A prefix is text and nothing else: no pattern, no path.
    for prefix in ["*", "%", "a", "a/", "..", "S_", "::", "[", "É", "-", " "] {
        let expected: Vec<_> = keys.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
        let listed = here.sorted_keys(prefix).await?;
        expect_same_names(&here.describe("ListKeys", &prefix), &listed, &expected)?;
    }
    Ok(())
}

async fn odd_collections(context: Context) -> Outcome {
    let collections = collections(&context, 0);
    put_in_each(&context, &collections).await?;
    for (index, name) in collections.iter().enumerate() {
        let place = context.here.beside(name);
        for key in keys_in(&context, name) {
            let found = place.value(key).await?;
            context.expect_value(place.describe("Get", &key), found, &value_of(name))?;
        }
        expect_equal(place.describe("Get", &"none"), place.get("none").await?, None)?;
        if context.capabilities.list_keys && index % step(&context, &collections) == 0 {
            let mut expected: Vec<_> =
                keys_in(&context, name).into_iter().map(str::to_owned).collect();
            expected.sort_unstable();
            expected.dedup();
            let call = place.describe("ListKeys", &"");
            expect_same_names(&call, &place.sorted_keys("").await?, &expected)?;
        }
    }
    for (index, name) in collections.iter().enumerate() {
        let place = context.here.beside(name);
        expect_equal(place.describe("Delete", &"key"), place.delete("key").await?, true)?;
        for other in next_alike(&context, &collections, index) {
            let call = context.here.beside(other).describe("Get", &"key");
            let found = context.here.beside(other).get("key").await?;
            expect(found.is_some(), format!("lost with collection {name:?}: {call}"))?;
        }
    }
    Ok(())
}

/// Puts into each collection an entry under each of its keys.
async fn put_in_each(context: &Context, collections: &[String]) -> Outcome {
    for name in collections {
        let place = context.here.beside(name);
        let keys = keys_in(context, name).into_iter();
        place.put_many(keys.map(|key| entry(key, value_of(name))).collect()).await?;
    }
    Ok(())
}

async fn odd_collections_are_listed(context: Context) -> Outcome {
    let mut collections = collections(&context, 1);
    put_in_each(&context, &collections).await?;
    collections.sort_unstable();
    for prefix in ["", "*", "%", "a", "a/", "..", "S_", "::", "[", "É", "-", " "] {
        let mut listed = context.client.collections(context.store(), prefix, 0).await?;
        listed.sort_unstable();
        let expected: Vec<_> =
            collections.iter().filter(|name| name.starts_with(prefix)).cloned().collect();
        expect_same_names(&format!("ListCollections {prefix:?}"), &listed, &expected)?;
    }
    Ok(())
}

async fn odd_collections_are_removed(context: Context) -> Outcome {
    let collections = collections(&context, 2);
    put_in_each(&context, &collections).await?;
    for (index, name) in collections.iter().enumerate().step_by(step(&context, &collections)) {
        let place = context.here.beside(name);
        let call = place.describe("DeleteCollection", &());
        expect_equal(&call, place.delete_collection().await?, true)?;
        expect_equal(place.describe("Get", &"key"), place.get("key").await?, None)?;
        for other in next_alike(&context, &collections, index) {
            let found = context.here.beside(other).get("key").await?;
            expect(found.is_some(), format!("collection {other:?} is lost with {call}"))?;
        }
    }
    Ok(())
}

/// A store that joins collection and key must tell `a:` and `:b` from `a` and
/// `::b`.
async fn separators(context: Context) -> Outcome {
    let parts = ["a", "a:", "a::", "a:::", ":b", "::b", "b", "a::b", "a/b", "a/", "/b", "a__b"];
    let parts = parts.into_iter().chain(["__b", "a__", "a.b", "default_collection::b"]);
    let parts: Vec<&str> = parts.collect();
    for collection in &parts {
        let place = context.here.beside(collection);
        let entries = parts.iter().map(|key| entry(*key, value_of(&format!("{collection} {key}"))));
        place.put_many(entries.collect()).await?;
    }
    let mut sorted = parts.clone();
    sorted.sort_unstable();
    for collection in &parts {
        let place = context.here.beside(collection);
        for key in &parts {
            let expected = value_of(&format!("{collection} {key}"));
            let found = place.value(key).await?;
            context.expect_value(place.describe("Get", key), found, &expected)?;
        }
        if context.capabilities.list_keys {
            let listed = place.sorted_keys("").await?;
            expect_equal(place.describe("ListKeys", &""), listed, sorted.clone())?;
        }
    }
    Ok(())
}

/// Names as long as the store takes, which differ only at their end.
async fn longest(context: Context) -> Outcome {
    let most = context.setup.facts.kept_name_characters.unwrap_or(4096);
    let length = |limit: i64| match limit {
        0 => most,
        limit => usize::try_from(limit).unwrap_or(most).min(most),
    };
    let key_length = length(context.limits.key_bytes_max);
    let collection_length = length(context.limits.collection_bytes_max);
    let ends = ["a", "b", "é"];
    let of_length = |length: usize, end: &str| "n".repeat(length - end.len()) + end;
    for collection in ends {
        let place = context.here.beside(&of_length(collection_length, collection));
        for key in ends {
            let value = value_of(&format!("{collection} {key}"));
            place.put(&of_length(key_length, key), value).await?;
        }
    }
    for collection in ends {
        let place = context.here.beside(&of_length(collection_length, collection));
        for key in ends {
            let expected = value_of(&format!("{collection} {key}"));
            let key = of_length(key_length, key);
            context.expect_value(
                place.describe("Get", &key),
                place.value(&key).await?,
                &expected,
            )?;
        }
    }
    Ok(())
}

/// The names that the setup's facts say it refuses, for reading too.
async fn refused_names(context: Context) -> Outcome {
    let here = &context.here;
    for start in context.setup.facts.refused_name_starts {
        let name = format!("{start}name");
        let there = here.beside(&name);
        for (place, key, reason) in
            [(here, name.as_str(), "INVALID_KEY"), (&there, "key", "INVALID_COLLECTION")]
        {
            let put = place.put(key, "{}").await;
            refused(put, place.describe("Put", &key), Code::InvalidArgument, reason)?;
            let get = place.get(key).await;
            refused(get, place.describe("Get", &key), Code::InvalidArgument, reason)?;
        }
    }
    Ok(())
}

/// Names that are longer than the store takes are refused by the limit's name, for reading
/// too.
async fn over_the_limits(context: Context) -> Outcome {
    let (here, limits) = (&context.here, context.limits);
    let too_long = |limit: i64| usize::try_from(limit).map(|limit| "n".repeat(limit + 1));
    if limits.key_bytes_max > 0 {
        let key = too_long(limits.key_bytes_max)?;
        let many = here.get_many(&["key", &key]).await.map(drop);
        for (call, answer) in [
            ("Put", here.put(&key, "{}").await),
            ("Get", here.get(&key).await.map(drop)),
            ("GetMany", many),
            ("Delete", here.delete(&key).await.map(drop)),
        ] {
            let error = refused(answer, call, Code::InvalidArgument, "INVALID_KEY")?;
            error.expect_metadata("limit_name", "key_bytes_max")?;
        }
    }
    if limits.collection_bytes_max > 0 {
        let there = here.beside(&too_long(limits.collection_bytes_max)?);
        for (call, answer) in [
            ("Put", there.put("key", "{}").await),
            ("Get", there.get("key").await.map(drop)),
            ("Delete", there.delete("key").await.map(drop)),
            ("ListKeys", there.keys("", 0).await.map(drop)),
        ] {
            let error = refused(answer, call, Code::InvalidArgument, "INVALID_COLLECTION")?;
            error.expect_metadata("limit_name", "collection_bytes_max")?;
        }
    }
    Ok(())
}

/// Says which names are too many and which are lacking.
fn expect_same_names(call: &str, found: &[String], expected: &[String]) -> Outcome {
    let extra: Vec<_> = found.iter().filter(|name| !expected.contains(name)).collect();
    let lacking: Vec<_> = expected.iter().filter(|name| !found.contains(name)).collect();
    let nothing: Vec<&String> = Vec::new();
    expect_equal(format!("{call}: names that it should not have"), extra, nothing.clone())?;
    expect_equal(format!("{call}: names that it lacks"), lacking, nothing)?;
    expect_equal(format!("{call}: the number of names"), found.len(), expected.len())
}
