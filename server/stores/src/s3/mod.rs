//! Objects in an S3 bucket, shared with py-key-value: `{collection}/{key}` for each entry.
//!
//! `names.rs` is what the objects are called, `object.rs` what they are and the requests
//! for one, `bucket.rs` makes the bucket and sends requests, `listing.rs` lists names,
//! `expired.rs` removes what has expired.
//!
//! What S3 can't do, and what is done instead:
//!
//! - There are no requests for many objects but deletes: each is read and written by one of
//!   its own, some at once.
//! - A delete does not say what was there, so each object is looked at before: two requests
//!   for a key. Callers of one kvgate take turns; of two that delete the same key through
//!   two of them, both may be told that it was there.
//! - A listing does not say which entries have expired: each object is looked at, 1,000
//!   requests more for a page of 1,000 keys.

mod bucket;
mod expired;
mod listing;
mod names;
mod object;
mod settings;
mod turns;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kvgate_core::envelope::Decoded;
use kvgate_core::{
    Capabilities, Clock, Entry, Error, Kind, Limits, ListedKey, Page, PageRequest, Removed, Result,
    Store, envelope, is_live,
};

use crate::aws::{CALL_REQUESTS_MAX, GivenUp};
use bucket::Bucket;
use listing::{Listed, NAMES_MAX, Place};
use names::{Names, SEPARATOR};
use object::{Body, Object, over_limit};
use turns::Turns;

pub use settings::Config;

/// How many objects of a collection are listed at once to find one that lives.
const LOOKED_AT: usize = 20;

/// How many of them are looked at, at once.
const LOOKED_AT_ONCE: usize = 4;

/// A store in a bucket of S3, or of what speaks like it.
pub struct S3Store {
    bucket: Bucket,
    names: Names,
    object_bytes_max: usize,
    turns: Turns,
    clock: Arc<dyn Clock>,
}

impl S3Store {
    /// The objects of keys.
    fn objects(&self, collection: &str, keys: &[&str]) -> Result<Vec<String>> {
        let folder = self.names.folder(collection)?;
        keys.iter().map(|key| self.names.object(&folder, key)).collect()
    }

    async fn get(&self, name: &str) -> Result<Option<Object>> {
        self.bucket.get(name, self.object_bytes_max).await
    }

    /// Reads an entry, and removes it if it has expired.
    async fn read(&self, name: String) -> Result<Option<Entry>> {
        let Some(object) = self.get(&name).await? else {
            return Ok(None);
        };
        let entry = envelope::decode(&object.body)?.entry;
        // the reader is told the truth all the same
        if let Err(error) = self.remove_if_expired(&name, &object, &entry).await {
            tracing::warn!("an entry that has expired is still in S3: {error}");
        }
        Ok(Some(entry))
    }

    /// Removes an entry that was read, if it has expired and is still the same; answers
    /// whether it did.
    async fn remove_if_expired(&self, name: &str, object: &Object, entry: &Entry) -> Result<bool> {
        match entry.expires_at {
            Some(at) if !entry.is_live(self.clock.now()) => {
                self.bucket.remove_expired(name, &object.head, at).await
            }
            _ => Ok(false),
        }
    }

    async fn write(&self, collection: &str, name: &str, key: &str, entry: &Entry) -> Result<()> {
        let body = Body::of_entry(collection, key, entry);
        // long names with much to escape take more than is set aside for them
        if body.len() > self.object_bytes_max {
            return Err(over_limit(Kind::ValueTooLarge, self.object_bytes_max));
        }
        self.bucket.put(name, &body).await
    }

    /// What a delete would remove.
    async fn look(&self, name: String) -> Result<Option<Removed>> {
        let head = self.bucket.head(&name).await?;
        Ok(head.map(|head| Removed { expires_at: head.expires_at }))
    }

    /// An object with what it holds; nothing if that is no entry.
    async fn decoded(&self, name: &str) -> Result<Option<(Object, Decoded)>> {
        let object = match self.get(name).await {
            Ok(object) => object,
            Err(error) if error.kind() == Kind::Unreadable => None,
            Err(error) => return Err(error),
        };
        Ok(object.and_then(|object| {
            let decoded = envelope::decode(&object.body).ok()?;
            Some((object, decoded))
        }))
    }

    /// Removes the entry if it has expired; answers whether it did. Its metadata tell it
    /// without its body, and only the body tells for certain.
    async fn cull_object(&self, name: String) -> Result<bool> {
        if self.is_live(&name).await? {
            return Ok(false);
        }
        match self.decoded(&name).await? {
            Some((object, decoded)) => self.remove_if_expired(&name, &object, &decoded.entry).await,
            None => Ok(false),
        }
    }

    /// A key as it was named, by what it is called in its collection's folder; nothing if
    /// it is none of ours.
    async fn listed(&self, folder: &str, stored: String) -> Result<Option<ListedKey>> {
        let name = format!("{folder}{stored}");
        let listed = if self.names.is_made(&stored) {
            let found = self.decoded(&name).await?;
            found.map(|(_, decoded)| ListedKey {
                key: decoded.key.unwrap_or_else(|| stored.clone()),
                expires_at: decoded.entry.expires_at,
            })
        } else {
            let head = self.bucket.head(&name).await?;
            head.map(|head| ListedKey { key: stored.clone(), expires_at: head.expires_at })
        };
        Ok(listed.filter(|listed| self.names.key_leads_to(&listed.key, &stored)))
    }

    /// A page of a listing: what the stored names are that the ranges list, as far as it is
    /// of interest.
    async fn page<T, F>(
        &self,
        listed: Listed,
        folder: &str,
        page: &PageRequest<'_>,
        look: impl Fn(String) -> F,
    ) -> Result<Page<T>>
    where
        F: Future<Output = Result<Option<T>>>,
    {
        let (ranges, mut place) = (self.names.ranges(page.prefix), Place::parse(page.cursor)?);
        let mut items = Vec::new();
        while let Some(range) = ranges.get(place.range) {
            let (prefix, limit) = (format!("{folder}{}", range.prefix()), page.limit - items.len());
            let part = self.bucket.list(listed, &prefix, place.begin, limit).await?;
            let next = place.behind(&part, ranges.len());
            let is_over = part.next.is_none();
            let stored = part.names.iter().filter_map(|name| name.strip_prefix(folder));
            let wanted = stored.filter(|stored| {
                self.names.is_of(range, stored)
                    && (self.names.is_made(stored) || stored.starts_with(page.prefix))
            });
            let wanted: Vec<String> = wanted.map(str::to_owned).collect();
            let mut looks = stream::iter(wanted).map(&look).buffered(CALL_REQUESTS_MAX);
            while let Some(found) = looks.try_next().await? {
                items.extend(found);
            }
            if !is_over || items.len() >= page.limit {
                return Ok(Page { items, next });
            }
            place = Place { range: place.range + 1, begin: None };
        }
        Ok(Page { items, next: None })
    }

    /// A collection as it was named, by what its folder is called; nothing if no entry in
    /// it lives.
    async fn live_collection(&self, stored: String) -> Result<Option<String>> {
        let (stored, folder) = (stored.as_str(), format!("{stored}{SEPARATOR}"));
        let mut begin = None;
        loop {
            let listing = self.bucket.list(Listed::Objects, &folder, begin.as_deref(), LOOKED_AT);
            let part = listing.await?;
            let looks = stream::iter(part.names).map(|name| self.collection_of(stored, name));
            let mut looks = looks.buffered(LOOKED_AT_ONCE);
            while let Some(found) = looks.try_next().await? {
                let ours = found.filter(|it| self.names.collection_leads_to(it, &folder));
                if ours.is_some() {
                    return Ok(ours);
                }
            }
            begin = part.next;
            if begin.is_none() {
                return Ok(None);
            }
        }
    }

    /// What an entry in a folder says that its collection is; nothing if it has expired.
    async fn collection_of(&self, stored: &str, name: String) -> Result<Option<String>> {
        if !self.names.is_made(stored) {
            return Ok(self.is_live(&name).await?.then(|| stored.to_owned()));
        }
        let (found, now) = (self.decoded(&name).await?, self.clock.now());
        let live = found.filter(|(_, decoded)| decoded.entry.is_live(now));
        Ok(live.map(|(_, decoded)| decoded.collection.unwrap_or_else(|| stored.to_owned())))
    }

    /// Whether an object is there, and does not say that its entry has expired.
    async fn is_live(&self, name: &str) -> Result<bool> {
        let head = self.bucket.head(name).await?;
        Ok(head.is_some_and(|head| !head.has_expired(self.clock.now())))
    }

    async fn is_one_live(&self, names: &[String]) -> Result<bool> {
        let look = |name: String| async move { self.is_live(&name).await };
        let mut looks = stream::iter(names.to_vec()).map(look).buffered(LOOKED_AT_ONCE);
        while let Some(is_live) = looks.try_next().await? {
            if is_live {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes all objects whose names begin so; answers whether one of them was live.
    async fn delete_all(&self, prefix: &str, is_asked: bool) -> Result<bool> {
        let (mut begin, mut held) = (None, false);
        loop {
            let listing = self.bucket.list(Listed::Objects, prefix, begin.as_deref(), NAMES_MAX);
            let part = listing.await?;
            // what is in no folder is nobody's entry
            let names: Vec<_> =
                part.names.into_iter().filter(|it| it.contains(SEPARATOR)).collect();
            held = held || is_asked && self.is_one_live(&names).await?;
            if let Some(error) = self.bucket.delete_many(names).await.into_values().next() {
                return Err(error.may_have_happened());
            }
            begin = part.next;
            if begin.is_none() {
                return Ok(held);
            }
        }
    }
}

/// Does the same with each, some at once, and answers in their order. Once an answer is
/// `Unavailable`, the rest is not tried: each would be waited for in turn.
async fn each<T, U, F>(items: Vec<T>, one: impl Fn(T) -> F) -> Vec<Result<U>>
where
    F: Future<Output = Result<U>>,
{
    let given_up = &GivenUp::default();
    let attempt = |item| {
        let attempt = one(item);
        async move {
            given_up.check().map_err(|error| Error::new(error.kind(), error.to_string()))?;
            let answer = attempt.await;
            if let Err(error) = &answer
                && error.kind() == Kind::Unavailable
            {
                given_up.note(error);
            }
            answer
        }
    };
    stream::iter(items).map(attempt).buffered(CALL_REQUESTS_MAX).collect().await
}

/// The names once each, and where each of them comes first.
fn distinct(names: &[String]) -> (Vec<String>, HashMap<&str, usize>) {
    let mut places = HashMap::with_capacity(names.len());
    let mut distinct = Vec::with_capacity(names.len());
    for name in names {
        places.entry(name.as_str()).or_insert_with(|| {
            distinct.push(name.clone());
            distinct.len() - 1
        });
    }
    (distinct, places)
}

#[async_trait]
impl Store for S3Store {
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    fn limits(&self) -> Limits {
        let value_bytes_max = self.object_bytes_max - settings::FRAME_BYTES;
        Limits { value_bytes_max: Some(value_bytes_max), ..Limits::default() }
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let names = self.objects(collection, keys)?;
        let (distinct, places) = distinct(&names);
        let found = each(distinct, |name| self.read(name)).await;
        let answer = |name: &String| found[places[name.as_str()]].clone();
        Ok(names.iter().map(answer).collect())
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let keys: Vec<&str> = entries.iter().map(|(key, _)| *key).collect();
        let names = self.objects(collection, &keys)?;
        // of those with the same name the last one stays
        let last: HashMap<&str, usize> =
            names.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let places: Vec<usize> = last.values().copied().collect();
        let write = |place: usize| {
            let ((key, entry), name) = (&entries[place], &names[place]);
            self.write(collection, name, key, entry)
        };
        let answers = each(places.clone(), write).await;
        let answers: HashMap<usize, Result<()>> = places.into_iter().zip(answers).collect();
        Ok(names.iter().map(|name| answers[&last[name.as_str()]].clone()).collect())
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let names = self.objects(collection, keys)?;
        let _turns = self.turns.take(&names).await;
        let (distinct, _) = distinct(&names);
        let found = each(distinct.clone(), |name| self.look(name)).await;
        let mut found: HashMap<String, _> = distinct.into_iter().zip(found).collect();
        let now = self.clock.now();
        let live = found
            .iter()
            .filter(|(_, it)| matches!(it, Ok(Some(it)) if is_live(it.expires_at, now)));
        let live = live.map(|(name, _)| name.clone()).collect();
        for (name, error) in self.bucket.delete_many(live).await {
            found.insert(name, Err(error));
        }
        // of duplicate keys the first finds it
        Ok(names.iter().map(|name| found.remove(name).unwrap_or(Ok(None))).collect())
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let folder = &self.names.folder(collection)?;
        let look = |stored: String| async move {
            let listed = self.listed(folder, stored).await?;
            Ok::<_, Error>(listed.filter(|listed| listed.key.starts_with(page.prefix)))
        };
        self.page(Listed::Objects, folder, page, look).await
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let look = |stored: String| async move {
            let collection = self.live_collection(stored).await?;
            Ok::<_, Error>(collection.filter(|collection| collection.starts_with(page.prefix)))
        };
        self.page(Listed::Folders, "", page, look).await
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        self.delete_all(&self.names.folder(collection)?, true).await
    }

    /// What is in no folder stays, and so does the bucket: it may be another's to make.
    async fn destroy(&self) -> Result<()> {
        self.delete_all("", false).await.map(drop)
    }

    async fn cull(&self) -> Result<u64> {
        let (mut begin, mut culled) = (None, 0);
        loop {
            let listing = self.bucket.list(Listed::Objects, "", begin.as_deref(), NAMES_MAX);
            let part = listing.await?;
            let mut names = part.names;
            names.retain(|name| name.contains(SEPARATOR));
            let culls = stream::iter(names).map(|name| self.cull_object(name));
            let mut culls = culls.buffer_unordered(CALL_REQUESTS_MAX);
            while let Some(is_culled) = culls.try_next().await? {
                culled += u64::from(is_culled);
            }
            begin = part.next;
            if begin.is_none() {
                return Ok(culled);
            }
        }
    }

    async fn check(&self) -> Result<()> {
        self.bucket.check().await
    }
}

impl fmt::Display for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3, bucket {}", self.bucket.name)?;
        match &self.bucket.service.endpoint_url {
            Some(url) => write!(f, " at {url}"),
            None => Ok(()),
        }
    }
}
