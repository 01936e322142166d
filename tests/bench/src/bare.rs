//! The least that a server of `KeyValueService` can do: what kvgate is held
//! against.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use kvgate_proto::v1::get_result::Outcome;
use kvgate_proto::v1::key_value_service_server::KeyValueService;
use kvgate_proto::v1::{
    DeleteManyRequest, DeleteManyResponse, DeleteRequest, DeleteResponse, Entry, GetManyRequest,
    GetManyResponse, GetRequest, GetResponse, GetResult, ListCollectionsRequest,
    ListCollectionsResponse, ListKeysRequest, ListKeysResponse, PutManyRequest, PutManyResponse,
    PutRequest, PutResponse, ScanEntriesRequest, ScanEntriesResponse, StreamGetManyRequest,
    StreamGetManyResponse, StreamPutManyRequest, StreamPutManyResponse, TtlManyRequest,
    TtlManyResponse, TtlRequest, TtlResponse,
};
use prost_types::Timestamp;
use tonic::{Request, Response, Status, Streaming};

use crate::dataset;

/// How many results a message of a stream has: near 64 KiB, as the API says.
const RESULTS_PER_MESSAGE: usize = 64 * 1024 / (dataset::VALUE_BYTES + 48);

type Answer<T> = Result<Response<T>, Status>;

/// Answers every key with the same entry, which it makes from the key asked for
/// and a value that is ready.
#[derive(Clone)]
pub(crate) struct Bare {
    value: Bytes,
    created_at: Timestamp,
}

impl Bare {
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            value: dataset::value(),
            created_at: Timestamp {
                seconds: i64::try_from(now.as_secs()).unwrap_or_default(),
                // Microseconds that take as many bytes as most do.
                nanos: 123_456_000,
            },
        }
    }

    fn entry(&self, key: String) -> Entry {
        Entry {
            key,
            value: self.value.clone(),
            created_at: Some(self.created_at),
            expires_at: None,
        }
    }

    fn result(&self, key: String) -> GetResult {
        GetResult { key: key.clone(), outcome: Some(Outcome::Entry(self.entry(key))) }
    }
}

fn left_out<T>() -> Answer<T> {
    Err(Status::unimplemented("the bare server gets and puts only"))
}

#[tonic::async_trait]
impl KeyValueService for Bare {
    async fn get(&self, request: Request<GetRequest>) -> Answer<GetResponse> {
        let entry = Some(self.entry(request.into_inner().key));
        Ok(Response::new(GetResponse { entry }))
    }

    async fn put(&self, _: Request<PutRequest>) -> Answer<PutResponse> {
        Ok(Response::new(PutResponse {}))
    }

    type StreamGetManyStream = BoxStream<'static, Result<StreamGetManyResponse, Status>>;

    async fn stream_get_many(
        &self,
        request: Request<StreamGetManyRequest>,
    ) -> Answer<Self::StreamGetManyStream> {
        let bare = self.clone();
        let mut keys = request.into_inner().keys.into_iter();
        let messages = std::iter::from_fn(move || {
            let results: Vec<_> =
                keys.by_ref().take(RESULTS_PER_MESSAGE).map(|key| bare.result(key)).collect();
            (!results.is_empty()).then_some(Ok(StreamGetManyResponse { results }))
        });
        Ok(Response::new(stream::iter(messages).boxed()))
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Answer<DeleteResponse> {
        left_out()
    }

    async fn ttl(&self, _: Request<TtlRequest>) -> Answer<TtlResponse> {
        left_out()
    }

    async fn get_many(&self, _: Request<GetManyRequest>) -> Answer<GetManyResponse> {
        left_out()
    }

    async fn put_many(&self, _: Request<PutManyRequest>) -> Answer<PutManyResponse> {
        left_out()
    }

    async fn delete_many(&self, _: Request<DeleteManyRequest>) -> Answer<DeleteManyResponse> {
        left_out()
    }

    async fn ttl_many(&self, _: Request<TtlManyRequest>) -> Answer<TtlManyResponse> {
        left_out()
    }

    type StreamPutManyStream = BoxStream<'static, Result<StreamPutManyResponse, Status>>;

    async fn stream_put_many(
        &self,
        _: Request<Streaming<StreamPutManyRequest>>,
    ) -> Answer<Self::StreamPutManyStream> {
        left_out()
    }

    async fn list_keys(&self, _: Request<ListKeysRequest>) -> Answer<ListKeysResponse> {
        left_out()
    }

    async fn list_collections(
        &self,
        _: Request<ListCollectionsRequest>,
    ) -> Answer<ListCollectionsResponse> {
        left_out()
    }

    type ScanEntriesStream = BoxStream<'static, Result<ScanEntriesResponse, Status>>;

    async fn scan_entries(
        &self,
        _: Request<ScanEntriesRequest>,
    ) -> Answer<Self::ScanEntriesStream> {
        left_out()
    }
}
