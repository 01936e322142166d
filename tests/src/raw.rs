//! Calls that the generated client can't make.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::Uri;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kvgate_proto::v1::key_value_service_client::KeyValueServiceClient;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};

use crate::client::{Answer, Client};
use crate::rpc_error::RpcError;

/// A connection that knows nothing of deadlines: with tonic's own channel the
/// client would end a call before the server can.
pub type PlainHttp = HttpClient<HttpConnector, tonic::body::Body>;

fn plain_http(address: SocketAddr) -> (PlainHttp, Uri) {
    let http = HttpClient::builder(TokioExecutor::new()).http2_only(true).build_http();
    let origin = Uri::try_from(format!("http://{address}"));
    (http, origin.unwrap_or_default())
}

/// A generated client over a connection that knows nothing of deadlines.
pub fn plain_client(address: SocketAddr) -> KeyValueServiceClient<PlainHttp> {
    let (http, origin) = plain_http(address);
    KeyValueServiceClient::with_origin(http, origin)
}

/// Begins a call and never sends its message; the server is told the deadline.
pub async fn call_without_message(
    address: SocketAddr,
    method: &'static str,
    timeout: Duration,
) -> Answer<()> {
    let (http, origin) = plain_http(address);
    let mut grpc = tonic::client::Grpc::with_origin(http, origin);
    if let Err(error) = grpc.ready().await {
        return Err(RpcError::of_call(method, &Status::unavailable(error.to_string())));
    }
    let mut request = Request::new(futures::stream::pending::<Bytes>());
    request.set_timeout(timeout);
    let path = http::uri::PathAndQuery::from_static(method);
    let result = grpc.client_streaming(request, path, AnyBytes).await;
    result.map(|_: tonic::Response<Bytes>| ()).map_err(|status| RpcError::of_call(method, &status))
}

/// Calls any method, such as `/keyvalue.v1.KeyValueService/Get`, with any
/// bytes as its message.
pub async fn call(client: &Client, method: &'static str, message: Bytes) -> Answer<Bytes> {
    let mut grpc = tonic::client::Grpc::new(client.channel());
    if let Err(error) = grpc.ready().await {
        return Err(RpcError::of_call(method, &Status::unavailable(error.to_string())));
    }
    let path = http::uri::PathAndQuery::from_static(method);
    let result = grpc.unary(Request::new(message), path, AnyBytes).await;
    result.map(tonic::Response::into_inner).map_err(|status| RpcError::of_call(method, &status))
}

/// Messages that are sent and returned as the bytes they are.
struct AnyBytes;

impl Codec for AnyBytes {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AnyBytes {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for AnyBytes {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
