//! Entries as documents in Elasticsearch, or in OpenSearch, which answers the same calls.
//!
//! A collection is an index, an entry a document in it (`document.rs`), as py-key-value
//! stores them. Reading by key sees what was written at once; what is listed is searched,
//! and searches see what an index was told to show: `settings::Refresh` says when.
//!
//! `cluster.rs` is how nodes are asked; `reading.rs`, `changes.rs`, `search.rs` and
//! `collections.rs` are what they are asked; `fault.rs` puts their refusals in our words.

mod changes;
mod cluster;
mod collections;
mod document;
mod fault;
mod indices;
mod names;
mod reading;
mod search;
mod settings;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use elasticsearch::http::Method;
use kvgate_core::{
    Capabilities, Clock, Entry, Error, Kind, Limits, ListedKey, Page, PageRequest, Removed, Result,
    Store,
};
use serde_json::{Value, json};

use crate::StoreConfig;
use changes::{Change, Done, What};
use cluster::{Cluster, Request};
use indices::Indices;
pub(crate) use indices::Product;
use names::Names;
use reading::{Found, Part};
use search::{Place, Victim};
pub use settings::Config;
use settings::Refresh;

impl StoreConfig for Config {
    type Store = ElasticsearchStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<ElasticsearchStore> {
        ElasticsearchStore::open(self, Product::Elasticsearch, clock)
    }
}

/// A store in Elasticsearch or OpenSearch.
pub struct ElasticsearchStore {
    cluster: Cluster,
    names: Names,
    indices: Indices,
    refresh: Refresh,
    clock: Arc<dyn Clock>,
    /// What it is and where, for a person.
    about: String,
}

impl ElasticsearchStore {
    /// A store in either of the products.
    pub(crate) fn open(config: Config, product: Product, clock: Arc<dyn Clock>) -> Result<Self> {
        let urls: Vec<_> = config.urls.iter().map(ToString::to_string).collect();
        let cluster = Cluster::new(&config)?;
        let prefix = config.index_prefix.unwrap_or_else(|| product.default_prefix().to_owned());
        let indices = format!("{prefix}-*");
        Ok(Self {
            cluster,
            names: Names::new(prefix, config.sanitize),
            indices: Indices::new(product),
            refresh: config.refresh,
            clock,
            about: format!("{} at {}, indices {indices}", product.title(), urls.join(", ")),
        })
    }

    /// Where a listing looks, having been told to show everything if that is wanted: for
    /// the first page, so that the others are cheap.
    async fn listed<'a>(&self, place: Place<'a>, page: &PageRequest<'_>) -> Result<Place<'a>> {
        if self.refresh == Refresh::OnList && page.cursor.is_none() {
            place.refresh().await?;
        }
        Ok(place)
    }

    async fn change(&self, changes: &[Change]) -> Vec<Result<Done>> {
        changes::make(&self.cluster, self.refresh, changes).await
    }

    /// Removes all entries that match, but those that somebody writes anew meanwhile;
    /// answers how many that were.
    async fn remove(&self, place: Place<'_>, query: Value) -> Result<u64> {
        let mut removed = 0;
        let mut sweep = place.sweep(query).await?;
        while let Some(victims) = sweep.next(&self.names).await? {
            let changes: Vec<_> = victims.into_iter().map(Change::from).collect();
            for done in self.change(&changes).await {
                removed += u64::from(done? == Done::Yes);
            }
        }
        Ok(removed)
    }

    /// Removes the documents that were found; those that have expired only if they are
    /// still the same, or else what was written since, which lives.
    async fn remove_found(
        &self,
        index: &str,
        found: &[(String, Found)],
    ) -> Vec<Result<Option<Removed>>> {
        let expiries: Vec<_> =
            found.iter().map(|(_, found)| reading::expiry(&found.source)).collect();
        let changes: Vec<_> = found
            .iter()
            .zip(&expiries)
            .map(|((id, found), expires_at)| Change {
                index: index.to_owned(),
                id: id.clone(),
                what: expires_at.map_or(What::Delete, |_| What::DeleteFound(found.version)),
            })
            .collect();
        let mut answers = Vec::with_capacity(found.len());
        for ((done, change), expires_at) in
            self.change(&changes).await.into_iter().zip(changes).zip(expiries)
        {
            answers.push(match done {
                Ok(Done::Yes) => Ok(Some(Removed { expires_at })),
                Ok(Done::NotThere) => Ok(None),
                Ok(Done::WrittenSince) => self.remove_one(change).await,
                Err(error) => Err(error),
            });
        }
        answers
    }

    /// Removes a document that somebody has just written or removed.
    async fn remove_one(&self, change: Change) -> Result<Option<Removed>> {
        let done = self.change(&[Change { what: What::Delete, ..change }]).await.pop();
        Ok(match done.transpose()? {
            Some(Done::Yes) => Some(Removed { expires_at: None }),
            _ => None,
        })
    }
}

#[async_trait]
impl Store for ElasticsearchStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let index = self.names.index(collection)?;
        let ids: Vec<_> = keys.iter().map(|key| self.names.id(key).into_owned()).collect();
        let found = reading::read(&self.cluster, &index, &ids, Part::Whole).await?;
        let entry = |found: Found| document::decode(&found.source);
        Ok(found.into_iter().map(|found| found?.map(entry).transpose()).collect())
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let index = self.names.index(collection)?;
        self.indices.ensure(&self.cluster, &index).await?;
        // of duplicate keys the last one is stored, and its answer is that of all
        let mut places = HashMap::new();
        let mut last: Vec<&(&str, Entry)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let place = *places.entry(entry.0).or_insert(last.len());
            if place == last.len() {
                last.push(entry);
            } else {
                last[place] = entry;
            }
        }
        let product = self.indices.product();
        let changes: Vec<_> = last
            .into_iter()
            .map(|(key, entry)| Change {
                index: index.clone(),
                id: self.names.id(key).into_owned(),
                what: What::Put(document::encode(entry, collection, key, product)),
            })
            .collect();
        let stored = self.change(&changes).await;
        if stored.iter().any(Result::is_err) {
            self.indices.forget(&index);
        }
        let answer = |(key, _): &(&str, Entry)| match places.get(key).map(|place| &stored[*place]) {
            Some(Ok(Done::Yes)) => Ok(()),
            Some(Err(error)) => Err(error.clone()),
            _ => Err(Error::new(Kind::Internal, "the cluster did not say that it is stored")),
        };
        Ok(entries.iter().map(answer).collect())
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let index = self.names.index(collection)?;
        let ids: Vec<_> = keys.iter().map(|key| self.names.id(key).into_owned()).collect();
        let read = reading::read(&self.cluster, &index, &ids, Part::Expiry).await?;
        let mut answers = Vec::with_capacity(keys.len());
        let (mut places, mut found) = (HashMap::new(), Vec::new());
        for (at, (id, read)) in ids.into_iter().zip(read).enumerate() {
            let read = match read {
                // OpenSearch finds no member in a document that it can't parse
                Err(error) if error.kind() == Kind::Unreadable => {
                    let id = std::slice::from_ref(&id);
                    let there = reading::read(&self.cluster, &index, id, Part::Version).await?;
                    there.into_iter().next().unwrap_or(Err(error))
                }
                read => read,
            };
            answers.push(match read {
                // of duplicate keys the first one finds it
                Ok(Some(document)) if !places.contains_key(&id) => {
                    places.insert(id.clone(), at);
                    found.push((id, document));
                    Ok(None)
                }
                Ok(_) => Ok(None),
                Err(error) => Err(error),
            });
        }
        let removed = self.remove_found(&index, &found).await;
        for ((id, _), removed) in found.iter().zip(removed) {
            answers[places[id]] = removed;
        }
        Ok(answers)
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let place = Place::index(&self.cluster, &self.names.index(collection)?);
        self.listed(place, page).await?.keys(collection, page).await
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let place = Place::of_prefix(&self.cluster, &self.names, page.prefix);
        self.listed(place, page).await?.collections(&self.names, page, self.clock.now()).await
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        let place = Place::index(&self.cluster, &self.names.index(collection)?);
        let all = json!({ "term": { "collection": collection } });
        let removed = self.remove(place, all).await.map_err(Error::may_have_happened)?;
        Ok(removed > 0)
    }

    async fn destroy(&self) -> Result<()> {
        let place = Place::all(&self.cluster, &self.names);
        let removed = self.remove(place, json!({ "match_all": {} })).await;
        removed.map(drop).map_err(Error::may_have_happened)
    }

    async fn cull(&self) -> Result<u64> {
        let place = Place::all(&self.cluster, &self.names);
        let removed = self.remove(place, search::expired("lt", self.clock.now())).await;
        removed.map_err(Error::may_have_happened)
    }

    async fn check(&self) -> Result<()> {
        // any of our indices will do, there or not: who describes all takes long
        let index = self.names.index("default_collection")?;
        let request = Request::new(Method::Head, names::segment(&index).to_string());
        self.cluster.ask(&request).await?.found().map(drop)
    }
}

impl From<Victim> for Change {
    fn from(victim: Victim) -> Self {
        let what = What::DeleteFound(victim.version);
        Self { index: victim.index, id: victim.id, what }
    }
}

impl fmt::Display for ElasticsearchStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.about)
    }
}
