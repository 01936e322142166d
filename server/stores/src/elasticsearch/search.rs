//! What is found by searching: a collection's keys, and what is to be removed.
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
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::changes::Version;
use super::cluster::{Answer, Cluster, Request};
use super::names::{Names, segment};

/// The most that a search may return (`index.max_result_window`).
const HITS_MAX: usize = 10_000;

/// How many entries are looked for at once to be removed.
const SWEEP_HITS: usize = 5_000;

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
        Self::of_prefix(cluster, names, "")
    }

    /// The indices of all collections that begin so, and maybe of others.
    pub(super) fn of_prefix(cluster: &'a Cluster, names: &Names, prefix: &str) -> Self {
        Self { cluster, path: names.patterns_path(prefix) }
    }

    /// Its path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Asks the cluster that it is in.
    pub(super) async fn ask(&self, request: &Request) -> Result<Answer> {
        self.cluster.ask(request).await
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
        self.found(&request, Ok).await
    }

    /// Searches these indices, which may be too many for a path.
    pub(super) async fn search_in(&self, indices: &[String], search: &Value) -> Result<Bytes> {
        let place = json!({
            "index": indices,
            "ignore_unavailable": true,
            "allow_no_indices": true,
            "allow_partial_search_results": false,
        });
        let lines = format!("{place}\n{search}\n");
        self.found(&Request::new(Method::Post, "_msearch").lines(lines), only).await
    }

    async fn found(&self, request: &Request, inner: fn(Answer) -> Result<Answer>) -> Result<Bytes> {
        let until = Instant::now() + self.cluster.timeout();
        loop {
            let answer = inner(self.cluster.ask(request).await?)?;
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

/// The answer of the one search of several.
fn only(answer: Answer) -> Result<Answer> {
    if answer.status != 200 {
        return Ok(answer);
    }
    let Responses { responses: [response] } = read(&answer.body)?;
    let body = answer.body.slice_ref(response.get().as_bytes());
    let Response { status } = read(&body)?;
    Ok(answer.within(status, body))
}

#[derive(Deserialize)]
struct Responses<'a> {
    #[serde(borrow)]
    responses: [&'a RawValue; 1],
}

#[derive(Deserialize)]
struct Response {
    status: u16,
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

/// The answer to a search.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T> {
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
