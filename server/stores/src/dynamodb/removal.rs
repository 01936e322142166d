//! Removing items.

use std::collections::HashMap;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::ReturnValue;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kvgate_core::{Removed, Result, Timestamp};

use super::batch;
use super::item::{self, COLLECTION, Item, KEY, TTL};
use super::listing::Reading;
use super::table::Table;
use crate::aws::{self, CALL_REQUESTS_MAX, GivenUp, Pauses};

/// The refusal of a write whose condition does not hold.
const UNMET: &str = "ConditionalCheckFailedException";

/// Removes one of several items and answers what it was.
pub(super) async fn one_of_many(
    table: &Table,
    collection: &str,
    key: &str,
    given_up: &GivenUp,
) -> Result<Option<Removed>> {
    given_up.check()?;
    let removed = one(table, collection, key).await;
    removed.inspect_err(|error| given_up.note(error))
}

/// A client that sends a delete again after it lost the answer hears that nothing is
/// there. So that is left to the caller; what was throttled did not happen.
///
/// Of several at the same time DynamoDB Local tells some what was there, unless there is a
/// condition: with one it looks and removes in one step, as DynamoDB always does.
async fn one(table: &Table, collection: &str, key: &str) -> Result<Option<Removed>> {
    let once = aws_sdk_dynamodb::Config::builder().retry_config(RetryConfig::disabled());
    let mut pauses = Pauses::default();
    loop {
        let answer = table.attempt(|client| {
            client
                .delete_item()
                .table_name(&table.name)
                .set_key(Some(item::address(collection, key)))
                .condition_expression("attribute_exists(#k)")
                .expression_attribute_names("#k", KEY)
                .return_values(ReturnValue::AllOld)
                .customize()
                .config_override(once.clone())
                .send()
        });
        match answer.await? {
            Err(error) if error.code().is_some_and(aws::is_throttling) && pauses.pause().await => {}
            Err(error) if error.code() == Some(UNMET) => return Ok(None),
            Err(error) => return Err(table.failure(&error)),
            Ok(answer) => {
                let removed = |item| Removed { expires_at: item::expires_at(item) };
                return Ok(answer.attributes.map(removed));
            }
        }
    }
}

/// Removes all that is read.
pub(super) async fn all(table: &Table, mut reading: Reading<'_>) -> Result<()> {
    reading.projection = "#c, #k";
    loop {
        let part = reading.part(table).await?;
        let deletes: Result<Vec<_>> = part.items.into_iter().map(batch::delete).collect();
        if let Some(error) = batch::write_all(table, deletes?).await.into_values().next() {
            return Err(error.may_have_happened());
        }
        reading.after = part.next;
        if reading.after.is_none() {
            return Ok(());
        }
    }
}

/// Removes what has expired and answers how many items that were.
pub(super) async fn expired(table: &Table, now: Timestamp) -> Result<u64> {
    let mut reading = Reading {
        // a second that is over: whatever has it as its ttl has expired
        filter: Some(("#t <= :now", item::seconds_down(now))),
        projection: "#c, #k, #v, #t",
        consistent: true,
        ..Reading::default()
    };
    let mut sum = 0;
    loop {
        let part = reading.part(table).await?;
        let has_expired =
            |found: &Item| item::expires_at(found.clone()).is_some_and(|at| at <= now);
        let expired = part.items.into_iter().filter(has_expired);
        let removals: Vec<_> = expired.map(|found| one_expired(table, found)).collect();
        let removals = stream::iter(removals).buffer_unordered(CALL_REQUESTS_MAX);
        let removed: Vec<bool> = removals.try_collect().await?;
        sum += removed.into_iter().map(u64::from).sum::<u64>();
        reading.after = part.next;
        if reading.after.is_none() {
            return Ok(sum);
        }
    }
}

/// Removes an item that has expired, unless another one has taken its place: one with the
/// same `ttl` has expired as well.
async fn one_expired(table: &Table, mut found: Item) -> Result<bool> {
    let ttl = found.remove(TTL);
    let mut key = Item::new();
    for attribute in [COLLECTION, KEY] {
        key.extend(found.remove_entry(attribute));
    }
    let answer = table.attempt(|client| {
        let request = client.delete_item().table_name(&table.name);
        request
            .set_key(Some(key.clone()))
            .condition_expression("#t = :t")
            .expression_attribute_names("#t", TTL)
            .set_expression_attribute_values(
                ttl.clone().map(|ttl| HashMap::from([(":t".to_owned(), ttl)])),
            )
            .send()
    });
    match answer.await? {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(UNMET) => Ok(false),
        Err(error) => Err(table.failure(&error)),
    }
}
