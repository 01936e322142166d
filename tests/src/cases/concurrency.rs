//! Many callers at once.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use serde_json::json;

use crate::case::Case;
use crate::client::{Client, Collection, entry, found};
use crate::context::Context;
use crate::failure::{Failure, Outcome, expect, expect_equal};
use crate::need::Need;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("64_writers_of_one_key", one_key),
        Case::new("64_writers_of_their_own_keys", own_keys),
        Case::new("64_writers_of_one_new_collection", one_new_collection),
        Case::new("64_writers_of_new_collections", new_collections),
        Case::new("64_batches_over_the_same_keys", same_batches),
        Case::new("64_deletes_of_one_key", deletes),
        Case::new("reading_a_large_value_while_it_is_replaced", large_values),
        Case::new("delete_collection_while_others_write", delete_collection)
            .needs(Need::DeleteCollection),
    ]
}

const WRITERS: usize = 64;

/// How often each of the writers writes.
fn rounds(context: &Context) -> usize {
    (context.many(WRITERS * 20) / WRITERS).max(2)
}

/// The value of one writer in one round: long enough to be torn.
fn value(writer: usize, round: usize) -> Bytes {
    let pad = format!("{writer}-{round} ").repeat(40);
    format!(r#"{{"writer":{writer},"round":{round},"pad":"{pad}"}}"#).into()
}

/// All values that are ever written.
fn values(rounds: usize) -> HashSet<Bytes> {
    let pairs = (0..WRITERS).flat_map(|writer| (0..rounds).map(move |round| (writer, round)));
    pairs.map(|(writer, round)| value(writer, round)).collect()
}

/// The collection over a connection of its own for every eighth writer.
async fn connections(context: &Context) -> Outcome<Vec<Collection>> {
    let address = context.running.server.address();
    let clients = try_join_all((0..WRITERS / 8).map(|_| Client::connect(address))).await?;
    let places = (0..WRITERS).map(|writer| Collection {
        client: clients[writer % clients.len()].clone(),
        ..context.here.clone()
    });
    Ok(places.collect())
}

async fn one_key(context: Context) -> Outcome {
    let places = connections(&context).await?;
    let rounds = rounds(&context);
    let values = Arc::new(values(rounds));
    let writers = places.iter().enumerate().map(async |(writer, here)| {
        for round in 0..rounds {
            here.put("key", value(writer, round)).await?;
            let found = here.value("key").await?;
            let call = here.describe("Get", &"key");
            let found = found.ok_or_else(|| Failure::new(format!("{call}: nothing")))?;
            let whole = !context.capabilities.exact_values || values.contains(&found);
            expect(whole, format!("{call}: a value that nobody has written: {found:?}"))?;
        }
        Outcome::Ok(())
    });
    try_join_all(writers).await?;
    // An earlier round of a writer is older than that writer's last one.
    let found = context.here.value("key").await?.unwrap_or_default();
    let found: serde_json::Value = serde_json::from_slice(&found)?;
    let call = context.here.describe("Get", &"key");
    expect_equal(format!("the last round in {call}"), &found["round"], &json!(rounds - 1))
}

async fn own_keys(context: Context) -> Outcome {
    let places = connections(&context).await?;
    let rounds = rounds(&context);
    let writers = places.iter().enumerate().map(async |(writer, here)| {
        for round in 0..rounds {
            here.put(&format!("key-{writer}-{round}"), value(writer, round)).await?;
        }
        Outcome::Ok(())
    });
    try_join_all(writers).await?;
    for writer in 0..WRITERS {
        let keys: Vec<_> = (0..rounds).map(|round| format!("key-{writer}-{round}")).collect();
        let results = found(context.here.get_many(&keys).await?)?;
        for (round, (key, found)) in results.into_iter().enumerate() {
            let call = context.here.describe("GetMany", &key);
            context.expect_value(call, found, &value(writer, round))?;
        }
    }
    Ok(())
}

/// Whoever comes first makes the collection; the others must not fail by it.
async fn one_new_collection(context: Context) -> Outcome {
    for round in 0..rounds(&context).min(5) {
        let new = format!("{}-new-{round}", context.here.collection);
        let places = connections(&context).await?;
        let writers = places.iter().enumerate().map(async |(writer, here)| {
            let new = here.beside(&new);
            new.put(&format!("key-{writer}"), value(writer, 0)).await?;
            Outcome::Ok(())
        });
        try_join_all(writers).await?;
        let keys: Vec<_> = (0..WRITERS).map(|writer| format!("key-{writer}")).collect();
        let new = context.here.beside(&new);
        for (writer, (key, found)) in found(new.get_many(&keys).await?)?.into_iter().enumerate() {
            context.expect_value(new.describe("GetMany", &key), found, &value(writer, 0))?;
        }
    }
    Ok(())
}

async fn new_collections(context: Context) -> Outcome {
    let places = connections(&context).await?;
    let name = |writer: usize| format!("{}-new-{writer}", context.here.collection);
    let writers = places.iter().enumerate().map(async |(writer, here)| {
        let own = here.beside(&name(writer));
        own.put("key", value(writer, 0)).await?;
        context.expect_value(
            own.describe("Get", &"key"),
            own.value("key").await?,
            &value(writer, 0),
        )
    });
    try_join_all(writers).await?;
    for writer in 0..WRITERS {
        let own = context.here.beside(&name(writer));
        let found = own.value("key").await?;
        context.expect_value(own.describe("Get", &"key"), found, &value(writer, 0))?;
    }
    Ok(())
}

async fn same_batches(context: Context) -> Outcome {
    let places = connections(&context).await?;
    let count = (context.many(WRITERS * 50) / WRITERS).max(3);
    let keys: Vec<String> = (0..count).map(|n| format!("key-{n}")).collect();
    let writers = places.iter().enumerate().map(async |(writer, here)| {
        // In different orders, which a store that locks key by key must survive.
        let mut entries: Vec<_> = keys.iter().map(|key| entry(key, value(writer, 0))).collect();
        entries.rotate_left(writer % keys.len());
        if writer % 2 == 1 {
            entries.reverse();
        }
        here.put_many(entries).await
    });
    try_join_all(writers).await?;
    let values = values(1);
    for (key, found) in found(context.here.get_many(&keys).await?)? {
        let call = context.here.describe("GetMany", &key);
        let found = found.ok_or_else(|| Failure::new(format!("{call}: nothing")))?;
        let whole = !context.capabilities.exact_values || values.contains(&found);
        expect(whole, format!("{call}: a value that nobody has written: {found:?}"))?;
    }
    Ok(())
}

/// Of those who delete one entry, one is told that it was there.
async fn deletes(context: Context) -> Outcome {
    let places = connections(&context).await?;
    for round in 0..10 {
        let key = format!("key-{round}");
        context.here.put(&key, "{}").await?;
        let answers = join_all(places.iter().map(async |here| here.delete(&key).await)).await;
        let answers: Result<Vec<bool>, _> = answers.into_iter().collect();
        let deleted = answers?.into_iter().filter(|deleted| *deleted).count();
        let call = context.here.describe("Delete", &key);
        expect_equal(format!("how many of 64 times {call} said that it did"), deleted, 1)?;
    }
    Ok(())
}

/// A value that is kept apart from its row is never missing or mixed.
async fn large_values(context: Context) -> Outcome {
    let here = &context.here;
    let bytes = context.large(70_000);
    let large = |n: usize| Bytes::from(format!(r#"{{"n":"{}"}}"#, n.to_string().repeat(bytes)));
    let values: Vec<Bytes> = (0..4).map(large).collect();
    here.put("key", values[0].clone()).await?;
    let writing = async {
        for round in 0..40 {
            here.put("key", values[round % values.len()].clone()).await?;
        }
        Outcome::Ok(())
    };
    let reading = async {
        for _ in 0..80 {
            let call = here.describe("Get", &"key");
            let found = here.value("key").await?;
            let found = found.ok_or_else(|| Failure::new(format!("{call}: nothing")))?;
            let whole = !context.capabilities.exact_values || values.contains(&found);
            expect(whole, format!("{call}: a value that nobody has written"))?;
        }
        Outcome::Ok(())
    };
    futures::future::try_join(writing, reading).await.map(|_| ())
}

async fn delete_collection(context: Context) -> Outcome {
    let here = &context.here;
    let rounds = rounds(&context);
    let writing = try_join_all((0..16).map(async |writer| {
        for round in 0..rounds {
            here.put(&format!("key-{writer}-{round}"), value(writer, round)).await?;
        }
        Outcome::Ok(())
    }));
    let deleting = async {
        for _ in 0..10 {
            here.delete_collection().await?;
        }
        Outcome::Ok(())
    };
    futures::future::try_join(writing, deleting).await?;
    // Whatever is left is whole, and the collection is of use.
    let values = values(rounds);
    let keys: Vec<_> = (0..16).map(|writer| format!("key-{writer}-{}", rounds - 1)).collect();
    for (key, found) in found(here.get_many(&keys).await?)? {
        let whole =
            found.is_none_or(|found| !context.capabilities.exact_values || values.contains(&found));
        expect(whole, here.describe("GetMany", &key))?;
    }
    context.round_trip("after", "{}").await
}
