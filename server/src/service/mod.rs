//! The gRPC services: they check requests, call stores and make answers.

mod admin;
mod bulk;
mod caller;
mod convert;
mod pace;
mod page_token;
mod request;
pub(crate) mod status;
mod stream;
mod unary;

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use kvgate_proto::v1::key_value_service_server::KeyValueService;
use kvgate_proto::v1::{self, ErrorReason};
use prost::Message;
use tonic::{Code, Request, Response, Status, Streaming};

pub(crate) use self::caller::Known;
use self::status::Fault;
use crate::config::Limits;
use crate::topology::Topology;

/// Both services, over the configured stores.
pub(crate) struct Service {
    topology: Arc<Topology>,
    limits: Limits,
    /// Whether callers must be known.
    authentication: bool,
}

/// `KeyValueService`; it holds the service by reference count, for streams that
/// outlive their call.
pub(crate) struct KeyValue(pub(crate) Arc<Service>);

impl Service {
    pub(crate) fn new(topology: Arc<Topology>, limits: Limits, authentication: bool) -> Self {
        Self { topology, limits, authentication }
    }

    /// Refuses to send what is larger than a message may be: tonic would break the
    /// call off with an error that says nothing.
    fn check_response(&self, response: &impl Message) -> Result<(), Fault> {
        let size = response.encoded_len();
        if size <= self.limits.message_bytes_max {
            return Ok(());
        }
        Err(self.response_too_large(size))
    }

    fn response_too_large(&self, size: usize) -> Fault {
        let max = self.limits.message_bytes_max;
        let message = format!(
            "the answer of {size} bytes and more is over the server's limit of {max} bytes \
             (message_bytes_max): ask for less, or use StreamGetMany or ScanEntries"
        );
        Fault::new(Code::ResourceExhausted, ErrorReason::ResponseTooLarge, message)
            .with_limit("message_bytes_max", max)
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn answer<T, E: Into<Status>>(done: Result<T, E>) -> Answer<T> {
    done.map(Response::new).map_err(Into::into)
}

/// The list of calls; each is in the module of its kind.
#[tonic::async_trait]
impl KeyValueService for KeyValue {
    async fn get(&self, request: Request<v1::GetRequest>) -> Answer<v1::GetResponse> {
        let caller = self.0.caller(&request)?;
        answer(self.0.get(&caller, request.into_inner()).await)
    }

    async fn put(&self, request: Request<v1::PutRequest>) -> Answer<v1::PutResponse> {
        let caller = self.0.caller(&request)?;
        answer(self.0.put(&caller, request.into_inner()).await)
    }

    async fn delete(&self, request: Request<v1::DeleteRequest>) -> Answer<v1::DeleteResponse> {
        let caller = self.0.caller(&request)?;
        answer(self.0.delete(&caller, request.into_inner()).await)
    }

    async fn ttl(&self, request: Request<v1::TtlRequest>) -> Answer<v1::TtlResponse> {
        let caller = self.0.caller(&request)?;
        answer(self.0.ttl(&caller, request.into_inner()).await)
    }

    async fn get_many(&self, request: Request<v1::GetManyRequest>) -> Answer<v1::GetManyResponse> {
        let caller = self.0.caller(&request)?;
        answer(self.0.get_many(&caller, request.into_inner()).await)
    }

    async fn put_many(&self, request: Request<v1::PutManyRequest>) -> Answer<v1::PutManyResponse> {
        let caller = self.0.caller(&request)?;
        answer(self.0.put_many(&caller, request.into_inner()).await)
    }

    async fn delete_many(
        &self,
        request: Request<v1::DeleteManyRequest>,
    ) -> Answer<v1::DeleteManyResponse> {
        let caller = self.0.caller(&request)?;
        answer(self.0.delete_many(&caller, request.into_inner()).await)
    }

    async fn ttl_many(&self, request: Request<v1::TtlManyRequest>) -> Answer<v1::TtlManyResponse> {
        let caller = self.0.caller(&request)?;
        answer(self.0.ttl_many(&caller, request.into_inner()).await)
    }

    type StreamGetManyStream = Messages<v1::StreamGetManyResponse>;

    async fn stream_get_many(
        &self,
        request: Request<v1::StreamGetManyRequest>,
    ) -> Answer<Self::StreamGetManyStream> {
        let caller = self.0.caller(&request)?;
        let messages = Arc::clone(&self.0).stream_get_many(caller, request.into_inner())?;
        Ok(Response::new(Box::pin(messages)))
    }

    type StreamPutManyStream = Messages<v1::StreamPutManyResponse>;

    async fn stream_put_many(
        &self,
        request: Request<Streaming<v1::StreamPutManyRequest>>,
    ) -> Answer<Self::StreamPutManyStream> {
        let caller = self.0.caller(&request)?;
        let messages = Arc::clone(&self.0).stream_put_many(caller, request.into_inner());
        Ok(Response::new(Box::pin(messages)))
    }

    async fn list_keys(
        &self,
        request: Request<v1::ListKeysRequest>,
    ) -> Answer<v1::ListKeysResponse> {
        let caller = self.0.caller(&request)?;
        answer(self.0.list_keys(&caller, request.into_inner()).await)
    }

    async fn list_collections(
        &self,
        request: Request<v1::ListCollectionsRequest>,
    ) -> Answer<v1::ListCollectionsResponse> {
        let caller = self.0.caller(&request)?;
        answer(self.0.list_collections(&caller, request.into_inner()).await)
    }

    type ScanEntriesStream = Messages<v1::ScanEntriesResponse>;

    async fn scan_entries(
        &self,
        request: Request<v1::ScanEntriesRequest>,
    ) -> Answer<Self::ScanEntriesStream> {
        let caller = self.0.caller(&request)?;
        let messages = Arc::clone(&self.0).scan_entries(caller, request.into_inner())?;
        Ok(Response::new(Box::pin(messages)))
    }
}
