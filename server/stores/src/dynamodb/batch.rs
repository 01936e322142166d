//! Batches: what DynamoDB leaves undone of one is asked again, after pauses that grow.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};
use kvgate_core::{Entry, Error, Kind, Result};

use super::item::{self, Item, KEY};
use super::table::{Table, incomplete};
use crate::aws::Pauses;

/// The most keys of a `BatchGetItem`.
pub(super) const GETS_MAX: usize = 100;

/// The most writes of a `BatchWriteItem`. So many of the largest items stay below its
/// 16 MB.
pub(super) const WRITES_MAX: usize = 25;

/// Reads up to [`GETS_MAX`] different keys; those that are there are in the answer.
pub(super) async fn get(
    table: &Table,
    collection: &str,
    keys: &[&str],
    consistent: bool,
) -> Result<HashMap<String, Result<Entry>>> {
    let mut found = HashMap::with_capacity(keys.len());
    let mut left: Vec<Item> = keys.iter().map(|key| item::address(collection, key)).collect();
    let mut pauses = Pauses::default();
    loop {
        let asked = left.len();
        let request = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(consistent);
        let request = request.build().map_err(incomplete)?;
        let answer = table.send(|client| {
            client.batch_get_item().request_items(&table.name, request.clone()).send()
        });
        let answer = answer.await?;
        for mut item in answer.responses.into_iter().flat_map(HashMap::into_values).flatten() {
            found.insert(item::take_name(&mut item, KEY)?, item::entry(item));
        }
        let undone = answer.unprocessed_keys.into_iter().flat_map(HashMap::into_values);
        left = undone.flat_map(|it| it.keys).collect();
        if left.is_empty() {
            return Ok(found);
        }
        if left.len() < asked {
            pauses = Pauses::default();
        }
        if !pauses.pause().await {
            return Err(throttled());
        }
    }
}

/// What became of a batch of writes that was not carried out as a whole.
pub(super) struct Unwritten {
    /// The keys of the writes of which it is not known that they took place.
    pub(super) keys: HashSet<String>,
    pub(super) error: Error,
}

/// Carries out up to [`WRITES_MAX`] writes, each to another item.
pub(super) async fn write(table: &Table, writes: Vec<WriteRequest>) -> Result<(), Unwritten> {
    let mut left = writes;
    let mut pauses = Pauses::default();
    loop {
        let answer = table.send(|client| {
            client.batch_write_item().request_items(&table.name, left.clone()).send()
        });
        let answer = answer.await.map_err(|error| Unwritten { keys: keys(&left), error })?;
        let undone = answer.unprocessed_items.into_iter().flat_map(HashMap::into_values);
        let undone: Vec<WriteRequest> = undone.flatten().collect();
        if undone.is_empty() {
            return Ok(());
        }
        if undone.len() < left.len() {
            pauses = Pauses::default();
        }
        left = undone;
        if !pauses.pause().await {
            return Err(Unwritten { keys: keys(&left), error: throttled() });
        }
    }
}

/// The write that stores an item.
pub(super) fn put(item: Item) -> Result<WriteRequest> {
    let put = PutRequest::builder().set_item(Some(item)).build().map_err(incomplete)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

/// The write that removes the item at an address.
pub(super) fn delete(address: Item) -> Result<WriteRequest> {
    let delete = DeleteRequest::builder().set_key(Some(address)).build().map_err(incomplete)?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

fn keys(writes: &[WriteRequest]) -> HashSet<String> {
    let items = writes.iter().filter_map(|write| {
        let put = write.put_request().map(PutRequest::item);
        put.or_else(|| write.delete_request().map(DeleteRequest::key))
    });
    items.filter_map(|item| item.get(KEY)?.as_s().ok().cloned()).collect()
}

/// DynamoDB has done nothing of it, again and again.
pub(super) fn throttled() -> Error {
    Error::new(
        Kind::Unavailable,
        "DynamoDB has no capacity left for this: try later, or give the table more",
    )
}
