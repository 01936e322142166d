//! A server that fails as a test wants it to: faults that a healthy kvgate doesn't show.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::stream::{self, BoxStream, StreamExt};
use kvgate_proto::ERROR_DOMAIN;
use kvgate_proto::v1::key_value_service_server::{KeyValueService, KeyValueServiceServer};
use kvgate_proto::v1::{self, Entry};
use kvgate_tests::failure::Outcome;
use tokio::sync::{Notify, Semaphore};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

/// A failure as kvgate makes it.
pub(crate) fn failure(code: Code, reason: Option<&str>, retry_after_ms: Option<u64>) -> Status {
    let mut details = ErrorDetails::new();
    if let Some(reason) = reason {
        details.set_error_info(reason, ERROR_DOMAIN, []);
    }
    if let Some(millis) = retry_after_ms {
        details.set_retry_info(Some(std::time::Duration::from_millis(millis)));
    }
    Status::with_error_details(code, "made to fail", details)
}

/// Fails with what is in `failures`, one a call, and answers when none are left. `None` in it
/// is a call that succeeds.
#[derive(Clone)]
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    failures: Mutex<VecDeque<Option<Status>>>,
    calls: Mutex<Vec<MetadataMap>>,
    /// Calls wait for one of these.
    permits: Semaphore,
    started: Notify,
    cancelled: Notify,
}

impl Stub {
    /// Starts the server; it ends with the test's runtime.
    pub(crate) async fn start(failures: impl IntoIterator<Item = Option<Status>>) -> Outcome<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let state = State {
            failures: Mutex::new(failures.into_iter().collect()),
            calls: Mutex::default(),
            permits: Semaphore::new(Semaphore::MAX_PERMITS / 2),
            started: Notify::new(),
            cancelled: Notify::new(),
        };
        let stub = Self { address: listener.local_addr()?, state: Arc::new(state) };
        let serving = stub.clone();
        tokio::spawn(async move {
            let connections = stream::unfold(listener, |listener| async {
                Some((listener.accept().await.map(|(socket, _)| socket), listener))
            });
            let service = KeyValueServiceServer::new(serving);
            let server = tonic::transport::Server::builder().add_service(service);
            drop(server.serve_with_incoming(connections).await);
        });
        Ok(stub)
    }

    /// One whose calls are not answered until [`Stub::proceed`].
    pub(crate) async fn hanging() -> Outcome<Self> {
        let stub = Self::start([]).await?;
        stub.state.permits.forget_permits(usize::MAX);
        Ok(stub)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers one call that hangs.
    pub(crate) fn proceed(&self) {
        self.state.permits.add_permits(1);
    }

    /// Waits until a call has come.
    pub(crate) async fn started(&self) {
        self.state.started.notified().await;
    }

    /// Waits until a scan was cancelled.
    pub(crate) async fn cancelled(&self) {
        self.state.cancelled.notified().await;
    }

    /// The metadata of all calls so far.
    pub(crate) fn calls(&self) -> Vec<MetadataMap> {
        self.state.calls.lock().expect("no panic").clone()
    }

    async fn call(&self, metadata: &MetadataMap) -> Result<(), Status> {
        self.state.calls.lock().expect("no panic").push(metadata.clone());
        self.state.started.notify_one();
        let permit = self.state.permits.acquire().await.expect("never closed");
        permit.forget();
        match self.state.failures.lock().expect("no panic").pop_front().flatten() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl KeyValueService for Stub {
    async fn get(&self, request: Request<v1::GetRequest>) -> Answer<v1::GetResponse> {
        self.call(request.metadata()).await?;
        let entry = Entry { key: request.into_inner().key, value: "{}".into(), ..Entry::default() };
        Ok(Response::new(v1::GetResponse { entry: Some(entry) }))
    }

    async fn put_many(&self, request: Request<v1::PutManyRequest>) -> Answer<v1::PutManyResponse> {
        self.call(request.metadata()).await?;
        Ok(Response::new(v1::PutManyResponse {}))
    }

    type ScanEntriesStream = BoxStream<'static, Result<v1::ScanEntriesResponse, Status>>;

    async fn scan_entries(
        &self,
        request: Request<v1::ScanEntriesRequest>,
    ) -> Answer<Self::ScanEntriesStream> {
        self.call(request.metadata()).await?;
        let guard = Cancelled(Arc::clone(&self.state));
        // without end: whoever reads it has to leave
        let answers = stream::repeat_with(move || {
            let _held = &guard;
            let entry = Entry { key: "key".to_owned(), value: "{}".into(), ..Entry::default() };
            Ok(v1::ScanEntriesResponse { entries: vec![entry; 100], failures: Vec::new() })
        });
        Ok(Response::new(answers.boxed()))
    }

    type StreamPutManyStream = BoxStream<'static, Result<v1::StreamPutManyResponse, Status>>;

    async fn stream_put_many(
        &self,
        request: Request<Streaming<v1::StreamPutManyRequest>>,
    ) -> Answer<Self::StreamPutManyStream> {
        let metadata = request.metadata().clone();
        let begun = (self.clone(), metadata, request.into_inner());
        let answers = stream::try_unfold(begun, |(stub, metadata, mut batches)| async move {
            let Some(batch) = batches.message().await? else { return Ok(None) };
            stub.call(&metadata).await?;
            let stored = i64::try_from(batch.entries.len()).unwrap_or_default();
            Ok(Some((v1::StreamPutManyResponse { stored }, (stub, metadata, batches))))
        });
        Ok(Response::new(answers.boxed()))
    }

    type StreamGetManyStream = BoxStream<'static, Result<v1::StreamGetManyResponse, Status>>;

    async fn stream_get_many(
        &self,
        _: Request<v1::StreamGetManyRequest>,
    ) -> Answer<Self::StreamGetManyStream> {
        Err(uncalled())
    }

    async fn put(&self, _: Request<v1::PutRequest>) -> Answer<v1::PutResponse> {
        Err(uncalled())
    }

    async fn delete(&self, _: Request<v1::DeleteRequest>) -> Answer<v1::DeleteResponse> {
        Err(uncalled())
    }

    async fn ttl(&self, _: Request<v1::TtlRequest>) -> Answer<v1::TtlResponse> {
        Err(uncalled())
    }

    async fn get_many(&self, _: Request<v1::GetManyRequest>) -> Answer<v1::GetManyResponse> {
        Err(uncalled())
    }

    async fn delete_many(
        &self,
        _: Request<v1::DeleteManyRequest>,
    ) -> Answer<v1::DeleteManyResponse> {
        Err(uncalled())
    }

    async fn ttl_many(&self, _: Request<v1::TtlManyRequest>) -> Answer<v1::TtlManyResponse> {
        Err(uncalled())
    }

    async fn list_keys(&self, _: Request<v1::ListKeysRequest>) -> Answer<v1::ListKeysResponse> {
        Err(uncalled())
    }

    async fn list_collections(
        &self,
        _: Request<v1::ListCollectionsRequest>,
    ) -> Answer<v1::ListCollectionsResponse> {
        Err(uncalled())
    }
}

/// No test makes these calls.
fn uncalled() -> Status {
    Status::unimplemented("the stub has no such call")
}

/// Says when a stream is dropped.
struct Cancelled(Arc<State>);

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.0.cancelled.notify_one();
    }
}
