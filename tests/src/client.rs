//! A thin client for tests: each method is one call, and a failed one says
//! which call it was and what names it used.

mod admin;
mod collection;
mod many;
mod pages;
mod streams;

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use kvgate_proto::v1::key_value_service_client::KeyValueServiceClient;
use kvgate_proto::v1::store_service_client::StoreServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

pub use collection::Collection;
pub use many::{entry, entry_for, found, outcome};
pub use streams::Batches;

use crate::failure::{Outcome, shortened};
use crate::rpc_error::RpcError;

/// What a call answers.
pub type Answer<T> = Result<T, Box<RpcError>>;

/// A connection to a server.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    token: Token,
}

/// What calls go through: the connection, and the token that each shows.
pub type Calls = InterceptedService<Channel, Token>;

/// What makes the caller known, if anything does.
#[derive(Clone, Default)]
pub struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

impl Client {
    /// Connects to a server.
    pub async fn connect(address: SocketAddr) -> Outcome<Self> {
        Self::through(Endpoint::from_shared(format!("http://{address}"))?).await
    }

    /// Connects as an endpoint says, which may be over TLS.
    pub async fn through(endpoint: Endpoint) -> Outcome<Self> {
        // Far above what any call of a test needs, so that a call that hangs
        // fails its test instead of hanging it.
        let endpoint = endpoint.timeout(Duration::from_mins(3));
        // Streams that are not read must leave room for those that are.
        let endpoint =
            endpoint.initial_stream_window_size(1 << 20).initial_connection_window_size(64 << 20);
        Ok(Self { channel: endpoint.connect().await?, token: Token::default() })
    }

    /// The same connection for a caller who shows this token.
    pub fn with_token(&self, token: &str) -> Outcome<Self> {
        self.with_authorization(&format!("Bearer {token}"))
    }

    /// The same connection for a caller who sends this `authorization`.
    pub fn with_authorization(&self, value: &str) -> Outcome<Self> {
        Ok(Self { channel: self.channel.clone(), token: Token(Some(value.parse()?)) })
    }

    /// The connection without the token.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// What the services that are not kvgate's own are called through.
    pub fn calls(&self) -> Calls {
        InterceptedService::new(self.channel.clone(), self.token.clone())
    }

    /// The generated client, whose messages may be of any size: the limits are
    /// the server's.
    pub fn key_value(&self) -> KeyValueServiceClient<Calls> {
        KeyValueServiceClient::new(self.calls())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX)
    }

    /// The generated client of the administrative service.
    pub fn stores(&self) -> StoreServiceClient<Calls> {
        StoreServiceClient::new(self.calls())
    }

    /// The calls on one collection.
    pub fn collection(&self, store: &str, collection: &str) -> Collection {
        Collection {
            client: self.clone(),
            store: store.to_owned(),
            collection: collection.to_owned(),
        }
    }
}

/// Names a call for its failure, as in `Get store "a" collection "b" "key"`.
fn describe(call: &str, store: &str, collection: Option<&str>, names: &impl Debug) -> String {
    let collection = collection.map(|name| format!(" collection {}", shortened(&name)));
    format!("{call} store {store:?}{} {}", collection.unwrap_or_default(), shortened(names))
}

/// Takes the answer out of its envelope, or says which call failed.
fn answer<T>(call: &str, result: Result<Response<T>, Status>) -> Answer<T> {
    match result {
        Ok(response) => Ok(response.into_inner()),
        Err(status) => Err(RpcError::of_call(call, &status)),
    }
}

/// A length of time as the API writes it.
pub fn duration(ttl: Duration) -> prost_types::Duration {
    // Only lengths beyond 292 billion years can't be converted.
    ttl.try_into().unwrap_or_default()
}
