//! Stores, collections and keys that no store takes.

use std::fmt::Debug;

use tonic::Code;

use crate::case::Case;
use crate::client::{Answer, Collection, entry};
use crate::context::Context;
use crate::failure::Outcome;
use crate::rpc_error::{RpcError, refused, refused_field};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::any_store("unknown_store", unknown_store),
        Case::any_store("empty_key", |context| bad_key(context, String::new())),
        Case::any_store("nul_in_key", |context| bad_key(context, "a\0b".to_owned())),
        Case::any_store("key_of_4097_bytes", |context| bad_key(context, "k".repeat(4097))),
        Case::any_store("key_of_a_mebibyte", |context| bad_key(context, "k".repeat(1 << 20))),
        Case::any_store("nul_in_collection", |context| bad_collection(context, "a\0".to_owned())),
        Case::any_store("collection_of_4097_bytes", |context| {
            bad_collection(context, "é".repeat(2048) + "c")
        }),
    ]
}

/// Makes every call that addresses entries and answers how each has failed,
/// with the field by which it names `key`.
async fn every_call(
    here: &Collection,
    key: &str,
) -> Vec<(&'static str, Option<Box<RpcError>>, &'static str)> {
    let keys = [String::from("good"), key.to_owned()];
    let entries = || vec![entry("good", "{}"), entry(key, "{}")];
    let streamed = here.stream_put_many(vec![here.batch(entries())]).await;
    let stream_put = streamed.and_then(|(_, error)| error.map_or(Ok(()), Err));
    vec![
        ("Get", error(here.get(key).await), "key"),
        ("Put", error(here.put(key, "{}").await), "key"),
        ("Delete", error(here.delete(key).await), "key"),
        ("Ttl", error(here.ttl(key).await), "key"),
        ("GetMany", error(here.get_many(&keys).await), "keys[1]"),
        ("TtlMany", error(here.ttl_many(&keys).await), "keys[1]"),
        ("DeleteMany", error(here.delete_many(&keys).await), "keys[1]"),
        ("StreamGetMany", error(here.stream_get_many(keys.to_vec()).await), "keys[1]"),
        ("PutMany", error(here.put_many(entries()).await), "entries[1].key"),
        ("StreamPutMany", error(stream_put), "entries[1].key"),
    ]
}

/// The calls that name a collection and no key.
async fn listing_calls(here: &Collection) -> Vec<(&'static str, Option<Box<RpcError>>)> {
    vec![
        ("ListKeys", error(here.list_keys("", 0, "").await)),
        ("ScanEntries", error(here.scan_messages("").await)),
        ("DeleteCollection", error(here.delete_collection().await)),
    ]
}

fn error<T>(answer: Answer<T>) -> Option<Box<RpcError>> {
    answer.err()
}

fn answer(error: Option<Box<RpcError>>) -> Answer<impl Debug> {
    error.map_or(Ok("OK"), Err)
}

async fn unknown_store(context: Context) -> Outcome {
    let there = context.client.collection("no such store", "c");
    let mut calls = listing_calls(&there).await;
    calls.extend(every_call(&there, "key").await.into_iter().map(|(call, error, _)| (call, error)));
    let collections = context.client.list_collections("no such store", "", 0, "").await;
    calls.push(("ListCollections", error(collections)));
    for (call, error) in calls {
        let error = refused(answer(error), call, Code::NotFound, "STORE_NOT_FOUND")?;
        error.expect_metadata("store", "no such store").map_err(|it| it.within(call))?;
    }
    Ok(())
}

async fn bad_key(context: Context, key: String) -> Outcome {
    for (call, error, field) in every_call(&context.here, &key).await {
        let call = context.here.describe(call, &key);
        refused_field(answer(error), call, "INVALID_KEY", field)?;
    }
    Ok(())
}

async fn bad_collection(context: Context, collection: String) -> Outcome {
    let there = context.here.beside(&collection);
    let mut calls = Vec::new();
    if context.capabilities.list_keys && context.capabilities.delete_collection {
        calls = listing_calls(&there).await;
    }
    calls.extend(every_call(&there, "key").await.into_iter().map(|(call, error, _)| (call, error)));
    for (call, error) in calls {
        let call = there.describe(call, &"key");
        refused_field(answer(error), call, "INVALID_COLLECTION", "collection")?;
    }
    Ok(())
}
