//! A table of DynamoDB, shared with py-key-value.
//!
//! `item.rs` is the stored form, `table.rs` makes the table and sends requests, `batch.rs`
//! reads and writes many items, `listing.rs` reads them in their order.
//!
//! What DynamoDB can't do, and what is done instead:
//!
//! - A batch of deletes does not say what was there, so each key is a request of its own.
//! - There is no list of the partition keys. Listing the collections scans the table and
//!   jumps behind the items of each collection that it meets: a few items are read for
//!   each collection, however many there are in it. They come in the order of their hashes.
//! - Culling and destroying read the whole table.

mod batch;
mod item;
mod listing;
mod table;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{ReturnValue, WriteRequest};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kvgate_core::{
    BackendUrl, Capabilities, Clock, Entry, Error, Kind, Limits, ListedKey, Page, PageRequest,
    Removed, Result, Secret, Store, duration,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::StoreConfig;
use crate::aws::{self, CALL_REQUESTS_MAX, Pauses, Requests, Service};
use item::{COLLECTION, COLLECTION_BYTES_MAX, Item, KEY, KEY_BYTES_MAX, TTL};
use listing::Reading;
use table::Table;

/// Settings of a `DynamoDB` store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The table. One that is made by hand needs the partition key `collection` and the
    /// sort key `key`, both strings; TTL on the attribute `ttl` is good to have.
    table_name: String,
    /// Makes the table if it is not there: with a price by request, and with TTL.
    #[serde(default = "default_auto_create")]
    auto_create: bool,
    /// Whether a read sees every write that was acknowledged before. Reads that may be a
    /// moment late cost half.
    #[serde(default = "default_consistent_read")]
    consistent_read: bool,
    /// The region of AWS; that of the environment, the profile or the machine if it is not
    /// set.
    region_name: Option<String>,
    /// Where the service is, for one that is not in AWS.
    endpoint_url: Option<BackendUrl>,
    /// The access key; without it credentials come from the standard chain: environment,
    /// profile, web identity, container, machine.
    aws_access_key_id: Option<Secret>,
    /// The secret of the access key.
    aws_secret_access_key: Option<Secret>,
    /// The token that goes with a temporary access key.
    aws_session_token: Option<Secret>,
    /// How long DynamoDB may take for one answer, with further attempts.
    #[serde(default = "default_timeout", deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "5s"))]
    timeout: Duration,
    /// How long it may take to connect.
    #[serde(default = "default_connect_timeout", deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "2s"))]
    connect_timeout: Duration,
    /// The most requests to DynamoDB at once, each on a connection of its own. Others wait.
    #[serde(default = "default_requests_max")]
    requests_max: NonZeroUsize,
}

fn default_auto_create() -> bool {
    true
}

fn default_consistent_read() -> bool {
    true
}

fn default_timeout() -> Duration {
    aws::TIMEOUT
}

fn default_connect_timeout() -> Duration {
    aws::CONNECT_TIMEOUT
}

fn default_requests_max() -> NonZeroUsize {
    aws::REQUESTS_MAX
}

impl StoreConfig for Config {
    type Store = DynamoDbStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<DynamoDbStore> {
        let service = Service {
            name: "DynamoDB",
            region_name: self.region_name,
            endpoint_url: self.endpoint_url,
            credentials: aws::credentials(
                self.aws_access_key_id.as_ref(),
                self.aws_secret_access_key.as_ref(),
                self.aws_session_token.as_ref(),
            )?,
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
        };
        let requests = Requests::new(self.requests_max);
        let table = Table::new(self.table_name, self.auto_create, service, requests);
        Ok(DynamoDbStore { table, consistent: self.consistent_read, clock })
    }
}

/// A store in a table of `DynamoDB`.
pub struct DynamoDbStore {
    table: Table,
    consistent: bool,
    clock: Arc<dyn Clock>,
}

impl DynamoDbStore {
    /// Carries out writes, each to another item; what failed is told by its key.
    async fn write(&self, writes: Vec<WriteRequest>) -> HashMap<String, Error> {
        let mut writes = writes.into_iter();
        let batches = std::iter::from_fn(|| {
            let batch: Vec<_> = writes.by_ref().take(batch::WRITES_MAX).collect();
            (!batch.is_empty()).then(|| batch::write(&self.table, batch))
        });
        let batches: Vec<_> = batches.collect();
        let mut failed = HashMap::new();
        let mut answers = stream::iter(batches).buffer_unordered(CALL_REQUESTS_MAX);
        while let Some(answer) = answers.next().await {
            if let Err(unwritten) = answer {
                let error = unwritten.error;
                failed.extend(unwritten.keys.into_iter().map(|key| (key, error.clone())));
            }
        }
        failed
    }

    /// Removes one item and answers what it was.
    ///
    /// A client that sends a delete again after it lost the answer hears that nothing is
    /// there. So that is left to the caller; what was throttled did not happen.
    async fn delete(&self, collection: &str, key: &str) -> Result<Option<Removed>> {
        let once = aws_sdk_dynamodb::Config::builder().retry_config(RetryConfig::disabled());
        let mut pauses = Pauses::default();
        loop {
            let answer = self.table.attempt(|client| {
                client
                    .delete_item()
                    .table_name(&self.table.name)
                    .set_key(Some(item::address(collection, key)))
                    .return_values(ReturnValue::AllOld)
                    .customize()
                    .config_override(once.clone())
                    .send()
            });
            match answer.await? {
                Err(error)
                    if error.code().is_some_and(aws::is_throttling) && pauses.pause().await => {}
                Err(error) => return Err(self.table.service.failure(&error)),
                Ok(answer) => {
                    let removed = |item| Removed { expires_at: item::expires_at(item) };
                    return Ok(answer.attributes.map(removed));
                }
            }
        }
    }

    /// Removes an item that has expired, unless another one has taken its place: one with
    /// the same `ttl` has expired as well.
    async fn cull_item(&self, found: Item) -> Result<bool> {
        let ttl = found.get(TTL).cloned();
        let (mut key, mut found) = (Item::new(), found);
        for attribute in [COLLECTION, KEY] {
            key.extend(found.remove_entry(attribute));
        }
        let answer = self.table.attempt(|client| {
            let request = client.delete_item().table_name(&self.table.name);
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
            Err(error) => Err(self.table.service.failure(&error)),
        }
    }

    /// The keys of listed items. Whether one has expired that ends in these seconds only
    /// its envelope tells.
    async fn settle(&self, collection: &str, items: Vec<Item>) -> Result<Vec<ListedKey>> {
        let now = item::seconds_down(self.clock.now());
        let (mut listed, mut near) = (Vec::with_capacity(items.len()), HashSet::new());
        for mut item in items {
            let key = item::take_name(&mut item, KEY)?;
            let ttl = item::ttl(&item).ok().flatten();
            if ttl.is_some_and(|ttl| (now - 1..=now + 2).contains(&ttl)) {
                near.insert(key.clone());
            }
            listed.push(ListedKey { key, expires_at: ttl.map(item::moment) });
        }
        let keys: Vec<&str> = near.iter().map(String::as_str).collect();
        let entries = self.get_many(collection, &keys).await?;
        let entries: HashMap<&str, _> = keys.into_iter().zip(entries).collect();
        listed.retain_mut(|listed| match entries.get(listed.key.as_str()) {
            Some(Ok(Some(entry))) => {
                listed.expires_at = entry.expires_at;
                true
            }
            Some(Ok(None)) => false,
            Some(Err(_)) | None => true,
        });
        Ok(listed)
    }

    /// Removes all that is read; answers whether anything of it was live.
    async fn delete_all(&self, mut reading: Reading<'_>) -> Result<bool> {
        let now = item::seconds_down(self.clock.now());
        let mut held = false;
        loop {
            let part = reading.part(&self.table).await?;
            let mut writes = Vec::with_capacity(part.items.len());
            for mut item in part.items {
                held |= item::ttl(&item).ok().flatten().is_none_or(|ttl| ttl > now);
                item.remove(TTL);
                writes.push(batch::delete(item)?);
            }
            if let Some(error) = self.write(writes).await.into_values().next() {
                return Err(error.may_have_happened());
            }
            reading.after = part.next;
            if reading.after.is_none() {
                return Ok(held);
            }
        }
    }
}

/// The names once each, in the order in which they come first.
fn distinct<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut seen = HashSet::with_capacity(names.len());
    names.iter().copied().filter(|name| seen.insert(*name)).collect()
}

#[async_trait]
impl Store for DynamoDbStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    fn limits(&self) -> Limits {
        Limits {
            key_bytes_max: Some(KEY_BYTES_MAX),
            collection_bytes_max: Some(COLLECTION_BYTES_MAX),
            value_bytes_max: Some(item::ITEM_BYTES_MAX - item::FRAME_BYTES),
        }
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let wanted = distinct(keys);
        let batches: Vec<_> = wanted
            .chunks(batch::GETS_MAX)
            .map(|keys| batch::get(&self.table, collection, keys, self.consistent))
            .collect();
        let answers = stream::iter(batches).buffer_unordered(CALL_REQUESTS_MAX);
        let found: Vec<_> = answers.try_collect().await?;
        let found: HashMap<String, Result<Entry>> = found.into_iter().flatten().collect();
        Ok(keys.iter().map(|key| found.get(*key).cloned().transpose()).collect())
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        // a batch must not name an item twice, and the last one stays
        let last: HashMap<&str, &Entry> =
            entries.iter().map(|(key, entry)| (*key, entry)).collect();
        let writes = last
            .into_iter()
            .map(|(key, entry)| batch::put(item::item(collection, key, entry)?))
            .collect::<Result<Vec<_>>>()?;
        let failed = self.write(writes).await;
        let answer = |(key, _): &(&str, Entry)| failed.get(*key).cloned().map_or(Ok(()), Err);
        Ok(entries.iter().map(answer).collect())
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let wanted = distinct(keys);
        let deletes: Vec<_> = wanted.iter().map(|key| self.delete(collection, key)).collect();
        let answers: Vec<_> = stream::iter(deletes).buffered(CALL_REQUESTS_MAX).collect().await;
        let mut answers: HashMap<&str, _> = wanted.into_iter().zip(answers).collect();
        // of duplicate keys the first finds it
        Ok(keys.iter().map(|key| answers.remove(key).unwrap_or(Ok(None))).collect())
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        if page.prefix.len() > KEY_BYTES_MAX {
            return Ok(Page::empty());
        }
        let reading = Reading {
            collection: Some(collection),
            prefix: page.prefix,
            projection: "#k, #t",
            after: listing::after(collection, page.prefix, page.cursor)?,
            limit: Some(i32::try_from(page.limit).unwrap_or(i32::MAX)),
            consistent: self.consistent,
            ..Reading::default()
        };
        let part = reading.part(&self.table).await?;
        let next = part.next.map(|mut item| item::take_name(&mut item, KEY)).transpose()?;
        Ok(Page { items: self.settle(collection, part.items).await?, next })
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let reading = Reading {
            projection: "#c",
            after: page.cursor.map(listing::behind),
            limit: Some(i32::try_from(page.limit).unwrap_or(i32::MAX).min(SCAN_LIMIT)),
            consistent: self.consistent,
            ..Reading::default()
        };
        let part = reading.part(&self.table).await?;
        let mut collections = Vec::new();
        for mut item in part.items {
            collections.push(item::take_name(&mut item, COLLECTION)?);
        }
        collections.dedup();
        let next = collections.last().filter(|_| part.next.is_some()).cloned();
        collections.retain(|name| name.starts_with(page.prefix));
        let now = self.clock.now();
        let lives: Vec<_> = collections
            .iter()
            .map(|name| listing::has_live(&self.table, name, now, self.consistent))
            .collect();
        let lives = stream::iter(lives).buffered(CALL_REQUESTS_MAX);
        let lives: Vec<bool> = lives.try_collect().await?;
        let listed =
            collections.into_iter().zip(lives).filter_map(|(name, live)| live.then_some(name));
        Ok(Page { items: listed.collect(), next })
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        self.delete_all(Reading {
            collection: Some(collection),
            projection: "#c, #k, #t",
            consistent: true,
            ..Reading::default()
        })
        .await
    }

    /// Removes the items one by one: the table may be another's to make.
    async fn destroy(&self) -> Result<()> {
        let reading = Reading { projection: "#c, #k, #t", consistent: true, ..Reading::default() };
        self.delete_all(reading).await.map(|_| ())
    }

    async fn cull(&self) -> Result<u64> {
        let now = self.clock.now();
        let mut reading = Reading {
            // a second that is over: whatever has it as its ttl has expired
            filter: Some(("#t <= :now", item::seconds_down(now))),
            projection: "#c, #k, #v, #t",
            consistent: true,
            ..Reading::default()
        };
        let mut culled = 0;
        loop {
            let part = reading.part(&self.table).await?;
            let expired = part
                .items
                .into_iter()
                .filter(|found| item::expires_at(found.clone()).is_some_and(|at| at <= now));
            let culls: Vec<_> = expired.map(|found| self.cull_item(found)).collect();
            let culls = stream::iter(culls).buffer_unordered(CALL_REQUESTS_MAX);
            let removed: Vec<bool> = culls.try_collect().await?;
            culled += removed.into_iter().map(u64::from).sum::<u64>();
            reading.after = part.next;
            if reading.after.is_none() {
                return Ok(culled);
            }
        }
    }

    async fn check(&self) -> Result<()> {
        let described =
            self.table.send(|client| client.describe_table().table_name(&self.table.name).send());
        described.await.map(|_| ())
    }
}

/// The refusal of a write whose condition does not hold.
const UNMET: &str = "ConditionalCheckFailedException";

/// How many items a scan for collections looks at before it jumps on.
const SCAN_LIMIT: i32 = 100;

impl fmt::Display for DynamoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dynamodb, table {}", self.table.name)?;
        if let Some(url) = &self.table.service.endpoint_url {
            write!(f, " at {url}")?;
        }
        let reads = if self.consistent { "consistent" } else { "eventually consistent" };
        write!(f, ", {reads} reads")
    }
}
