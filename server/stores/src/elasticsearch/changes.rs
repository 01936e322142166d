//! What is done to documents: as many at once as a request may hold.

use std::ops::Range;

use elasticsearch::http::Method;
use futures::{StreamExt, stream};
use kvgate_core::{Error, Kind, Result};
use serde::Deserialize;
use serde_json::json;

use super::cluster::{Answer, Cluster, Request};
use super::fault::{CONFLICT, Fault};
use super::names::segment;
use super::settings::Refresh;

/// A request is closed when it has so many bytes. The cluster takes 100 MB unless it is
/// told otherwise (`http.max_content_length`).
const REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The most changes of a request.
const REQUEST_CHANGES_MAX: usize = 5_000;

/// How many requests of one call are on their way at once.
const REQUESTS_AT_ONCE: usize = 4;

/// Something to be done to a document.
pub(super) struct Change {
    pub(super) index: String,
    pub(super) id: String,
    pub(super) what: What,
}

/// What is to be done to a document.
pub(super) enum What {
    /// It is stored, in place of what is there.
    Put(String),
    /// It is removed, whatever it is.
    Delete,
    /// It is removed if it is what was found.
    DeleteFound(Version),
}

/// What tells a document from another one of the same name.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Version {
    #[serde(rename = "_seq_no")]
    pub(super) seq_no: u64,
    #[serde(rename = "_primary_term")]
    pub(super) primary_term: u64,
}

/// What has become of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It was made.
    Yes,
    /// There is nothing to remove.
    NotThere,
    /// The document is not the one that was found.
    WrittenSince,
}

/// Makes the changes, each of another document, and answers for each.
pub(super) async fn make(
    cluster: &Cluster,
    refresh: Refresh,
    changes: &[Change],
) -> Vec<Result<Done>> {
    let asking = requests(changes).into_iter().map(|range| {
        let changes = &changes[range];
        async move {
            let answers = ask(cluster, refresh, changes).await;
            answers.unwrap_or_else(|error| changes.iter().map(|_| Err(error.clone())).collect())
        }
    });
    let asking: Vec<_> = asking.collect();
    stream::iter(asking).buffered(REQUESTS_AT_ONCE).concat().await
}

/// Which changes go into a request together.
fn requests(changes: &[Change]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (at, change) in changes.iter().enumerate() {
        bytes += change.bytes();
        match ranges.last_mut() {
            Some(last)
                if bytes <= REQUEST_BYTES_MAX
                    && last.len() < REQUEST_CHANGES_MAX
                    && !change.goes_alone()
                    && !changes[last.start].goes_alone() =>
            {
                last.end = at + 1;
            }
            _ => {
                ranges.push(at..at + 1);
                bytes = change.bytes();
            }
        }
    }
    ranges
}

async fn ask(cluster: &Cluster, refresh: Refresh, changes: &[Change]) -> Result<Vec<Result<Done>>> {
    match changes {
        [Change { index, id, what: What::Put(document) }] if changes[0].goes_alone() => {
            let path = format!("{}/_doc/{}", segment(index), segment(id));
            let request = Request::new(Method::Put, path).json(document.clone());
            let answer = cluster.ask(&refresh.of_writes(request).writing()).await?;
            Ok(vec![match answer.status {
                200..=299 => Ok(Done::Yes),
                status => Err(answer.undecided(answer.fault().of_document(status))),
            }])
        }
        _ => {
            let lines: String = changes.iter().map(Change::lines).collect();
            let request = Request::new(Method::Post, "_bulk").lines(lines);
            let answer = cluster.ask(&refresh.of_writes(request).writing()).await?;
            read(&answer, changes.len())
        }
    }
}

fn read(answer: &Answer, changes: usize) -> Result<Vec<Result<Done>>> {
    if !(200..300).contains(&answer.status) {
        return Err(answer.undecided(answer.fault().of_documents(answer.status)));
    }
    match serde_json::from_slice::<Bulk<'_>>(&answer.body) {
        Ok(Bulk { items }) if items.len() == changes => {
            Ok(items.into_iter().map(Item::done).collect())
        }
        _ => {
            let context = "the cluster did not answer for each document";
            Err(Error::new(Kind::Internal, context).may_have_happened())
        }
    }
}

impl Change {
    /// Lines end with a line feed, so that a document that has one can't be a line. It
    /// can only be white space between values, and stays.
    fn goes_alone(&self) -> bool {
        matches!(&self.what, What::Put(document) if document.contains('\n'))
    }

    fn bytes(&self) -> usize {
        match &self.what {
            What::Put(document) => document.len(),
            What::Delete | What::DeleteFound(_) => 0,
        }
    }

    fn lines(&self) -> String {
        let (index, id) = (&self.index, &self.id);
        let named = match &self.what {
            What::Put(_) => json!({ "index": { "_index": index, "_id": id } }),
            What::Delete => json!({ "delete": { "_index": index, "_id": id } }),
            What::DeleteFound(Version { seq_no, primary_term }) => json!({
                "delete": {
                    "_index": index,
                    "_id": id,
                    "if_seq_no": seq_no,
                    "if_primary_term": primary_term,
                }
            }),
        };
        match &self.what {
            What::Put(document) => format!("{named}\n{document}\n"),
            What::Delete | What::DeleteFound(_) => format!("{named}\n"),
        }
    }
}

impl Refresh {
    /// A request that writes, with what it has to say of refreshing.
    fn of_writes(self, request: Request) -> Request {
        match self {
            Self::OnWrite => request.with("refresh", "true"),
            Self::WaitFor => request.with("refresh", "wait_for"),
            Self::OnList | Self::Never => request,
        }
    }
}

#[derive(Deserialize)]
struct Bulk<'a> {
    #[serde(borrow)]
    items: Vec<Item<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Item<'a> {
    #[serde(borrow)]
    Index(ItemAnswer<'a>),
    #[serde(borrow)]
    Delete(ItemAnswer<'a>),
}

#[derive(Deserialize)]
struct ItemAnswer<'a> {
    status: u16,
    #[serde(borrow, default)]
    error: Option<Fault<'a>>,
}

impl Item<'_> {
    fn done(self) -> Result<Done> {
        let (Self::Index(answer) | Self::Delete(answer)) = &self;
        let error = match (answer.status, &answer.error) {
            (200..=299, None) => return Ok(Done::Yes),
            (404, None) => return Ok(Done::NotThere),
            (CONFLICT, _) => return Ok(Done::WrittenSince),
            (status, Some(fault)) => fault.of_document(status),
            (status, None) => Fault::default().of_document(status),
        };
        Err(if answer.status >= 500 { error.may_have_happened() } else { error })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn put(document: &str) -> Change {
        let what = What::Put(document.to_owned());
        Change { index: "i".to_owned(), id: "k".to_owned(), what }
    }

    #[test]
    fn requests_are_bounded() {
        let big = "x".repeat(REQUEST_BYTES_MAX / 2);
        let changes = [put(&big), put(&big), put("{}"), put("{\n}"), put("{}"), put("{}")];
        assert_eq!(requests(&changes), [0..2, 2..3, 3..4, 4..6]);
        let changes: Vec<_> = (0..=REQUEST_CHANGES_MAX).map(|_| put("{}")).collect();
        assert_eq!(requests(&changes).len(), 2);
        assert_eq!(requests(&[]), [0..0; 0]);
    }

    #[test]
    fn each_document_is_answered() {
        let answer =
            |body: &'static str| Answer::of_write(200, Bytes::from_static(body.as_bytes()));
        let body = r#"{"errors": true, "items": [
            {"index": {"_id": "a", "status": 201, "result": "created"}},
            {"delete": {"_id": "b", "status": 404, "result": "not_found"}},
            {"delete": {"_id": "c", "status": 409, "error": {"type": "version_conflict"}}},
            {"index": {"_id": "d", "status": 429, "error": {"type": "rejected"}}}]}"#;
        let items = read(&answer(body), 4).expect("an answer");
        let done: Vec<_> = items.into_iter().map(|done| done.map_err(|e| e.kind())).collect();
        let expected =
            [Ok(Done::Yes), Ok(Done::NotThere), Ok(Done::WrittenSince), Err(Kind::Unavailable)];
        assert_eq!(done, expected);
        assert_eq!(read(&answer(body), 3).expect_err("one is missing").kind(), Kind::Internal);
    }
}
