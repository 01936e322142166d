//! Calls whose requests or answers are streams.
//!
//! Answers are pulled: hyper asks for the next message when the connection has
//! room for it. So a caller who reads slowly slows the reading of the store, one
//! who stops stops it, and one who goes away drops the stream and all it holds.
//! Nothing here runs in a task of its own.

use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use kvgate_core::{Entry, Error, PageRequest};
use kvgate_proto::v1::{
    GetResult, ScanEntriesRequest, ScanEntriesResponse, StreamGetManyRequest,
    StreamGetManyResponse, StreamPutManyRequest, StreamPutManyResponse, get_result,
};
use tonic::{Status, Streaming};

use super::bulk::count;
use super::caller::Caller;
use super::pace::Pace;
use super::request::Target;
use super::status::{Fault, of_tonic};
use super::{Service, convert};
use crate::access::Wish;
use crate::config::Operation;

/// How many chunks are read from the store at once, the one that is being sent
/// included: while one is sent the next is on its way.
const CHUNKS_AT_ONCE: usize = 2;

/// The size that messages of a stream have about: large enough that what a message costs
/// by itself does not show, small enough that a few in flight are no burden.
const MESSAGE_BYTES: usize = 64 * 1024;

/// What an entry takes in a message besides its key, twice, and its value.
const ENTRY_OVERHEAD_BYTES: usize = 48;

impl Service {
    pub(super) fn stream_get_many(
        self: Arc<Self>,
        caller: Caller,
        request: StreamGetManyRequest,
    ) -> Result<impl Stream<Item = Result<StreamGetManyResponse, Status>> + Send, Fault> {
        self.target(&caller, Operation::Read, &request.store, &request.collection)?;
        self.check_each_key(&request.keys)?;
        let StreamGetManyRequest { store, collection, keys } = request;
        let place = Arc::new(Place { service: self, caller, store, collection });
        let pace = Arc::new(Pace::default());
        let chunk_pace = Arc::clone(&pace);
        let chunks = stream::unfold(keys.into_iter(), move |mut keys| {
            let chunk: Vec<String> = keys.by_ref().take(chunk_pace.entries()).collect();
            std::future::ready((!chunk.is_empty()).then_some((chunk, keys)))
        });
        let read = move |keys: Vec<String>| {
            let (place, pace) = (Arc::clone(&place), Arc::clone(&pace));
            async move {
                let found = place.find(&keys, &pace).await?;
                let results = keys.into_iter().zip(found);
                let results = results.map(|(key, found)| convert::get_result(key, found));
                Ok::<_, Status>(stream::iter(messages(results, result_bytes).map(Ok)))
            }
        };
        let messages = chunks.map(read).buffered(CHUNKS_AT_ONCE).try_flatten();
        Ok(messages.map_ok(|results| StreamGetManyResponse { results }))
    }

    pub(super) fn stream_put_many(
        self: Arc<Self>,
        caller: Caller,
        batches: Streaming<StreamPutManyRequest>,
    ) -> impl Stream<Item = Result<StreamPutManyResponse, Status>> + Send {
        stream::try_unfold((self, caller, batches), |(service, caller, mut batches)| async move {
            let message_bytes_max = service.limits.message_bytes_max;
            let batch = batches.message().await;
            let Some(batch) = batch.map_err(|status| of_tonic(status, message_bytes_max))? else {
                return Ok(None);
            };
            // each batch names its collection, so each is another thing to be allowed
            let target =
                service.target(&caller, Operation::Write, &batch.store, &batch.collection)?;
            service.put_batch(&target, &batch.entries, batch.ttl.as_ref()).await?;
            let stored = StreamPutManyResponse { stored: count(batch.entries.len()) };
            Ok(Some((stored, (service, caller, batches))))
        })
    }

    pub(super) fn scan_entries(
        self: Arc<Self>,
        caller: Caller,
        request: ScanEntriesRequest,
    ) -> Result<impl Stream<Item = Result<ScanEntriesResponse, Status>> + Send, Fault> {
        let target = self.target(&caller, Operation::Read, &request.store, &request.collection)?;
        // it gives values, and the names of all keys
        let listing = Wish::In(Operation::List, target.collection);
        caller.check(&target.served.name, listing)?;
        if !target.served.store.capabilities().list_keys {
            return Err(target.served.fault(Error::unsupported(kvgate_core::Operation::ListKeys)));
        }
        let ScanEntriesRequest { store, collection, prefix } = request;
        let place = Arc::new(Place { service: self, caller, store, collection });
        let pace = Arc::new(Pace::default());
        let pages = stream::try_unfold(Some(None), move |cursor: Option<Option<String>>| {
            let (place, pace, prefix) = (Arc::clone(&place), Arc::clone(&pace), prefix.clone());
            async move {
                let Some(cursor) = cursor else {
                    return Ok(None);
                };
                let (results, next) = place.scan_page(&prefix, cursor.as_deref(), &pace).await?;
                Ok::<_, Status>(Some((results, next.map(Some))))
            }
        });
        let results = pages
            .map_ok(|results| stream::iter(messages(results.into_iter(), result_bytes).map(Ok)));
        Ok(results.try_flatten().map_ok(scan_message))
    }
}

/// The collection that a stream reads, for as long as it does.
struct Place {
    service: Arc<Service>,
    caller: Caller,
    store: String,
    collection: String,
}

type Found = Vec<Result<Option<Entry>, Error>>;

impl Place {
    fn target(&self) -> Result<Target<'_>, Fault> {
        self.service.target(&self.caller, Operation::Read, &self.store, &self.collection)
    }

    async fn find(&self, keys: &[String], pace: &Pace) -> Result<Found, Status> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let Target { served, collection } = self.target()?;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let found = served.store.get_many(collection, &keys).await.map_err(|e| served.fault(e))?;
        pace.learn(&found);
        Ok(found)
    }

    /// The entries of one page of keys, and the cursor of the next.
    async fn scan_page(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        pace: &Pace,
    ) -> Result<(Vec<GetResult>, Option<String>), Status> {
        let Target { served, collection } = self.target()?;
        let page = PageRequest { prefix, cursor, limit: pace.entries() };
        let listed =
            served.store.list_keys(collection, &page).await.map_err(|e| served.fault(e))?;
        let keys: Vec<String> = listed.items.into_iter().map(|listed| listed.key).collect();
        let found = self.find(&keys, pace).await?;
        let results = keys.into_iter().zip(found);
        let results = results.map(|(key, found)| convert::get_result(key, found)).collect();
        Ok((results, listed.next))
    }
}

/// A scan tells entries and failures apart, and leaves out what has gone since it
/// was listed.
fn scan_message(results: Vec<GetResult>) -> ScanEntriesResponse {
    let mut message = ScanEntriesResponse::default();
    for result in results {
        match result.outcome {
            Some(get_result::Outcome::Entry(entry)) => message.entries.push(entry),
            Some(get_result::Outcome::Error(_)) => message.failures.push(result),
            None => {}
        }
    }
    message
}

/// Packs items into messages near [`MESSAGE_BYTES`].
fn messages<T>(
    items: impl Iterator<Item = T>,
    bytes: impl Fn(&T) -> usize,
) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.peekable();
    std::iter::from_fn(move || {
        let mut message = vec![items.next()?];
        let mut size = bytes(&message[0]);
        while let Some(item) = items.next_if(|item| size + bytes(item) <= MESSAGE_BYTES) {
            size += bytes(&item);
            message.push(item);
        }
        Some(message)
    })
}

fn result_bytes(result: &GetResult) -> usize {
    let value = match &result.outcome {
        Some(get_result::Outcome::Entry(entry)) => entry.value.len(),
        Some(get_result::Outcome::Error(error)) => prost::Message::encoded_len(error),
        None => 0,
    };
    2 * result.key.len() + value + ENTRY_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_near_their_size_and_lose_nothing() {
        let sizes = [MESSAGE_BYTES / 2, MESSAGE_BYTES / 2, 1, 5 * MESSAGE_BYTES, 1, 1];
        let packed: Vec<Vec<usize>> = messages(sizes.into_iter(), |size| *size).collect();
        let half = MESSAGE_BYTES / 2;
        assert_eq!(packed, [vec![half, half], vec![1], vec![5 * MESSAGE_BYTES], vec![1, 1]]);
        assert_eq!(messages(std::iter::empty::<usize>(), |size| *size).count(), 0);
    }
}
