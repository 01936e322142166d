//! The client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt, Stream};
use kvgate_proto::v1;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::builder::ClientBuilder;
use crate::calls::Calls;
use crate::collection::{Collection, Page, pages};
use crate::description::{Health, Store};
use crate::entry::PutEntry;
use crate::error::{Error, ErrorKind, Result};
use crate::load::StreamPutMany;

/// A client of one kvgate server, or of the several that share a name.
///
/// It is cheap to clone, and its clones share their connections. Dropping the last one
/// closes them, once the calls under way have ended.
#[derive(Clone)]
pub struct Client {
    calls: Calls,
    store: Arc<str>,
}

impl Client {
    /// A client with the usual options, in a Tokio runtime. It connects at its first call.
    ///
    /// The address is `http://HOST:PORT`, `https://HOST:PORT`, `unix:/PATH`, or
    /// `dns:///HOST:PORT`: all addresses of the name in turn, as a headless service of
    /// Kubernetes has them.
    pub fn new(address: impl Into<String>) -> Result<Self> {
        Self::builder(address).build()
    }

    /// A client with options of its own.
    pub fn builder(address: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(address.into())
    }

    pub(crate) fn from_calls(calls: Calls, store: Arc<str>) -> Self {
        Self { calls, store }
    }

    /// The same client, whose calls use this store.
    #[must_use]
    pub fn with_store(&self, name: impl Into<String>) -> Self {
        Self { calls: self.calls.clone(), store: name.into().into() }
    }

    /// The same client, whose calls and streams have this timeout; nothing: none.
    #[must_use]
    pub fn with_timeout(&self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { calls: self.calls.with_timeout(timeout.into()), store: Arc::clone(&self.store) }
    }

    /// The same client, whose calls also have this metadata, such as a `traceparent`.
    pub fn with_metadata(&self, name: &str, value: &str) -> Result<Self> {
        let calls = self.calls.with_metadata(name, value)?;
        Ok(Self { calls, store: Arc::clone(&self.store) })
    }

    /// The store's name; empty for the server's default store.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// A collection of the client's store. It need not be created. An empty name is the
    /// store's default collection.
    pub fn collection(&self, name: impl Into<String>) -> Collection {
        Collection::new(self.calls.clone(), Arc::clone(&self.store), name.into().into())
    }

    /// All collections that hold entries and begin with `prefix`, fetched a page at a time.
    pub fn list_collections(&self, prefix: &str) -> BoxStream<'static, Result<String>> {
        let (client, prefix) = (self.clone(), prefix.to_owned());
        pages(move |token| {
            let (client, prefix) = (client.clone(), prefix.clone());
            async move { client.collection_page(&prefix, 0, &token).await }.boxed()
        })
    }

    /// One page of collections, for whoever keeps the place between pages; an empty token is
    /// the first page, a size of 0 as many as the server likes.
    pub async fn collection_page(
        &self,
        prefix: &str,
        page_size: u32,
        page_token: &str,
    ) -> Result<Page> {
        let request = v1::ListCollectionsRequest {
            store: self.store.to_string(),
            prefix: prefix.to_owned(),
            page_size: i32::try_from(page_size).unwrap_or(i32::MAX),
            page_token: page_token.to_owned(),
        };
        let call = self.calls.unary(request, |to, request| {
            async move { to.key_value().list_collections(request).await }.boxed()
        });
        let page = call.await?;
        Ok(Page::new(page.collections, page.next_page_token))
    }

    /// Stores any number of entries in collections of the store; each entry comes with the
    /// name of its own. See [`Collection::stream_put_many`].
    pub fn stream_put_many<'a, S>(&self, entries: S) -> StreamPutMany<'a>
    where
        S: Stream<Item = (Arc<str>, PutEntry)> + Send + 'a,
    {
        StreamPutMany::new(self.calls.clone(), self.store.to_string(), Box::pin(entries))
    }

    /// The stores of the server, by name.
    pub async fn list_stores(&self) -> Result<Vec<Store>> {
        let request = v1::ListStoresRequest {};
        let call = self.calls.unary(request, |to, request| {
            async move { to.stores().list_stores(request).await }.boxed()
        });
        Ok(call.await?.stores.into_iter().map(Store::read).collect())
    }

    /// What the server says of the store: type, capabilities, limits.
    pub async fn describe_store(&self) -> Result<Store> {
        let request = v1::GetStoreRequest { store: self.store.to_string() };
        let call = self.calls.unary(request, |to, request| {
            async move { to.stores().get_store(request).await }.boxed()
        });
        Ok(Store::read(call.await?.store.unwrap_or_default()))
    }

    /// Whether the backend of a store answered when the server last tried it. The store must
    /// be named; the empty name is the server as a whole.
    pub async fn health(&self, store: &str) -> Result<Health> {
        let service = if store.is_empty() { String::new() } else { format!("stores/{store}") };
        let call = self.calls.unary(HealthCheckRequest { service }, |to, request| {
            async move { to.health().check(request).await }.boxed()
        });
        match call.await {
            Ok(answer) if answer.status() == ServingStatus::Serving => Ok(Health::Serving),
            Ok(answer) if answer.status() == ServingStatus::NotServing => Ok(Health::NotServing),
            Ok(_) => Ok(Health::Unknown),
            Err(error) if error.code() == tonic::Code::NotFound => Ok(Health::Unknown),
            Err(error) => Err(error),
        }
    }

    /// Removes the expired entries that the store still holds and says how many there were.
    pub async fn cull(&self) -> Result<u64> {
        let request = v1::CullRequest { store: self.store.to_string() };
        let call = self
            .calls
            .unary(request, |to, request| async move { to.stores().cull(request).await }.boxed());
        Ok(u64::try_from(call.await?.culled_count).unwrap_or_default())
    }

    /// Removes all entries of all collections of the store, which must be named by
    /// [`Client::with_store`] or [`ClientBuilder::store`].
    pub async fn destroy_store(&self) -> Result<()> {
        let request = v1::DestroyStoreRequest { store: self.store.to_string() };
        let call = self.calls.unary(request, |to, request| {
            async move { to.stores().destroy_store(request).await }.boxed()
        });
        call.await.map(|_| ())
    }

    /// Waits until the server can be reached and serves: tries as often as a call does.
    pub async fn ready(&self) -> Result<()> {
        match self.health("").await? {
            Health::Serving | Health::Unknown => Ok(()),
            Health::NotServing => {
                let message = "the server says that it does not serve";
                Err(Error::new(ErrorKind::Unavailable, tonic::Code::Unavailable, message))
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("store", &self.store).finish_non_exhaustive()
    }
}
