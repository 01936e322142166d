//! The entries of one collection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use kvgate_proto::v1;
use serde::de::DeserializeOwned;

use crate::calls::Calls;
use crate::entry::{Entry, KeyResult, PutEntry, Ttl, read_with_ttl};
use crate::error::Result;
use crate::load::{BATCH_BYTES_MAX, StreamPutMany};
use crate::put::{Put, PutMany};
use crate::status;
use crate::value::IntoValue;

/// What a key takes in a message beside itself.
const KEY_OVERHEAD_BYTES: usize = 8;

/// The entries of one collection of one store.
///
/// ```
/// # use std::time::Duration;
/// # use kvgate_client::{Client, Result};
/// # async fn example(client: Client) -> Result<()> {
/// let sessions = client.collection("sessions");
/// sessions.put("user-7", &serde_json::json!({ "name": "Ada" })).ttl(Duration::from_secs(60)).await?;
/// let ada: Option<serde_json::Value> = sessions.get("user-7").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Collection {
    calls: Calls,
    store: Arc<str>,
    name: Arc<str>,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Keys, or names of collections; there may be none before the last page.
    pub names: Vec<String>,
    /// Asks for the next page; nothing at the end.
    pub next_page_token: Option<String>,
}

impl Page {
    pub(crate) fn new(names: Vec<String>, next_page_token: String) -> Self {
        let next_page_token = Some(next_page_token).filter(|token| !token.is_empty());
        Self { names, next_page_token }
    }
}

impl Collection {
    pub(crate) fn new(calls: Calls, store: Arc<str>, name: Arc<str>) -> Self {
        Self { calls, store, name }
    }

    /// The collection's name; empty for the store's default collection.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The store's name; empty for the server's default store.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// The same collection, whose calls and streams have this timeout; nothing: none.
    #[must_use]
    pub fn with_timeout(&self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { calls: self.calls.with_timeout(timeout.into()), ..self.clone() }
    }

    /// The same collection, whose calls also have this metadata.
    pub fn with_metadata(&self, name: &str, value: &str) -> Result<Self> {
        Ok(Self { calls: self.calls.with_metadata(name, value)?, ..self.clone() })
    }

    fn place(&self) -> (String, String) {
        (self.store.to_string(), self.name.to_string())
    }

    /// The value of a key, read as a type; nothing if the key is missing.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.get_entry(key).await?.map(|entry| entry.parse()).transpose()
    }

    /// The entry of a key, with its value letter for letter and its times.
    pub async fn get_entry(&self, key: &str) -> Result<Option<Entry>> {
        let (store, collection) = self.place();
        let request = v1::GetRequest { store, collection, key: key.to_owned() };
        let call = self
            .calls
            .unary(request, |to, request| async move { to.key_value().get(request).await }.boxed());
        Ok(call.await?.entry.map(Entry::read))
    }

    /// Stores an entry and replaces what was there, its ttl included.
    pub fn put(&self, key: &str, value: impl IntoValue) -> Put {
        let (store, collection) = self.place();
        let request = value.into_value().map(|value| v1::PutRequest {
            store,
            collection,
            key: key.to_owned(),
            value,
            ttl: None,
        });
        Put::new(self.calls.clone(), request)
    }

    /// Removes an entry and says whether there was one.
    pub async fn delete(&self, key: &str) -> Result<bool> {
        let (store, collection) = self.place();
        let request = v1::DeleteRequest { store, collection, key: key.to_owned() };
        let call = self.calls.unary(request, |to, request| {
            async move { to.key_value().delete(request).await }.boxed()
        });
        Ok(call.await?.deleted)
    }

    /// How long the entry still lives; nothing if the key is missing.
    pub async fn ttl(&self, key: &str) -> Result<Option<Ttl>> {
        Ok(self.get_with_ttl(key).await?.map(|(_, ttl)| ttl))
    }

    /// The entry of a key and how long it still lives.
    pub async fn get_with_ttl(&self, key: &str) -> Result<Option<(Entry, Ttl)>> {
        let (store, collection) = self.place();
        let request = v1::TtlRequest { store, collection, key: key.to_owned() };
        let call = self
            .calls
            .unary(request, |to, request| async move { to.key_value().ttl(request).await }.boxed());
        let answer = call.await?;
        Ok(answer.entry.map(|entry| (Entry::read(entry), Ttl::read(answer.ttl))))
    }

    /// The values of many keys in their order, read as a type. It fails if one of them can't
    /// be read; [`Collection::get_results`] tells them apart.
    pub async fn get_many<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<Option<T>>> {
        self.get_results(keys).await?.into_iter().map(KeyResult::parse).collect()
    }

    /// What came of reading many keys, in their order.
    pub async fn get_results(
        &self,
        keys: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<KeyResult>> {
        let (store, collection) = self.place();
        let request = v1::GetManyRequest { store, collection, keys: collect(keys) };
        let call = self.calls.unary(request, |to, request| {
            async move { to.key_value().get_many(request).await }.boxed()
        });
        Ok(call.await?.results.into_iter().map(KeyResult::read).collect())
    }

    /// Stores many entries: [`PutEntry`], or tuples of key, value and maybe a ttl. If it
    /// fails, [`Error::put_many`](crate::Error::put_many) says what is stored all the same.
    ///
    /// ```
    /// # use kvgate_client::{Collection, Result};
    /// # async fn example(users: Collection) -> Result<()> {
    /// # let (ada, alan) = (serde_json::json!({}), serde_json::json!({}));
    /// users.put_many([("7", &ada), ("8", &alan)]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn put_many(&self, entries: impl IntoIterator<Item = impl Into<PutEntry>>) -> PutMany {
        let (store, collection) = self.place();
        PutMany::new(self.calls.clone(), store, collection, entries)
    }

    /// Removes many entries and says how many there were. It fails if one of them could not
    /// be removed; the others are.
    pub async fn delete_many(
        &self,
        keys: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<u64> {
        let (store, collection) = self.place();
        let request = v1::DeleteManyRequest { store, collection, keys: collect(keys) };
        let call = self.calls.unary(request, |to, request| {
            async move { to.key_value().delete_many(request).await }.boxed()
        });
        let answer = call.await?;
        match answer.results.iter().find_map(|result| result.error.as_ref()) {
            Some(error) => Err(status::from_entry(error)),
            None => Ok(u64::try_from(answer.deleted_count).unwrap_or_default()),
        }
    }

    /// How long the entries of many keys still live, in the order of the keys.
    pub async fn ttl_many(
        &self,
        keys: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<Option<Ttl>>> {
        let found = self.get_many_with_ttl(keys).await?;
        Ok(found.into_iter().map(|found| found.map(|(_, ttl)| ttl)).collect())
    }

    /// The entries of many keys and how long each still lives, in the order of the keys. It
    /// fails if one of them can't be read.
    pub async fn get_many_with_ttl(
        &self,
        keys: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<Option<(Entry, Ttl)>>> {
        let (store, collection) = self.place();
        let request = v1::TtlManyRequest { store, collection, keys: collect(keys) };
        let call = self.calls.unary(request, |to, request| {
            async move { to.key_value().ttl_many(request).await }.boxed()
        });
        call.await?.results.into_iter().map(read_with_ttl).collect()
    }

    /// Reads any number of keys, in their order, as fast as the results are taken.
    ///
    /// ```
    /// # use futures::{StreamExt, TryStreamExt};
    /// # use kvgate_client::{Collection, Result};
    /// # async fn example(users: Collection, ids: Vec<String>) -> Result<()> {
    /// let mut results = users.stream_get_many(futures::stream::iter(ids));
    /// while let Some(result) = results.try_next().await? {
    ///     println!("{}: {:?}", result.key, result.outcome?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream_get_many<'a, S>(&self, keys: S) -> BoxStream<'a, Result<KeyResult>>
    where
        S: Stream<Item = String> + Send + 'a,
    {
        let collection = self.clone();
        requests(keys.boxed())
            .map(move |keys| Ok(collection.stream_get(keys)))
            .try_flatten()
            .boxed()
    }

    fn stream_get(&self, keys: Vec<String>) -> BoxStream<'static, Result<KeyResult>> {
        let (store, collection) = self.place();
        let request = v1::StreamGetManyRequest { store, collection, keys };
        let answers = self.calls.stream(request, |to, request| {
            async move { to.key_value().stream_get_many(request).await }.boxed()
        });
        let results = |answer: v1::StreamGetManyResponse| {
            stream::iter(answer.results.into_iter().map(KeyResult::read).map(Ok))
        };
        answers.map_ok(results).try_flatten().boxed()
    }

    /// Stores any number of entries and says how many.
    ///
    /// They go in batches of at most [`BATCH_ENTRIES_MAX`](crate::BATCH_ENTRIES_MAX) entries
    /// and about 1 MiB, of which a few wait for acknowledgement at once, so that it needs
    /// little memory however much it is given. It is never tried again.
    ///
    /// ```
    /// # use kvgate_client::{Collection, PutEntry, Result};
    /// # async fn example(users: Collection) -> Result<()> {
    /// let entries = (0..1_000_000).map(|n| PutEntry::new(n.to_string(), &serde_json::json!({ "n": n })));
    /// let stored = users
    ///     .stream_put_many(futures::stream::iter(entries))
    ///     .on_stored(|stored| println!("{stored} so far"))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream_put_many<'a, S>(&self, entries: S) -> StreamPutMany<'a>
    where
        S: Stream<Item = PutEntry> + Send + 'a,
    {
        let name = Arc::clone(&self.name);
        let entries = entries.map(move |entry| (Arc::clone(&name), entry));
        StreamPutMany::new(self.calls.clone(), self.store.to_string(), entries.boxed())
    }

    /// All keys that begin with `prefix`, fetched a page at a time.
    pub fn list_keys(&self, prefix: &str) -> BoxStream<'static, Result<String>> {
        self.list_keys_by(prefix, 0)
    }

    /// The same in pages of at most so many keys; 0: as many as the server likes.
    pub fn list_keys_by(&self, prefix: &str, page_size: u32) -> BoxStream<'static, Result<String>> {
        let (collection, prefix) = (self.clone(), prefix.to_owned());
        pages(move |token| {
            let (collection, prefix) = (collection.clone(), prefix.clone());
            async move { collection.key_page(&prefix, page_size, &token).await }.boxed()
        })
    }

    /// One page of keys, for whoever keeps the place between pages; an empty token is the
    /// first page.
    pub async fn key_page(&self, prefix: &str, page_size: u32, page_token: &str) -> Result<Page> {
        let (store, collection) = self.place();
        let request = v1::ListKeysRequest {
            store,
            collection,
            prefix: prefix.to_owned(),
            page_size: i32::try_from(page_size).unwrap_or(i32::MAX),
            page_token: page_token.to_owned(),
        };
        let call = self.calls.unary(request, |to, request| {
            async move { to.key_value().list_keys(request).await }.boxed()
        });
        let v1::ListKeysResponse { keys, next_page_token } = call.await?;
        Ok(Page::new(keys, next_page_token))
    }

    /// All entries whose keys begin with `prefix`, in no promised order. An entry that can't
    /// be read is a result with its error.
    pub fn scan(&self, prefix: &str) -> BoxStream<'static, Result<KeyResult>> {
        let (store, collection) = self.place();
        let request = v1::ScanEntriesRequest { store, collection, prefix: prefix.to_owned() };
        let answers = self.calls.stream(request, |to, request| {
            async move { to.key_value().scan_entries(request).await }.boxed()
        });
        let results = |answer: v1::ScanEntriesResponse| {
            let entries = answer.entries.into_iter().map(|entry| KeyResult {
                key: entry.key.clone(),
                outcome: Ok(Some(Entry::read(entry))),
            });
            let failures = answer.failures.into_iter().map(KeyResult::read);
            stream::iter(entries.chain(failures).map(Ok))
        };
        answers.map_ok(results).try_flatten().boxed()
    }

    /// Removes the collection with all its entries and says whether there were any.
    pub async fn delete_collection(&self) -> Result<bool> {
        let (store, collection) = self.place();
        let request = v1::DeleteCollectionRequest { store, collection };
        let call = self.calls.unary(request, |to, request| {
            async move { to.stores().delete_collection(request).await }.boxed()
        });
        Ok(call.await?.deleted)
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection")
            .field("store", &self.store)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn collect(keys: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    keys.into_iter().map(Into::into).collect()
}

/// Keys in parts that fit into a request each.
fn requests(keys: BoxStream<'_, String>) -> impl Stream<Item = Vec<String>> + Send + '_ {
    stream::unfold((keys, None::<String>), |(mut keys, left)| async move {
        let mut part: Vec<String> = Vec::new();
        let mut bytes = 0;
        let mut next = left;
        loop {
            let key = match next.take() {
                Some(key) => key,
                None => match keys.next().await {
                    Some(key) => key,
                    None => break,
                },
            };
            bytes += key.len() + KEY_OVERHEAD_BYTES;
            if bytes > BATCH_BYTES_MAX && !part.is_empty() {
                return Some((part, (keys, Some(key))));
            }
            part.push(key);
        }
        (!part.is_empty()).then_some((part, (keys, None)))
    })
}

/// All names of a listing. `fetch` gets a page by its token, which is empty at first.
pub(crate) fn pages(
    fetch: impl Fn(String) -> BoxFuture<'static, Result<Page>> + Send + Sync + 'static,
) -> BoxStream<'static, Result<String>> {
    let fetch = Arc::new(fetch);
    let pages = stream::try_unfold(Some(String::new()), move |token| {
        let fetch = Arc::clone(&fetch);
        async move {
            let Some(token) = token else { return Ok(None) };
            let page = fetch(token).await?;
            Ok(Some((stream::iter(page.names.into_iter().map(Ok)), page.next_page_token)))
        }
    });
    pages.try_flatten().boxed()
}
