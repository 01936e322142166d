//! Describing and administering stores.

use std::time::Duration;

use kvgate_proto::v1::{Stability, Store};
use tonic::Code;

use crate::case::Case;
use crate::client::{entry, entry_for, found};
use crate::context::Context;
use crate::failure::{Failure, Outcome, expect, expect_equal};
use crate::need::Need;
use crate::rpc_error::{refused, refused_field};
use crate::wait::until;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::any_store("description", description),
        Case::any_store("unknown_store", unknown_store),
        Case::new("cull", cull).own_server().needs(Need::Cull),
        Case::any_store("cull_nothing", cull_nothing).own_server().needs(Need::Cull),
        Case::new("delete_collection", delete_collection).needs(Need::DeleteCollection),
        Case::any_store("delete_collection_must_be_named", collection_must_be_named)
            .needs(Need::DeleteCollection),
        Case::new("destroy", destroy).own_server().needs(Need::Destroy),
        Case::any_store("destroy_must_be_named", store_must_be_named).needs(Need::Destroy),
    ]
}

async fn description(context: Context) -> Outcome {
    let store = context.client.get_store("").await?;
    expect_equal("the default store", store.name.as_str(), context.store())?;
    expect(store.is_default, "the default store says that it is not")?;
    let named = context.client.get_store(context.store()).await?;
    expect_equal("GetStore", undescribed(named), undescribed(store.clone()))?;
    let listed = context.client.list_stores().await?.into_iter().map(undescribed);
    let listed: Vec<Store> = listed.collect();
    expect_equal("ListStores", listed, vec![undescribed(store.clone())])?;
    let facts = context.setup.facts;
    expect_equal("the type", store.r#type.as_str(), facts.store_type)?;
    let stability = Stability::try_from(store.stability).map_err(Failure::new)?;
    expect_equal("the stability", stability, facts.stability)?;
    expect(!store.description.is_empty(), "the store has no description")?;
    expect(store.capabilities.is_some(), "the store has no capabilities")?;
    expect(store.limits.is_some(), "the store has no limits")
}

/// Without its description, in which a figure may change from call to call.
fn undescribed(store: Store) -> Store {
    Store { description: String::new(), ..store }
}

async fn unknown_store(context: Context) -> Outcome {
    let client = &context.client;
    let there = client.collection("no such store", "c");
    let (not_found, reason) = (Code::NotFound, "STORE_NOT_FOUND");
    refused(client.get_store("no such store").await, "GetStore", not_found, reason)?
        .expect_metadata("store", "no such store")?;
    refused(client.cull("no such store").await, "Cull", not_found, reason)?;
    let answer = there.delete_collection().await;
    refused(answer, "DeleteCollection", not_found, reason)?;
    let answer = client.destroy_store("no such store").await;
    refused(answer, "DestroyStore", not_found, reason)?;
    // A name is a name: neither case nor space is forgiven.
    for name in [context.store().to_uppercase(), format!(" {}", context.store())] {
        let call = format!("GetStore {name:?}");
        refused(client.get_store(&name).await, call, not_found, reason)?;
    }
    Ok(())
}

/// Every expired entry is removed once, and no other.
async fn cull(context: Context) -> Outcome {
    let here = &context.here;
    let there = here.beside("there");
    // Long enough for all to be there before the first ends: a put may remove
    // what has ended, as diskcache does, and that is not counted.
    let ttl = Duration::from_secs(2);
    for place in [here, &there] {
        let entries = (0..50).map(|n| entry_for(format!("ends {n}"), "{}", ttl));
        place.put_many(entries.chain([entry("lives", "{}")]).collect()).await?;
    }
    let mut culled = 0;
    until("Cull has removed 100 entries", async || {
        culled += context.client.cull(context.store()).await?;
        Ok((culled >= 100).then_some(()))
    })
    .await?;
    expect_equal("the culled_count of Cull", culled, 100)?;
    expect_equal("the culled_count of Cull", context.client.cull(context.store()).await?, 0)?;
    for place in [here, &there] {
        expect(place.get("lives").await?.is_some(), place.describe("Get", &"lives"))?;
    }
    Ok(())
}

async fn cull_nothing(context: Context) -> Outcome {
    expect_equal("the culled_count of Cull", context.client.cull("").await?, 0)
}

async fn delete_collection(context: Context) -> Outcome {
    let here = &context.here;
    let there = here.beside(&format!("{}-there", here.collection));
    let keys: Vec<String> = (0..context.many(200)).map(|n| format!("key-{n}")).collect();
    for place in [here, &there] {
        place.put_many(keys.iter().map(|key| entry(key, "{}")).collect()).await?;
    }
    let call = here.describe("DeleteCollection", &());
    expect_equal(&call, here.delete_collection().await?, true)?;
    let left = found(here.get_many(&keys).await?)?.into_iter().find(|(_, value)| value.is_some());
    expect_equal(format!("what {call} has left"), left, None)?;
    let left = found(there.get_many(&keys).await?)?.into_iter().find(|(_, value)| value.is_none());
    expect_equal(format!("lost with {call}"), left, None)?;
    if context.capabilities.list_collections {
        let collections = context.client.collections(context.store(), &here.collection, 0).await?;
        expect_equal("ListCollections", collections, vec![there.collection.clone()])?;
    }
    expect_equal(format!("again {call}"), here.delete_collection().await?, false)?;
    context.round_trip("after", "{}").await
}

async fn collection_must_be_named(context: Context) -> Outcome {
    let answer = context.here.beside("").delete_collection().await;
    let call = "DeleteCollection of the empty name";
    refused_field(answer, call, "INVALID_COLLECTION", "collection").map(|_| ())
}

async fn destroy(context: Context) -> Outcome {
    let places = ["one", "two/é", "three", ""].map(|name| context.here.beside(name));
    for place in &places {
        place.put_many((0..20).map(|n| entry(format!("key-{n}"), "{}")).collect()).await?;
        place.put("large", super::values::object_of(100_000)).await?;
    }
    context.client.destroy_store(context.store()).await?;
    for place in &places {
        for key in ["key-0", "key-19", "large"] {
            expect_equal(place.describe("Get", &key), place.get(key).await?, None)?;
        }
    }
    if context.capabilities.list_collections {
        let collections = context.client.collections(context.store(), "", 0).await?;
        expect_equal("ListCollections", collections, Vec::<String>::new())?;
    }
    // The store is empty, and still a store.
    context.client.destroy_store(context.store()).await?;
    for place in &places {
        place.put("again", "{}").await?;
        expect(place.get("again").await?.is_some(), place.describe("Get", &"again"))?;
    }
    context.round_trip("after", "{}").await
}

async fn store_must_be_named(context: Context) -> Outcome {
    let answer = context.client.destroy_store("").await;
    let call = "DestroyStore of the empty name";
    refused_field(answer, call, "MALFORMED_REQUEST", "store").map(|_| ())
}
