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
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

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
}

impl Client {
    /// Connects to a server.
    pub async fn connect(address: SocketAddr) -> Outcome<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        // Far above what any call of a test needs, so that a call that hangs
        // fails its test instead of hanging it.
        let endpoint = endpoint.timeout(Duration::from_mins(3));
        // Streams that are not read must leave room for those that are.
        let endpoint =
            endpoint.initial_stream_window_size(1 << 20).initial_connection_window_size(64 << 20);
        Ok(Self { channel: endpoint.connect().await? })
    }

    /// The connection, for the services that are not kvgate's own.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The generated client, whose messages may be of any size: the limits are
    /// the server's.
    pub fn key_value(&self) -> KeyValueServiceClient<Channel> {
        KeyValueServiceClient::new(self.channel.clone())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX)
    }

    /// The generated client of the administrative service.
    pub fn stores(&self) -> StoreServiceClient<Channel> {
        StoreServiceClient::new(self.channel.clone())
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
