//! The connections of a client.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use kvgate_proto::v1::key_value_service_client::KeyValueServiceClient;
use kvgate_proto::v1::store_service_client::StoreServiceClient;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_health::pb::health_client::HealthClient;
use tower::util::BoxCloneSyncService;

use crate::error::{Error, ErrorKind, Result};

/// Why a service could not answer.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What calls go through: a connection with the layers around it. A layer's error is a
/// status too; one that is none counts as `UNAVAILABLE`.
pub type GrpcService = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

/// Puts the layers of a client around each of its connections.
pub(crate) type Wrap = Arc<dyn Fn(GrpcService) -> GrpcService + Send + Sync>;

/// How old the addresses of a name may get.
const ADDRESSES_AGE_MAX: Duration = Duration::from_secs(15);

/// The connections of a client.
pub(crate) struct Transport {
    pool: Pool,
    next: AtomicUsize,
    message_bytes_max: usize,
}

pub(crate) enum Pool {
    /// To one place, or through one service.
    Fixed(Vec<GrpcService>),
    /// To all addresses of a name.
    Named(Arc<Named>),
}

impl Transport {
    pub(crate) fn new(pool: Pool, message_bytes_max: usize) -> Self {
        Self { pool, next: AtomicUsize::new(0), message_bytes_max }
    }

    /// The connection whose turn it is: calls go to all of them in turn.
    pub(crate) async fn connection(&self) -> Result<Connection> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let service = match &self.pool {
            Pool::Fixed(services) => services[turn % services.len()].clone(),
            Pool::Named(named) => named.service(turn).await?,
        };
        Ok(Connection { service, message_bytes_max: self.message_bytes_max })
    }
}

/// One connection, for one call.
pub(crate) struct Connection {
    service: GrpcService,
    message_bytes_max: usize,
}

impl Connection {
    pub(crate) fn key_value(self) -> KeyValueServiceClient<GrpcService> {
        KeyValueServiceClient::new(self.service)
            .max_decoding_message_size(self.message_bytes_max)
            .max_encoding_message_size(usize::MAX)
    }

    pub(crate) fn stores(self) -> StoreServiceClient<GrpcService> {
        StoreServiceClient::new(self.service).max_decoding_message_size(self.message_bytes_max)
    }

    pub(crate) fn health(self) -> HealthClient<GrpcService> {
        HealthClient::new(self.service)
    }
}

/// Connections to all addresses of a name, such as those of a headless service.
pub(crate) struct Named {
    host: String,
    port: u16,
    connections: usize,
    connect: Box<dyn Fn(SocketAddr) -> Result<Endpoint> + Send + Sync>,
    wrap: Wrap,
    known: RwLock<Known>,
    /// Held by whoever asks for the addresses.
    asking: tokio::sync::Mutex<()>,
    refreshing: AtomicBool,
    /// What the last attempt failed with, if it did.
    failure: Mutex<Option<String>>,
}

#[derive(Default)]
struct Known {
    services: Vec<GrpcService>,
    by_address: BTreeMap<SocketAddr, Vec<GrpcService>>,
    at: Option<Instant>,
}

impl Named {
    pub(crate) fn new(
        host: String,
        port: u16,
        connections: usize,
        connect: Box<dyn Fn(SocketAddr) -> Result<Endpoint> + Send + Sync>,
        wrap: Wrap,
    ) -> Self {
        Self {
            host,
            port,
            connections,
            connect,
            wrap,
            known: RwLock::default(),
            asking: tokio::sync::Mutex::default(),
            refreshing: AtomicBool::new(false),
            failure: Mutex::default(),
        }
    }

    async fn service(self: &Arc<Self>, turn: usize) -> Result<GrpcService> {
        if let Some((service, fresh)) = self.known(turn) {
            // nobody waits for new addresses as long as there are old ones
            if !fresh && !self.refreshing.swap(true, Ordering::AcqRel) {
                let named = Arc::clone(self);
                tokio::spawn(async move {
                    named.refresh().await;
                    named.refreshing.store(false, Ordering::Release);
                });
            }
            return Ok(service);
        }
        let asking = self.asking.lock().await;
        if self.known(turn).is_none() {
            self.refresh().await;
        }
        drop(asking);
        self.known(turn).map(|(service, _)| service).ok_or_else(|| {
            let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let why = failure.unwrap_or_else(|| "it has no address".to_owned());
            let message = format!("looking for {}: {why}", self.host);
            Error::new(ErrorKind::Unavailable, Code::Unavailable, message)
        })
    }

    /// The service whose turn it is, and whether its address is known to be current.
    fn known(&self, turn: usize) -> Option<(GrpcService, bool)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let service = known.services.get(turn % known.services.len().max(1))?.clone();
        let fresh = known.at.is_some_and(|at| at.elapsed() < ADDRESSES_AGE_MAX);
        Some((service, fresh))
    }

    /// Asks for the addresses. If that fails, the old ones stay.
    async fn refresh(&self) {
        let failure = match tokio::net::lookup_host((self.host.as_str(), self.port)).await {
            Ok(addresses) => self.take(addresses.collect()).err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    fn take(&self, addresses: Vec<SocketAddr>) -> Result<()> {
        if addresses.is_empty() {
            return Ok(());
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut known.by_address);
        for address in addresses {
            let services = if let Some(services) = old.remove(&address) {
                services
            } else {
                let endpoint = (self.connect)(address)?;
                (0..self.connections).map(|_| connection(&endpoint, &self.wrap)).collect()
            };
            known.by_address.insert(address, services);
        }
        // address by address, so that turns go round them
        let connections = 0..self.connections;
        let in_turn = connections.flat_map(|n| known.by_address.values().map(move |all| &all[n]));
        let services = in_turn.cloned().collect();
        known.services = services;
        known.at = Some(Instant::now());
        Ok(())
    }
}

/// A connection that is made at its first call, and again when it breaks.
pub(crate) fn connection(endpoint: &Endpoint, wrap: &Wrap) -> GrpcService {
    let channel = endpoint.connect_lazy();
    wrap(boxed(channel))
}

/// Any service as one type.
pub(crate) fn boxed<S, B>(service: S) -> GrpcService
where
    S: tower::Service<http::Request<Body>, Response = http::Response<B>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    use tower::ServiceExt as _;

    let service = service
        .map_err(|error: S::Error| Status::from_error(error.into()))
        .map_response(|response: http::Response<B>| response.map(Body::new));
    BoxCloneSyncService::new(service)
}
