//! Which collections there are.
//!
//! Indices are looked up by their names, which costs little however many there are; only
//! those of one page are searched. A cursor is the last index of the page before.

use elasticsearch::http::Method;
use kvgate_core::{Page, PageRequest, Result, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::cluster::Request;
use super::names::Names;
use super::search::{Place, expired, read};

/// The most indices that are searched at once.
const INDICES_MAX: usize = 500;

/// How many collections a search tells at once. An index of ours has one, unless others
/// have put theirs into it.
const BUCKETS: usize = 500;

/// The most indices in which one collection is looked for: it is in one, unless the
/// prefixes of several stores begin alike or others have put it elsewhere, too.
const INDICES_OF_COLLECTION: usize = 20;

impl Place<'_> {
    /// A page of the collections that hold a live entry.
    pub(super) async fn collections(
        &self,
        names: &Names,
        page: &PageRequest<'_>,
        now: Timestamp,
    ) -> Result<Page<String>> {
        let mut indices = self.indices().await?;
        indices.retain(|index| page.cursor.is_none_or(|last| index.as_str() > last));
        let limit = page.limit.min(INDICES_MAX);
        let next = (indices.len() > limit).then(|| indices[limit - 1].clone());
        indices.truncate(limit);
        if indices.is_empty() {
            return Ok(Page::empty());
        }
        let mut found = self.collections_in(&indices, page.prefix, now).await?;
        found.retain(|bucket| {
            let index = names.index(&bucket.key.name).ok();
            bucket.indices.buckets.iter().any(|found| Some(&found.key) == index.as_ref())
        });
        let items = found.into_iter().map(|bucket| bucket.key.name).collect();
        Ok(Page { items, next })
    }

    /// The names of the indices, in order.
    async fn indices(&self) -> Result<Vec<String>> {
        let path = format!("_resolve/index/{}", self.path());
        let request = Request::new(Method::Get, path).with("expand_wildcards", "open");
        let Some(body) = self.ask(&request).await?.found()? else {
            return Ok(Vec::new());
        };
        let found = read::<Resolved>(&body)?.indices.into_iter();
        let mut indices: Vec<_> = found.map(|index| index.name).collect();
        indices.sort_unstable();
        Ok(indices)
    }

    /// The collections of the live entries in these indices, and where their entries are.
    async fn collections_in(
        &self,
        indices: &[String],
        prefix: &str,
        now: Timestamp,
    ) -> Result<Vec<Bucket>> {
        let mut composite = json!({
            "size": BUCKETS,
            "sources": [{ "name": { "terms": { "field": "collection" } } }],
        });
        let mut collections: Vec<Bucket> = Vec::new();
        loop {
            let search = json!({
                "size": 0,
                "track_total_hits": false,
                "query": { "bool": {
                    "filter": [{ "prefix": { "collection": prefix } }],
                    "must_not": [expired("lte", now)],
                } },
                "aggs": { "collections": { "composite": composite, "aggs": {
                    "indices": { "terms": { "field": "_index", "size": INDICES_OF_COLLECTION } },
                } } },
            });
            let body = self.search_in(indices, &search).await?;
            let found = read::<Found>(&body)?.aggregations;
            let found = found.map(|it| it.collections.buckets).unwrap_or_default();
            let count = found.len();
            collections.extend(found);
            match collections.last() {
                Some(last) if count == BUCKETS => {
                    composite["after"] = json!({ "name": last.key.name });
                }
                _ => return Ok(collections),
            }
        }
    }
}

#[derive(Deserialize)]
struct Resolved {
    #[serde(default)]
    indices: Vec<Index>,
}

#[derive(Deserialize)]
struct Index {
    name: String,
}

/// Without aggregations if the indices are gone.
#[derive(Deserialize)]
struct Found {
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
