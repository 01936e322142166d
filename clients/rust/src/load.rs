//! A bulk load: batches on their way to the server, of which a few wait for acknowledgement.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use futures::{FutureExt, TryFutureExt, TryStreamExt};
use kvgate_proto::v1;
use prost::Message;
use tokio::sync::mpsc;

use crate::calls::Calls;
use crate::entry::{PutEntry, duration};
use crate::error::{Error, ErrorKind, PutManyFailure, Result};
use crate::status::{after_put_many, from_status, unsent};

/// The most entries of one batch.
pub const BATCH_ENTRIES_MAX: usize = 1_000;

/// The most bytes of one batch; a single entry that is larger is a batch by itself.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// How many batches may be on their way before the next one waits for an acknowledgement.
pub const BATCHES_WAITING_MAX: usize = 4;

/// A put of any number of entries. It is sent when it is awaited, and then says how many
/// entries are stored. If it fails, [`Error::put_many`] says what is stored all the same.
#[must_use = "it is sent when it is awaited"]
pub struct StreamPutMany<'a> {
    calls: Calls,
    store: String,
    entries: BoxStream<'a, (Arc<str>, PutEntry)>,
    ttl: Result<Option<prost_types::Duration>>,
    on_stored: Box<dyn FnMut(u64) + Send + 'a>,
}

impl<'a> StreamPutMany<'a> {
    pub(crate) fn new(
        calls: Calls,
        store: String,
        entries: BoxStream<'a, (Arc<str>, PutEntry)>,
    ) -> Self {
        Self { calls, store, entries, ttl: Ok(None), on_stored: Box::new(|_| {}) }
    }

    /// How long the entries live that have no ttl of their own; nothing: for ever.
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.ttl = ttl.into().map(duration).transpose();
        self
    }

    /// Is told after each batch how many entries are stored so far, counted from the first.
    pub fn on_stored(mut self, told: impl FnMut(u64) + Send + 'a) -> Self {
        self.on_stored = Box::new(told);
        self
    }

    async fn run(mut self) -> Result<u64> {
        let (sender, mut batches) = mpsc::channel(BATCHES_WAITING_MAX);
        let batches = stream::poll_fn(move |context| batches.poll_recv(context));
        let ttl = self.ttl.map_err(unsent)?;
        let (to, request, tries) = self.calls.bulk(batches).await.map_err(unsent)?;
        let answers = async move { to.key_value().stream_put_many(request).await };
        let answers = answers.map_ok(tonic::Response::into_inner).try_flatten_stream();
        let mut answers: BoxStream<'_, Result<v1::StreamPutManyResponse>> =
            answers.map_err(|status| from_status(&status)).boxed();
        let mut load = Load {
            store: self.store,
            ttl,
            batch: Batch::default(),
            given: 0,
            stored: 0,
            waiting: 0,
            sender: Some(sender),
        };
        let loading = load.run(&mut self.entries, &mut answers, &mut *self.on_stored);
        let done = tries.bound(loading).await;
        done.map_err(|error| after_put_many(error, load.stored))?;
        // all is stored, whatever comes now; but a call that is cut off looks like a failed
        // one to the server
        drop(tries.bound(answers.try_next()).await);
        Ok(load.stored)
    }
}

impl<'a> IntoFuture for StreamPutMany<'a> {
    type Output = Result<u64>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.run().boxed()
    }
}

/// Puts entries into batches and keeps count of what is stored.
struct Load {
    store: String,
    ttl: Option<prost_types::Duration>,
    batch: Batch,
    given: u64,
    stored: u64,
    waiting: usize,
    /// Gone once there are no more batches.
    sender: Option<mpsc::Sender<v1::StreamPutManyRequest>>,
}

/// Entries of one collection, until they are enough for a message.
#[derive(Default)]
struct Batch {
    collection: Arc<str>,
    entries: Vec<v1::PutEntry>,
    bytes: usize,
}

impl Load {
    async fn run(
        &mut self,
        entries: &mut BoxStream<'_, (Arc<str>, PutEntry)>,
        answers: &mut BoxStream<'_, Result<v1::StreamPutManyResponse>>,
        on_stored: &mut (dyn FnMut(u64) + Send),
    ) -> Result<()> {
        while self.sender.is_some() || self.waiting > 0 {
            // the call is begun and its end is seen here, even before the first batch
            tokio::select! {
                biased;
                answer = answers.next() => {
                    self.acknowledge(answer)?;
                    on_stored(self.stored);
                }
                entry = entries.next(), if self.may_send() => {
                    if let Some((collection, entry)) = entry {
                        self.add(collection, entry)?;
                    } else {
                        self.send()?;
                        self.sender = None;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether another batch may be on its way.
    fn may_send(&self) -> bool {
        self.sender.is_some() && self.waiting < BATCHES_WAITING_MAX
    }

    /// Adds an entry, and sends the batch first that it has no room in.
    fn add(&mut self, collection: Arc<str>, entry: PutEntry) -> Result<()> {
        // counted as the server would, from the first entry that is not acknowledged
        let entry = entry.encode(self.given - self.stored).map_err(|error| {
            let uncertain = self.waiting > 0;
            error.with_put_many(PutManyFailure { uncertain, ..PutManyFailure::default() })
        })?;
        let bytes = entry.encoded_len();
        if !self.batch.has_room(&collection, bytes) {
            self.send()?;
        }
        self.batch.collection = collection;
        self.batch.entries.push(entry);
        self.batch.bytes += bytes;
        self.given += 1;
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        let Batch { collection, entries, .. } = std::mem::take(&mut self.batch);
        let (Some(sender), false) = (&self.sender, entries.is_empty()) else { return Ok(()) };
        let batch = v1::StreamPutManyRequest {
            store: self.store.clone(),
            collection: collection.to_string(),
            entries,
            ttl: self.ttl,
        };
        self.waiting += 1;
        match sender.try_send(batch) {
            // if the call has ended, its answer says why
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                let message = "more batches than may wait: a fault of this library";
                Err(Error::new(ErrorKind::Other, tonic::Code::Internal, message))
            }
        }
    }

    fn acknowledge(&mut self, answer: Option<Result<v1::StreamPutManyResponse>>) -> Result<()> {
        let answer = answer.transpose()?.ok_or_else(|| {
            let message = "the server ended the stream before it acknowledged every batch";
            Error::new(ErrorKind::Unavailable, tonic::Code::Unavailable, message)
        })?;
        self.waiting = self.waiting.saturating_sub(1);
        self.stored += u64::try_from(answer.stored).unwrap_or_default();
        Ok(())
    }
}

impl Batch {
    /// Whether an entry of so many bytes still fits. One does in any case.
    fn has_room(&self, collection: &Arc<str>, bytes: usize) -> bool {
        self.entries.is_empty()
            || (self.collection == *collection
                && self.entries.len() < BATCH_ENTRIES_MAX
                && self.bytes + bytes <= BATCH_BYTES_MAX)
    }
}
