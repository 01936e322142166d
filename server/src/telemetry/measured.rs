//! What a store's backend is asked, counted and traced.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use kvgate_core::{
    Capabilities, Entry, Kind, Limits, ListedKey, Operation, Page, PageRequest, Removed, Result,
    Store,
};
use opentelemetry::Context;
use opentelemetry::trace::FutureExt;

use super::spans::{Asked, Spans, end_asked};
use super::store_metrics::{OneStore, StoreMetrics};

/// A store that tells how long its operations take. It stands around the adapter, inside
/// of all wrappers: what a wrapper answers by itself is no work of the backend's.
pub(crate) struct Measured {
    inner: Arc<dyn Store>,
    figures: OneStore,
    name: String,
    system: &'static str,
    spans: Option<Arc<Spans>>,
}

impl Measured {
    /// `system` is the type of the store that is configured as `name`.
    pub(crate) fn new(
        inner: Arc<dyn Store>,
        name: &str,
        system: &'static str,
        metrics: &StoreMetrics,
        spans: Option<Arc<Spans>>,
    ) -> Self {
        Self { inner, figures: metrics.of(system, name), name: name.to_owned(), system, spans }
    }

    /// Does `work`, which is for `keys` keys. `failure` looks for one in an answer that is
    /// one as a whole.
    async fn measure<T>(
        &self,
        operation: Operation,
        keys: usize,
        work: impl Future<Output = Result<T>>,
        failure: impl Fn(&T) -> Option<Kind>,
    ) -> Result<T> {
        let asked = Asked { store: &self.name, system: self.system, operation, keys };
        let span = self.spans.as_ref().and_then(|spans| spans.ask(&asked));
        let mut ending = Ending {
            figures: &self.figures,
            operation,
            begun: Instant::now(),
            span,
            // dropped before its end: the caller has gone or its deadline has passed
            error: Some("cancelled"),
        };
        let done = match ending.span.clone() {
            Some(span) => work.with_context(span).await,
            None => work.await,
        };
        let kind = done.as_ref().map_or_else(|error| Some(error.kind()), failure);
        ending.error = kind.map(Kind::word);
        done
    }
}

/// An operation under way. It is recorded when this is dropped, however it ends.
struct Ending<'a> {
    figures: &'a OneStore,
    operation: Operation,
    begun: Instant,
    span: Option<Context>,
    error: Option<&'static str>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.figures.ended(self.operation, self.error, self.begun.elapsed());
        if let Some(span) = &self.span {
            end_asked(span, self.error);
        }
    }
}

/// The failure of the first key that has one.
#[expect(clippy::ptr_arg, reason = "it is passed where a reference to the answer is")]
fn first_failure<T>(answers: &Vec<Result<T>>) -> Option<Kind> {
    answers.iter().find_map(|answer| answer.as_ref().err()).map(kvgate_core::Error::kind)
}

fn none<T>(_: &T) -> Option<Kind> {
    None
}

fn many(count: usize) -> u64 {
    count.try_into().unwrap_or(u64::MAX)
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Measured {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let work = self.inner.get_many(collection, keys);
        let found = self.measure(Operation::Get, keys.len(), work, first_failure).await?;
        let entries = found.iter().flatten().flatten();
        let (hits, bytes) = entries
            .fold((0, 0), |(hits, bytes), entry| (hits + 1, bytes + entry.value.as_bytes().len()));
        let answered = found.iter().flatten().count();
        self.figures.hits.inc_by(many(hits));
        self.figures.misses.inc_by(many(answered - hits));
        self.figures.bytes_read.inc_by(many(bytes));
        Ok(found)
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let work = self.inner.put_many(collection, entries);
        let stored = self.measure(Operation::Put, entries.len(), work, first_failure).await?;
        let each = entries.iter().zip(&stored).filter(|(_, stored)| stored.is_ok());
        let (written, bytes) = each.fold((0, 0), |(written, bytes), ((_, entry), _)| {
            (written + 1, bytes + entry.value.as_bytes().len())
        });
        self.figures.written.inc_by(many(written));
        self.figures.bytes_written.inc_by(many(bytes));
        Ok(stored)
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let work = self.inner.delete_many(collection, keys);
        let removed = self.measure(Operation::Delete, keys.len(), work, first_failure).await?;
        self.figures.deleted.inc_by(many(removed.iter().flatten().flatten().count()));
        Ok(removed)
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        self.measure(Operation::ListKeys, 1, self.inner.list_keys(collection, page), none).await
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        self.measure(Operation::ListCollections, 1, self.inner.list_collections(page), none).await
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        let work = self.inner.delete_collection(collection);
        self.measure(Operation::DeleteCollection, 1, work, none).await
    }

    async fn destroy(&self) -> Result<()> {
        self.measure(Operation::Destroy, 1, self.inner.destroy(), none).await
    }

    async fn cull(&self) -> Result<u64> {
        self.measure(Operation::Cull, 1, self.inner.cull(), none).await
    }

    async fn check(&self) -> Result<()> {
        self.measure(Operation::Check, 1, self.inner.check(), none).await
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
