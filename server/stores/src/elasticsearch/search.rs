//! What is found by searching: listings, and what is to be removed.
//!
//! A page of keys begins behind the last key of the page before (`search_after`). Keys
//! are unique and sorted by their bytes, so pages need no point in time to miss nothing:
//! `server/decisions/0012-elasticsearch.md`.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use elasticsearch::http::Method;
use kvgate_core::{Error, Kind, ListedKey, Page, PageRequest, Result, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::changes::Version;
use super::cluster::{Cluster, Request};
use super::names::{Names, segment};

/// The most that a search may return (`index.max_result_window`).
const HITS_MAX: usize = 10_000;

/// How many entries are looked for at once to be removed.
const SWEEP_HITS: usize = 5_000;

/// The most indices in which one collection is looked for: more than one only where the
/// prefixes of several stores begin alike.
const INDICES_OF_COLLECTION: usize = 100;

/// How long a search waits before it is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// What a search is answered that did not find all shards.
const UNAVAILABLE: u16 = 503;

/// Where is searched.
pub(super) struct Place<'a> {
    cluster: &'a Cluster,
    /// An index or a pattern, as a segment of a path.
    path: String,
}

/// An entry that is to be removed.
pub(super) struct Victim {
    pub(super) index: String,
    pub(super) id: String,
    pub(super) version: Version,
}

impl<'a> Place<'a> {
    /// One index.
    pub(super) fn index(cluster: &'a Cluster, index: &str) -> Self {
        Self { cluster, path: segment(index).to_string() }
    }

    /// All indices.
    pub(super) fn all(cluster: &'a Cluster, names: &Names) -> Self {
        Self { cluster, path: names.pattern_path() }
    }

    /// Makes searches see everything that was written.
    pub(super) async fn refresh(&self) -> Result<()> {
        let request = Request::new(Method::Post, format!("{}/_refresh", self.path));
        self.cluster.ask(&request).await?.found().map(drop)
    }

    /// A page of the collection's keys.
    pub(super) async fn keys(
        &self,
        collection: &str,
        page: &PageRequest<'_>,
    ) -> Result<Page<ListedKey>> {
        let limit = page.limit.min(HITS_MAX - 1);
        let mut search = json!({
            "size": limit + 1,
            "track_total_hits": false,
            "query": { "bool": { "filter": [
                { "term": { "collection": collection } },
                { "prefix": { "key": page.prefix } },
            ] } },
            "sort": [ascending("key")],
            // not from the source: OpenSearch fails the whole search for one that is no UTF-8
            "_source": false,
            "docvalue_fields": [{ "field": "expires_at", "format": "strict_date_time" }],
        });
        if let std::ops::Bound::Excluded(last) = page.start() {
            search["search_after"] = json!([last]);
        }
        let body = self.search(&search).await?;
        let hits = read::<Hits<'_, (String,)>>(&body)?.hits.hits;
        let keys = hits.into_iter().map(|hit| ListedKey {
            key: hit.sort.0,
            expires_at: hit.fields.and_then(|fields| fields.expiry()),
        });
        Ok(Page::of_ordered(keys, limit, |listed| &listed.key))
    }

    /// A page of the collections that hold a live entry.
    pub(super) async fn collections(
        &self,
        names: &Names,
        page: &PageRequest<'_>,
        now: Timestamp,
    ) -> Result<Page<String>> {
        let limit = page.limit.min(HITS_MAX - 1);
        let mut composite = json!({
            "size": limit + 1,
            "sources": [{ "name": { "terms": { "field": "collection" } } }],
        });
        if let std::ops::Bound::Excluded(last) = page.start() {
            composite["after"] = json!({ "name": last });
        }
        let body = self
            .search(&json!({
                "size": 0,
                "track_total_hits": false,
                "query": { "bool": {
                    "filter": [{ "prefix": { "collection": page.prefix } }],
                    "must_not": [expired("lte", now)],
                } },
                "aggs": { "collections": { "composite": composite, "aggs": {
                    "indices": { "terms": { "field": "_index", "size": INDICES_OF_COLLECTION } },
                } } },
            }))
            .await?;
        let Some(aggregations) = read::<Collections>(&body)?.aggregations else {
            // there is no index yet
            return Ok(Page::empty());
        };
        let found = aggregations.collections.buckets;
        let next = (found.len() > limit).then(|| found[limit - 1].key.name.clone());
        let ours = |bucket: &Bucket| {
            let index = names.index(&bucket.key.name).ok();
            bucket.indices.buckets.iter().any(|found| Some(&found.key) == index.as_ref())
        };
        let listed = found.into_iter().take(limit).filter(ours).map(|bucket| bucket.key.name);
        Ok(Page { items: listed.collect(), next })
    }

    /// Begins to find all entries that match the query.
    pub(super) async fn sweep(self, query: Value) -> Result<Sweep<'a>> {
        self.refresh().await?;
        let search = json!({
            "size": SWEEP_HITS,
            "track_total_hits": false,
            "seq_no_primary_term": true,
            "_source": false,
            "query": { "bool": { "filter": [
                query,
                { "exists": { "field": "collection" } },
                { "exists": { "field": "key" } },
            ] } },
            "sort": [ascending("collection"), ascending("key")],
        });
        Ok(Sweep { place: self, search, ended: false })
    }

    async fn search(&self, search: &Value) -> Result<Bytes> {
        let request = Request::new(Method::Post, format!("{}/_search", self.path))
            .with("ignore_unavailable", "true")
            .with("allow_no_indices", "true")
            .with("allow_partial_search_results", "false")
            .json(search.to_string());
        let until = Instant::now() + self.cluster.timeout();
        loop {
            let answer = self.cluster.ask(&request).await?;
            // an index that somebody has just made can't be searched yet
            if answer.status == UNAVAILABLE && Instant::now() + PAUSE < until {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let found = answer.found()?;
            return Ok(found.unwrap_or_else(|| Bytes::from_static(br#"{"hits": {"hits": []}}"#)));
        }
    }
}

/// All entries that match a query, some at a time.
pub(super) struct Sweep<'a> {
    place: Place<'a>,
    search: Value,
    ended: bool,
}

impl Sweep<'_> {
    /// More of the entries that are ours; nothing at the end. Each is found at most once,
    /// so that this ends whatever others write meanwhile.
    pub(super) async fn next(&mut self, names: &Names) -> Result<Option<Vec<Victim>>> {
        if self.ended {
            return Ok(None);
        }
        let body = self.place.search(&self.search).await?;
        let hits = read::<Hits<'_, (String, String)>>(&body)?.hits.hits;
        if let Some(last) = hits.last() {
            self.search["search_after"] = json!(last.sort);
        }
        self.ended = hits.len() < SWEEP_HITS;
        // the pattern matches the indices of longer prefixes too: they are not ours
        let ours = hits
            .into_iter()
            .filter(|hit| names.index(&hit.sort.0).is_ok_and(|index| index == hit.index));
        Ok(Some(ours.map(Hit::victim).collect()))
    }
}

/// The query of what has expired. The index keeps milliseconds: with `lt` an entry of
/// this millisecond is not yet among it, with `lte` it is already.
pub(super) fn expired(comparison: &str, now: Timestamp) -> Value {
    let millis = now.as_micros().div_euclid(1000);
    json!({ "range": { "expires_at": { comparison: millis, "format": "epoch_millis" } } })
}

/// How a search is sorted. The pattern of all indices may match some that others have
/// made, without such a field.
fn ascending(field: &str) -> Value {
    json!({ field: { "order": "asc", "unmapped_type": "keyword" } })
}

fn read<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        let context = "the cluster answered a search in a way that nobody foresaw";
        Error::new(Kind::Internal, context).with_source(error)
    })
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
struct Hits<'a, S> {
    #[serde(borrow)]
    hits: HitList<'a, S>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
struct HitList<'a, S> {
    #[serde(borrow)]
    hits: Vec<Hit<'a, S>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
struct Hit<'a, S> {
    #[serde(rename = "_index")]
    index: String,
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_seq_no", default)]
    seq_no: u64,
    #[serde(rename = "_primary_term", default)]
    primary_term: u64,
    #[serde(borrow, default)]
    fields: Option<Fields<'a>>,
    sort: S,
}

/// What the index itself knows of a document: times to the millisecond.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    expires_at: Vec<Cow<'a, str>>,
}

impl Fields<'_> {
    fn expiry(&self) -> Option<Timestamp> {
        Timestamp::parse(self.expires_at.first()?)
    }
}

impl<S> Hit<'_, S> {
    fn victim(self) -> Victim {
        let version = Version { seq_no: self.seq_no, primary_term: self.primary_term };
        Victim { index: self.index, id: self.id, version }
    }
}

#[derive(Deserialize)]
struct Collections {
    #[serde(default)]
    aggregations: Option<Aggregations>,
}

#[derive(Deserialize)]
struct Aggregations {
    collections: Buckets<Bucket>,
}

#[derive(Deserialize)]
struct Buckets<B> {
    buckets: Vec<B>,
}

#[derive(Deserialize)]
struct Bucket {
    key: CollectionKey,
    indices: Buckets<IndexBucket>,
}

#[derive(Deserialize)]
struct CollectionKey {
    name: String,
}

#[derive(Deserialize)]
struct IndexBucket {
    key: String,
}
