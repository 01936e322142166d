//! The streaming calls.

use futures::channel::mpsc;
use futures::{SinkExt as _, StreamExt as _};
use kvgate_proto::v1::{
    Entry, GetResult, PutEntry, ScanEntriesRequest, ScanEntriesResponse, StreamGetManyRequest,
    StreamGetManyResponse, StreamPutManyRequest, StreamPutManyResponse,
};
use tonic::Streaming;

use super::{Answer, Client, Collection, answer};
use crate::failure::{Failure, Outcome};
use crate::rpc_error::RpcError;

impl Collection {
    /// Begins a `StreamGetMany`.
    pub async fn open_get_many(
        &self,
        keys: Vec<String>,
    ) -> Answer<Streaming<StreamGetManyResponse>> {
        let call = self.describe("StreamGetMany", &keys.len());
        let (store, collection) = (self.store.clone(), self.collection.clone());
        let request = StreamGetManyRequest { store, collection, keys };
        answer(&call, self.client.key_value().stream_get_many(request).await)
    }

    /// Reads the messages of a `StreamGetMany` to their end.
    pub async fn stream_get_many(&self, keys: Vec<String>) -> Answer<Vec<StreamGetManyResponse>> {
        let call = self.describe("StreamGetMany", &keys.len());
        let stream = self.open_get_many(keys).await?;
        read_all(&call, stream).await
    }

    /// Reads the results of a `StreamGetMany` to their end.
    pub async fn stream_results(&self, keys: Vec<String>) -> Answer<Vec<GetResult>> {
        let messages = self.stream_get_many(keys).await?;
        Ok(messages.into_iter().flat_map(|message| message.results).collect())
    }

    /// Begins a `ScanEntries`.
    pub async fn open_scan(&self, prefix: &str) -> Answer<Streaming<ScanEntriesResponse>> {
        let call = self.describe("ScanEntries", &prefix);
        let request = ScanEntriesRequest {
            store: self.store.clone(),
            collection: self.collection.clone(),
            prefix: prefix.to_owned(),
        };
        answer(&call, self.client.key_value().scan_entries(request).await)
    }

    /// Reads the messages of a `ScanEntries` to their end.
    pub async fn scan_messages(&self, prefix: &str) -> Answer<Vec<ScanEntriesResponse>> {
        let call = self.describe("ScanEntries", &prefix);
        let stream = self.open_scan(prefix).await?;
        read_all(&call, stream).await
    }

    /// All live entries, sorted by key; fails if one can't be read.
    pub async fn scan(&self, prefix: &str) -> Outcome<Vec<Entry>> {
        let mut entries = Vec::new();
        for message in self.scan_messages(prefix).await? {
            entries.extend(message.entries);
            if let Some(failure) = message.failures.first() {
                let call = self.describe("ScanEntries", &prefix);
                return Err(Failure::new(format!("{call}: {failure:?}")));
            }
        }
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }

    /// One batch for this collection.
    pub fn batch(&self, entries: Vec<PutEntry>) -> StreamPutManyRequest {
        let (store, collection) = (self.store.clone(), self.collection.clone());
        StreamPutManyRequest { store, collection, entries, ttl: None }
    }

    /// Sends all `batches` and reads what is acknowledged: how many entries of
    /// each batch, and the error that ended the call.
    pub async fn stream_put_many(
        &self,
        batches: Vec<StreamPutManyRequest>,
    ) -> Answer<(Vec<i64>, Option<Box<RpcError>>)> {
        let call = self.describe("StreamPutMany", &batches.len());
        let batches = futures::stream::iter(batches);
        let result = self.client.key_value().stream_put_many(batches).await;
        let mut stream = answer(&call, result)?;
        let mut stored = Vec::new();
        loop {
            match stream.message().await {
                Ok(Some(acknowledged)) => stored.push(acknowledged.stored),
                Ok(None) => return Ok((stored, None)),
                Err(status) => return Ok((stored, Some(RpcError::of_call(&call, &status)))),
            }
        }
    }
}

/// A `StreamPutMany` whose batches are sent one by one.
pub struct Batches {
    sender: mpsc::Sender<StreamPutManyRequest>,
    answers: Streaming<StreamPutManyResponse>,
}

impl Batches {
    /// Begins the call.
    pub async fn open(client: &Client) -> Answer<Self> {
        let (sender, batches) = mpsc::channel(1);
        let result = client.key_value().stream_put_many(batches).await;
        Ok(Self { sender, answers: answer("StreamPutMany", result)? })
    }

    /// Sends one batch.
    pub async fn send(&mut self, batch: StreamPutManyRequest) -> Outcome {
        Ok(self.sender.send(batch).await?)
    }

    /// Waits for the next acknowledgement; `None` once the call has ended well.
    pub async fn acknowledged(&mut self) -> Answer<Option<i64>> {
        match self.answers.next().await {
            None => Ok(None),
            Some(Ok(answer)) => Ok(Some(answer.stored)),
            Some(Err(status)) => Err(RpcError::of_call("StreamPutMany", &status)),
        }
    }

    /// Says that no more batches will come.
    pub fn finish(&mut self) {
        self.sender.close_channel();
    }
}

async fn read_all<T>(call: &str, mut stream: Streaming<T>) -> Answer<Vec<T>> {
    let mut messages = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return Ok(messages),
            Err(status) => return Err(RpcError::of_call(call, &status)),
        }
    }
}
