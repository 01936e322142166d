//! Sends each call to the service that its path names.
//!
//! A match instead of tonic's router: it does less for each call, and one can read it.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use kvgate_proto::v1::ErrorReason;
use kvgate_proto::v1::key_value_service_server::KeyValueServiceServer;
use kvgate_proto::v1::store_service_server::StoreServiceServer;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::{v1, v1alpha};

use crate::config::Compression;
use crate::layers::EndWith;
use crate::service::status::Fault;
use crate::service::{KeyValue, Service};

/// Every method that is served.
pub(crate) const METHODS: [&str; 22] = [
    "/keyvalue.v1.KeyValueService/Get",
    "/keyvalue.v1.KeyValueService/Put",
    "/keyvalue.v1.KeyValueService/Delete",
    "/keyvalue.v1.KeyValueService/Ttl",
    "/keyvalue.v1.KeyValueService/GetMany",
    "/keyvalue.v1.KeyValueService/PutMany",
    "/keyvalue.v1.KeyValueService/DeleteMany",
    "/keyvalue.v1.KeyValueService/TtlMany",
    "/keyvalue.v1.KeyValueService/StreamGetMany",
    "/keyvalue.v1.KeyValueService/StreamPutMany",
    "/keyvalue.v1.KeyValueService/ListKeys",
    "/keyvalue.v1.KeyValueService/ListCollections",
    "/keyvalue.v1.KeyValueService/ScanEntries",
    "/keyvalue.v1.StoreService/ListStores",
    "/keyvalue.v1.StoreService/GetStore",
    "/keyvalue.v1.StoreService/Cull",
    "/keyvalue.v1.StoreService/DeleteCollection",
    "/keyvalue.v1.StoreService/DestroyStore",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Those that stream, and so may last.
pub(crate) const STREAMS: [&str; 6] = [
    "/keyvalue.v1.KeyValueService/StreamGetMany",
    "/keyvalue.v1.KeyValueService/StreamPutMany",
    "/keyvalue.v1.KeyValueService/ScanEntries",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// All services of one runtime. It is cloned for every call, hence the one
/// reference count.
#[derive(Clone)]
pub(crate) struct Router(Arc<Services>);

struct Services {
    key_value: KeyValueServiceServer<KeyValue>,
    store: StoreServiceServer<Service>,
    health: HealthServer<HealthService>,
    stopping: CancellationToken,
}

impl Router {
    pub(crate) fn new(
        service: Service,
        health: HealthReporter,
        stopping: CancellationToken,
        message_bytes_max: usize,
        compression: &[Compression],
    ) -> Self {
        let service = Arc::new(service);
        // answers are measured before they are sent, see Service::check_response
        let mut key_value = KeyValueServiceServer::new(KeyValue(Arc::clone(&service)))
            .max_decoding_message_size(message_bytes_max)
            .max_encoding_message_size(usize::MAX);
        let mut store = StoreServiceServer::from_arc(service)
            .max_decoding_message_size(message_bytes_max)
            .max_encoding_message_size(usize::MAX);
        // tonic stops unpacking at the largest message
        for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
            key_value = key_value.accept_compressed(encoding);
            store = store.accept_compressed(encoding);
        }
        for encoding in compression {
            let encoding = match encoding {
                Compression::Gzip => CompressionEncoding::Gzip,
                Compression::Zstd => CompressionEncoding::Zstd,
            };
            key_value = key_value.send_compressed(encoding);
            store = store.send_compressed(encoding);
        }
        let health = HealthServer::new(HealthService::from_health_reporter(health));
        Self(Arc::new(Services { key_value, store, health, stopping }))
    }

    /// Calls a service whose streams last until the server stops.
    fn until_stopped(
        &self,
        call: impl Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    ) -> Answering {
        let stopping = self.0.stopping.clone();
        Box::pin(async move {
            let Ok(response) = call.await;
            let end = stopping.cancelled_owned();
            Ok(response.map(|body| Body::new(EndWith::new(body, end))))
        })
    }
}

impl<B> tower::Service<Request<B>> for Router
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Request<B>) -> Answering {
        if !is_grpc(&call) {
            return Box::pin(std::future::ready(Ok(not_grpc())));
        }
        let path = call.uri().path();
        let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        match service.map(|(service, _)| service) {
            Some("keyvalue.v1.KeyValueService") => self.0.key_value.clone().call(call),
            Some("keyvalue.v1.StoreService") => self.0.store.clone().call(call),
            Some("grpc.health.v1.Health") => {
                let answering = self.0.health.clone().call(call);
                self.until_stopped(answering)
            }
            Some("grpc.reflection.v1.ServerReflection") => match reflection_v1() {
                Ok(mut reflection) => self.until_stopped(reflection.call(call)),
                Err(status) => refuse(status),
            },
            Some("grpc.reflection.v1alpha.ServerReflection") => match reflection_v1alpha() {
                Ok(mut reflection) => self.until_stopped(reflection.call(call)),
                Err(status) => refuse(status),
            },
            _ => {
                let message = "there is no such method; reflection lists those that there are";
                refuse(Fault::new(Code::Unimplemented, ErrorReason::MethodNotFound, message).into())
            }
        }
    }
}

/// Made anew for each call: it is asked rarely, and has no state.
fn reflection_v1() -> Result<v1::ServerReflectionServer<impl v1::ServerReflection>, Status> {
    reflection().build_v1().map_err(|e| unbuilt(&e))
}

/// The same in the older form that some tools still ask for.
fn reflection_v1alpha()
-> Result<v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>, Status> {
    reflection().build_v1alpha().map_err(|e| unbuilt(&e))
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(kvgate_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

fn unbuilt(error: &tonic_reflection::server::Error) -> Status {
    let message = format!("the API's description can't be read: {error}");
    Fault::new(Code::Internal, ErrorReason::Internal, message).into()
}

fn is_grpc<B>(call: &Request<B>) -> bool {
    let content_type = call.headers().get(header::CONTENT_TYPE);
    let form = content_type.and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    // what comes from a browser was translated before it got here, if that is allowed
    form.is_some_and(|form| !form.starts_with(b"-web"))
}

/// The answer to a browser or a probe that speaks plain HTTP/2.
fn not_grpc() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert("accept-post", HeaderValue::from_static("application/grpc"));
    response
}

fn refuse(status: Status) -> Answering {
    Box::pin(std::future::ready(Ok(status.into_http())))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::METHODS;

    #[test]
    fn every_method_of_the_api_is_counted() {
        let api = prost_types::FileDescriptorSet::decode(kvgate_proto::FILE_DESCRIPTOR_SET)
            .expect("made by the code generator");
        for file in api.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    assert!(METHODS.contains(&path.as_str()), "{path}");
                }
            }
        }
    }
}
