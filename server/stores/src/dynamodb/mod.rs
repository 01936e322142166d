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
mod removal;
mod settings;
mod table;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kvgate_core::{
    Capabilities, Clock, Entry, Limits, ListedKey, Page, PageRequest, Removed, Result, Store,
    Timestamp,
};

use crate::aws::{CALL_REQUESTS_MAX, GivenUp};
use item::{COLLECTION_BYTES_MAX, Item, KEY, KEY_BYTES_MAX};
use listing::Reading;
pub use settings::Config;
use table::Table;

/// A store in a table of DynamoDB.
pub struct DynamoDbStore {
    table: Table,
    consistent: bool,
    clock: Arc<dyn Clock>,
}

impl DynamoDbStore {
    /// Whether a collection has a live entry: it is asked about if none was seen.
    async fn has_live(&self, collection: &str, seen: bool, now: Timestamp) -> Result<bool> {
        Ok(seen || listing::has_live(&self.table, collection, now, self.consistent).await?)
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
        let keys: Vec<&str> = entries.iter().map(|(key, _)| *key).collect();
        let writes = distinct(&keys)
            .into_iter()
            .map(|key| batch::put(item::item(collection, key, last[key])?))
            .collect::<Result<Vec<_>>>()?;
        let failed = batch::write_all(&self.table, writes).await;
        Ok(keys.iter().map(|key| failed.get(*key).cloned().map_or(Ok(()), Err)).collect())
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let wanted = distinct(keys);
        let given_up = GivenUp::default();
        let deletes: Vec<_> = wanted
            .iter()
            .map(|key| removal::one_of_many(&self.table, collection, key, &given_up))
            .collect();
        let answers: Vec<_> = stream::iter(deletes).buffered(CALL_REQUESTS_MAX).collect().await;
        if answers.iter().all(Result::is_err) {
            // nothing is known of any key
            given_up.check()?;
        }
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
        let now = self.clock.now();
        let listed = listing::collections(&self.table, page, now, self.consistent).await?;
        let mut found = listed.found;
        found.retain(|(name, _)| name.starts_with(page.prefix));
        let looked_at: Vec<_> =
            found.iter().map(|(name, seen)| self.has_live(name, *seen, now)).collect();
        let looked_at = stream::iter(looked_at).buffered(CALL_REQUESTS_MAX);
        let is_live: Vec<bool> = looked_at.try_collect().await?;
        let items = found.into_iter().zip(is_live).filter_map(|((name, _), is)| is.then_some(name));
        let items = items.collect();
        Ok(Page { items, next: listed.next })
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        let held = listing::has_live(&self.table, collection, self.clock.now(), true).await?;
        let collection = Some(collection);
        let reading = Reading { collection, consistent: true, ..Reading::default() };
        removal::all(&self.table, reading).await?;
        Ok(held)
    }

    /// Removes the items one by one: the table may be another's to make.
    async fn destroy(&self) -> Result<()> {
        removal::all(&self.table, Reading { consistent: true, ..Reading::default() }).await
    }

    async fn cull(&self) -> Result<u64> {
        removal::expired(&self.table, self.clock.now()).await
    }

    /// Reads: who may see that there is a table need not be allowed to read it.
    async fn check(&self) -> Result<()> {
        let nobody = item::address("kvgate", "check");
        let read = self.table.read(|client| {
            let get = client.get_item().table_name(&self.table.name);
            get.set_key(Some(nobody.clone())).consistent_read(self.consistent).send()
        });
        read.await.map(drop)
    }
}

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
