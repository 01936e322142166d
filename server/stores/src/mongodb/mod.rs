//! Entries in a database of MongoDB, as py-key-value's `MongoDBStore` keeps them: a
//! MongoDB collection for each collection, a document for each entry.
//!
//! `database.rs` talks to the driver, `slots.rs` bounds what is under way, `document.rs` is
//! the stored form, `writes.rs` puts many entries in one command.
//! `decisions/0009-mongodb-documents.md` says why writes and deletes are what they are.

mod database;
mod document;
mod fault;
mod found;
mod indexes;
mod names;
mod slots;
mod to_bson;
mod to_json;
mod writes;

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use ::mongodb::bson::{Document, RawDocumentBuf, doc};
use ::mongodb::options::FindOptions;
use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kvgate_core::name::{self, Sanitize};
use kvgate_core::{
    BackendUrl, Capabilities, Clock, Entry, Limits, ListedKey, Page, PageRequest, Removed, Result,
    Secret, Store, duration,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::StoreConfig;
use crate::tls::TlsSettings;
use database::Database;
use indexes::Indexes;
use names::Names;

/// The most commands that one call has under way where each is for one key or collection.
const COMMANDS_AT_ONCE: usize = 16;

/// The most collections that are looked at for one page of a listing.
const LOOKED_AT_MAX: usize = 1000;

/// How long it may take to remove all of a collection: longer than a call for some keys.
const SWEEP_TIMEOUT: Duration = Duration::from_mins(1);

/// Settings of a `MongoDB` store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where MongoDB is: `mongodb://HOST:PORT` or `mongodb+srv://HOST`. Options of the
    /// driver may follow, as in `mongodb://HOST/?replicaSet=rs0`; they go before the
    /// settings here. Without `w` or `journal` a write is acknowledged once most servers
    /// have it in their journals.
    url: BackendUrl,
    /// The database. It should hold nothing but what kvgate and py-key-value store.
    #[serde(default = "default_db_name")]
    db_name: String,
    /// The user, if the URL names none.
    #[serde(default)]
    username: Option<String>,
    /// The user's password.
    #[serde(default)]
    password: Option<Secret>,
    /// Encrypts the connections. Without `ca_file` the authorities are those of Mozilla's
    /// list; `cert_file` and `key_file` must be the same file, which holds both.
    #[serde(default)]
    tls: Option<TlsSettings>,
    /// How collections are stored that no MongoDB collection can be named after.
    #[serde(default)]
    sanitize: Sanitize,
    /// How long the backend may take for a command, of which a call of many keys needs
    /// one for each 1,000.
    #[serde(default = "default_timeout", deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "5s"))]
    timeout: Duration,
    /// How long to wait for a server that can take a call, before the backend counts as
    /// down.
    #[serde(default = "default_connect_timeout", deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "2s"))]
    connect_timeout: Duration,
    /// The most connections that are in use at the same time, unless the URL has a
    /// `maxPoolSize`.
    #[serde(default = "default_connections")]
    connections: NonZeroU32,
}

fn default_db_name() -> String {
    "kv-store-adapter".to_owned()
}

fn default_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(2)
}

fn default_connections() -> NonZeroU32 {
    const { NonZeroU32::new(32).unwrap() }
}

impl StoreConfig for Config {
    type Store = MongoDbStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<MongoDbStore> {
        Ok(MongoDbStore {
            description: format!("mongodb {}, database {}", self.url, self.db_name),
            names: Names::new(self.sanitize, &self.db_name),
            timeout: self.timeout,
            clock,
            database: Database::new(self)?,
            indexes: Indexes::default(),
        })
    }
}

/// A store in a database of MongoDB.
pub struct MongoDbStore {
    description: String,
    names: Names,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    database: Database,
    indexes: Indexes,
}

impl MongoDbStore {
    /// Removes one key's document. Where others made several, the older ones go with it:
    /// else they would come to light.
    async fn delete(&self, stored: &str, key: &str) -> Result<Option<Removed>> {
        let (now, key) = (self.clock.now(), doc! { "key": key });
        let members = doc! { "_id": 0, "created_at": 1, "expires_at": 1 };
        let found = self.database.find_and_delete(stored, key.clone(), members).await?;
        let Some(found) = found else { return Ok(None) };
        // times that can't be read are none that have passed
        let (created_at, expires_at) = document::times(&found);
        if !self.indexes.keys_are_unique(stored) {
            // what is put from now on stays
            let older = document::created_by(key, created_at.unwrap_or(now));
            self.database.delete(stored, older, self.timeout).await?;
        }
        Ok(Some(Removed { expires_at }))
    }

    /// The collection in a MongoDB collection as it was named, if it is to be listed.
    async fn listed(&self, stored: &str, prefix: &str) -> Result<Option<String>> {
        if !self.names.may_begin_with(stored, prefix) {
            return Ok(None);
        }
        let filter = document::live(document::ours(), self.clock.now());
        let options =
            FindOptions::builder().limit(1).projection(doc! { "_id": 0, "collection": 1 }).build();
        let found = self.database.find(stored, filter, options).await?;
        let collection = found.first().and_then(|found| document::collection(found));
        // a name that is stored otherwise leads nobody to this collection
        let is_listed = |collection: &&str| {
            collection.starts_with(prefix) && self.names.leads_to(collection, stored)
        };
        Ok(collection.filter(is_listed).map(str::to_owned))
    }

    /// Removes what matches in every collection and answers how many documents that were.
    async fn sweep(&self, filter: &Document) -> Result<u64> {
        let mut names = self.database.collections().await?;
        names.retain(|name| !name.starts_with("system."));
        let delete = |name: String| async move {
            self.database.delete(&name, filter.clone(), SWEEP_TIMEOUT).await
        };
        let mut removed = stream::iter(names).map(delete).buffer_unordered(COMMANDS_AT_ONCE);
        let mut sum = 0;
        while let Some(count) = removed.try_next().await? {
            sum += count;
        }
        Ok(sum)
    }
}

#[async_trait]
impl Store for MongoDbStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { exact_values: false, ..Capabilities::FULL }
    }

    fn limits(&self) -> Limits {
        Limits { value_bytes_max: Some(document::VALUE_BYTES_MAX), ..Limits::default() }
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let stored = self.names.stored(collection)?;
        let mut found: Vec<RawDocumentBuf> = Vec::with_capacity(keys.len());
        for range in writes::batches(keys.iter().map(|key| key.len())) {
            // one more than there are keys: then the server sees that it has no more
            let batch_size = u32::try_from(range.len() + 1).unwrap_or(u32::MAX);
            let filter = doc! { "key": { "$in": keys[range].to_vec() } };
            let options = FindOptions::builder().batch_size(batch_size).build();
            found.extend(self.database.find(&stored, filter, options).await?);
        }
        let newest = found::newest_of_each_key(&found);
        let entry = |key: &&str| newest.get(*key).map(|found| document::entry(found)).transpose();
        Ok(keys.iter().map(entry).collect())
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let stored = self.names.stored(collection)?;
        let statements = writes::Statements::new(collection, entries)?;
        self.indexes.ensure(&self.database, &stored).await?;
        statements.run(&self.database, &stored).await
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let stored = self.names.stored(collection)?;
        let mut seen = HashSet::with_capacity(keys.len());
        let firsts: Vec<Option<&str>> =
            keys.iter().map(|key| seen.insert(*key).then_some(*key)).collect();
        let delete = |key: Option<&str>| {
            let (key, stored) = (key.map(str::to_owned), &stored);
            async move {
                match key {
                    Some(key) => self.delete(stored, &key).await,
                    None => Ok(None),
                }
            }
        };
        let mut deleted = stream::iter(firsts).map(delete).buffered(COMMANDS_AT_ONCE);
        let mut answers = Vec::with_capacity(keys.len());
        while let Some(answer) = deleted.next().await {
            if let Err(error) = &answer {
                // the backend is gone: it would be waited for key by key
                let error = error.clone();
                if answers.is_empty() {
                    return Err(error);
                }
                answers.resize_with(keys.len(), || Err(error.clone()));
                break;
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let stored = self.names.stored(collection)?;
        let mut range = match page.start() {
            Bound::Excluded(last) => doc! { "$gt": last },
            Bound::Included(_) | Bound::Unbounded => doc! { "$gte": page.prefix },
        };
        if let Some(end) = name::after_all_with(page.prefix) {
            range.insert("$lt", end);
        }
        // one more tells whether another page follows
        let limit = i64::try_from(page.limit.saturating_add(1)).unwrap_or(i64::MAX);
        let options = FindOptions::builder()
            .projection(doc! { "_id": 0, "key": 1, "expires_at": 1 })
            .sort(doc! { "key": 1 })
            .limit(limit)
            .batch_size(u32::try_from(limit).unwrap_or(u32::MAX))
            .build();
        let found = self.database.find(&stored, doc! { "key": range }, options).await?;
        Ok(found::page_of(&found, page))
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let mut names = self.database.collections().await?;
        names.retain(|name| page.cursor.is_none_or(|cursor| name.as_str() > cursor));
        let mut is_last_page = names.len() <= LOOKED_AT_MAX;
        names.truncate(LOOKED_AT_MAX);
        let count = names.len();
        let look = |(index, stored): (usize, String)| async move {
            let listed = self.listed(&stored, page.prefix).await;
            listed.map(|listed| (index, stored, listed))
        };
        let mut looked_at =
            stream::iter(names.into_iter().enumerate()).map(look).buffered(COMMANDS_AT_ONCE);
        let (mut items, mut last) = (Vec::new(), None);
        while let Some((index, stored, listed)) = looked_at.try_next().await? {
            items.extend(listed);
            last = Some(stored);
            if items.len() >= page.limit {
                is_last_page &= index + 1 == count;
                break;
            }
        }
        Ok(Page { items, next: if is_last_page { None } else { last } })
    }

    /// Leaves an empty MongoDB collection with its indexes behind: a put at the same time
    /// would make a dropped one again, without them. An empty one isn't listed.
    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        let stored = self.names.stored(collection)?;
        let live = document::live(document::keyed(), self.clock.now());
        let removed = self.database.delete(&stored, live, SWEEP_TIMEOUT).await?;
        self.database.delete(&stored, document::keyed(), SWEEP_TIMEOUT).await?;
        Ok(removed > 0)
    }

    /// What other programs may have in the database stays.
    async fn destroy(&self) -> Result<()> {
        self.sweep(&document::ours()).await.map(drop)
    }

    async fn cull(&self) -> Result<u64> {
        self.sweep(&document::expired(document::ours(), self.clock.now())).await
    }

    /// Reads: a server answers a ping whether the user may read or not.
    async fn check(&self) -> Result<()> {
        let options = FindOptions::builder().limit(1).build();
        let nothing = doc! { "_id": "" };
        self.database.find("default_collection", nothing, options).await.map(drop)
    }
}

impl fmt::Display for MongoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}
