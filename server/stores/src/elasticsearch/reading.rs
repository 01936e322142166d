//! Documents by their names.

use bytes::Bytes;
use elasticsearch::http::Method;
use futures::{StreamExt, TryStreamExt, stream};
use kvgate_core::{Error, Kind, Result, Timestamp};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::changes::Version;
use super::cluster::{Cluster, Request};
use super::fault::{Fault, INDEX_NOT_FOUND};
use super::names::segment;

/// The most documents of a request.
const REQUEST_IDS_MAX: usize = 1_000;

/// How many requests of one call are on their way at once.
const REQUESTS_AT_ONCE: usize = 4;

/// A document that is there.
pub(super) struct Found {
    /// What was stored, letter for letter, or the members of it that were asked for.
    pub(super) source: Bytes,
    pub(super) version: Version,
}

/// How much of documents is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Whole,
    Expiry,
    /// Nothing but the version: the cluster does not look into the document.
    Version,
}

/// Reads documents of one index.
pub(super) async fn read(
    cluster: &Cluster,
    index: &str,
    ids: &[String],
    part: Part,
) -> Result<Vec<Result<Option<Found>>>> {
    let asking = ids.chunks(REQUEST_IDS_MAX).map(|ids| read_some(cluster, index, ids, part));
    let asking: Vec<_> = asking.collect();
    stream::iter(asking).buffered(REQUESTS_AT_ONCE).try_concat().await
}

/// When the document of [`Part::Expiry`] expires, as far as that can be read.
pub(super) fn expiry(source: &[u8]) -> Option<Timestamp> {
    let Expiry { expires_at } = serde_json::from_slice(source).ok()?;
    Timestamp::parse(&expires_at?)
}

async fn read_some(
    cluster: &Cluster,
    index: &str,
    ids: &[String],
    part: Part,
) -> Result<Vec<Result<Option<Found>>>> {
    let request = Request::new(Method::Post, format!("{}/_mget", segment(index)))
        .json(json!({ "ids": ids }).to_string());
    let request = match part {
        Part::Whole => request,
        Part::Expiry => request.with("_source_includes", "expires_at"),
        Part::Version => request.with("_source", "false"),
    };
    let Some(body) = cluster.ask(&request).await?.found()? else {
        return Ok(ids.iter().map(|_| Ok(None)).collect());
    };
    match serde_json::from_slice::<Documents<'_>>(&body) {
        Ok(Documents { docs }) if docs.len() == ids.len() => {
            Ok(docs.into_iter().map(|document| document.found(&body, part)).collect())
        }
        Ok(_) => Err(Error::new(Kind::Internal, "the cluster did not answer for each document")),
        // Python may have stored what is no UTF-8: it must not hide the others
        Err(_) if ids.len() > 1 => {
            let (these, those) = ids.split_at(ids.len() / 2);
            let mut answers = Box::pin(read_some(cluster, index, these, part)).await?;
            answers.extend(Box::pin(read_some(cluster, index, those, part)).await?);
            Ok(answers)
        }
        Err(_) => Ok(vec![Err(Error::new(Kind::Unreadable, "the stored document is not UTF-8"))]),
    }
}

#[derive(Deserialize)]
struct Documents<'a> {
    #[serde(borrow)]
    docs: Vec<Document<'a>>,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default)]
    found: bool,
    #[serde(rename = "_source", borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(rename = "_seq_no", default)]
    seq_no: u64,
    #[serde(rename = "_primary_term", default)]
    primary_term: u64,
    #[serde(borrow, default)]
    error: Option<Fault<'a>>,
}

impl Document<'_> {
    fn found(self, body: &Bytes, part: Part) -> Result<Option<Found>> {
        match (self.error, self.source) {
            (Some(fault), _) if fault.is(INDEX_NOT_FOUND) => Ok(None),
            (Some(fault), _) => Err(fault.of_reading()),
            (None, _) if !self.found => Ok(None),
            (None, Some(source)) => Ok(Some(Found {
                source: body.slice_ref(source.get().as_bytes()),
                version: Version { seq_no: self.seq_no, primary_term: self.primary_term },
            })),
            (None, None) if matches!(part, Part::Version) => Ok(Some(Found {
                source: Bytes::new(),
                version: Version { seq_no: self.seq_no, primary_term: self.primary_term },
            })),
            (None, None) => Err(Error::new(
                Kind::Unreadable,
                "the index does not keep what is stored (_source)",
            )),
        }
    }
}

#[derive(Deserialize)]
struct Expiry {
    #[serde(default)]
    expires_at: Option<String>,
}
