//! Batches: what DynamoDB leaves undone of one is asked again, after pauses that grow.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest,
};
use futures::{StreamExt as _, stream};
use kvgate_core::{Entry, Error, Kind, Result};

use super::item::{self, Item, KEY};
use super::table::{Table, incomplete};
use crate::aws::{CALL_REQUESTS_MAX, GivenUp, Pauses};

/// The most keys of a `BatchGetItem`.
pub(super) const GETS_MAX: usize = 100;

/// The most writes of a `BatchWriteItem`.
const WRITES_MAX: usize = 25;

/// The most bytes of a `BatchWriteItem`: it takes 16 MB, with what is around the items.
/// The largest ones, full of quotes that are sent escaped, are more than that together.
const WRITES_BYTES_MAX: usize = 15_000_000;

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
        let answer = table.read(|client| {
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

/// Carries out writes, each to another item; what failed is told by its key.
pub(super) async fn write_all(table: &Table, writes: Vec<WriteRequest>) -> HashMap<String, Error> {
    let given_up = GivenUp::default();
    let batches: Vec<_> =
        batches(writes).into_iter().map(|batch| write(table, batch, &given_up)).collect();
    let mut failed = HashMap::new();
    let mut answers = stream::iter(batches).buffer_unordered(CALL_REQUESTS_MAX);
    while let Some(answer) = answers.next().await {
        if let Err(Unwritten { keys, error }) = answer {
            failed.extend(keys.into_iter().map(|key| (key, error.clone())));
        }
    }
    failed
}

/// What became of a batch of writes that was not carried out as a whole.
struct Unwritten {
    /// The keys of the writes of which it is not known that they took place.
    keys: HashSet<String>,
    error: Error,
}

/// Carries out a batch, unless another one of the call has failed.
async fn write(
    table: &Table,
    batch: Vec<WriteRequest>,
    given_up: &GivenUp,
) -> Result<(), Unwritten> {
    let mut left = batch;
    let mut pauses = Pauses::default();
    loop {
        let unwritten = |error| Unwritten { keys: keys(&left), error };
        given_up.check().map_err(unwritten)?;
        let answer = table.attempt(|client| {
            client.batch_write_item().request_items(&table.name, left.clone()).send()
        });
        let answer = answer.await.and_then(|answer| answer.map_err(|it| table.failure(&it)));
        let answer = answer.inspect_err(|error| given_up.note(error)).map_err(unwritten)?;
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

/// Splits writes into batches that DynamoDB takes.
fn batches(writes: Vec<WriteRequest>) -> Vec<Vec<WriteRequest>> {
    let mut batches: Vec<Vec<WriteRequest>> = Vec::with_capacity(writes.len().div_ceil(WRITES_MAX));
    let mut room = 0;
    for write in writes {
        let size = sent_bytes(&write);
        match batches.last_mut() {
            Some(batch) if batch.len() < WRITES_MAX && size <= room => batch.push(write),
            _ => {
                batches.push(vec![write]);
                room = WRITES_BYTES_MAX;
            }
        }
        room = room.saturating_sub(size);
    }
    batches
}

/// The most bytes that a write has on its way, as text in JSON.
fn sent_bytes(write: &WriteRequest) -> usize {
    let attributes = item_of(write).into_iter().flatten();
    attributes.map(|(name, value)| name.len() + FRAME_BYTES + escaped_bytes(value)).sum()
}

/// What JSON has around an attribute.
const FRAME_BYTES: usize = 16;

fn escaped_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => {
            let escaped = |byte| match byte {
                b'"' | b'\\' => 2,
                ..b' ' => r"\u0000".len(),
                _ => 1,
            };
            text.bytes().map(escaped).sum()
        }
        _ => 0,
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

/// The item that a write stores, or the address of the one that it removes.
fn item_of(write: &WriteRequest) -> Option<&Item> {
    let put = write.put_request().map(PutRequest::item);
    put.or_else(|| write.delete_request().map(DeleteRequest::key))
}

fn keys(writes: &[WriteRequest]) -> HashSet<String> {
    let items = writes.iter().filter_map(item_of);
    items.filter_map(|item| item.get(KEY)?.as_s().ok().cloned()).collect()
}

/// DynamoDB has done nothing of it, again and again.
fn throttled() -> Error {
    Error::new(
        Kind::Unavailable,
        "DynamoDB has no capacity left for this: try later, or give the table more",
    )
}

#[cfg(test)]
mod tests {
    use super::super::item::VALUE;
    use super::*;

    fn sizes(values: impl IntoIterator<Item = String>) -> Vec<usize> {
        let write = |value| {
            let mut item = item::address("c", "k");
            item.insert(VALUE.to_owned(), AttributeValue::S(value));
            put(item).expect("a write")
        };
        batches(values.into_iter().map(write).collect()).iter().map(Vec::len).collect()
    }

    #[test]
    fn batches_are_few_and_none_is_too_large() {
        assert_eq!(sizes([]), [0; 0]);
        assert_eq!(sizes(vec!["x".to_owned(); 51]), [25, 25, 1]);
        let largest = item::ITEM_BYTES_MAX - 1024;
        assert_eq!(sizes(vec!["x".repeat(largest); 26]), [25, 1]);
        // twice as much once it is escaped
        assert_eq!(sizes(vec!["\"".repeat(largest); 26]), [18, 8]);
        assert_eq!(sizes(vec!["\n".repeat(largest); 7]), [6, 1]);
    }

    #[test]
    fn what_is_undone_is_told_by_its_key() {
        let writes = ["a", "b"].map(|key| delete(item::address("c", key)).expect("a write"));
        assert_eq!(keys(&writes), HashSet::from(["a", "b"].map(str::to_owned)));
    }
}
