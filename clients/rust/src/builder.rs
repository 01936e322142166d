//! The options of a client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use http::Uri;
use tonic::body::Body;
use tonic::transport::{ClientTlsConfig, Endpoint};
use tower::Layer;

use crate::address::Address;
use crate::calls::{Calls, Options};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::tls::Tls;
use crate::token::Token;
use crate::transport::{BoxError, GrpcService, Named, Pool, Transport, Wrap, boxed, connection};

/// How long a call that is no stream may take, with all its tries, if nothing else is said.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How often a call is tried, the first time included, if nothing else is said.
pub const ATTEMPTS_MAX: u32 = 4;

/// The largest message taken from the server, if nothing else is said.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long one attempt to connect may take, if nothing else is said.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection with calls that is silent for so long is asked whether it lives.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// And is given up if it doesn't answer within this.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of one stream may come before it is read. Streams of small entries are half as
/// fast with HTTP/2's 64 KiB.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// The same for all streams of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// How large the pieces of a message may be; larger ones cost less.
const FRAME_BYTES_MAX: u32 = 1024 * 1024;

/// The options of a client.
///
/// ```
/// # use std::time::Duration;
/// # use kvgate_client::{Client, Tls};
/// # fn example() -> kvgate_client::Result<Client> {
/// Client::builder("https://kvgate.example")
///     .tls(Tls::new().ca_file("ca.pem"))
///     .token_file("/run/token")
///     .connections(4)
///     .timeout(Duration::from_secs(1))
///     .build()
/// # }
/// ```
#[must_use = "build makes the client"]
pub struct ClientBuilder {
    address: String,
    service: Option<GrpcService>,
    store: String,
    tls: Option<Tls>,
    token: Option<Result<Token>>,
    allow_insecure_token: bool,
    options: Options,
    connections: usize,
    connect_timeout: Duration,
    message_bytes_max: usize,
    wrap: Wrap,
}

impl ClientBuilder {
    pub(crate) fn new(address: String) -> Self {
        let options =
            Options { attempts_max: ATTEMPTS_MAX, timeout: Some(TIMEOUT), ..Options::default() };
        Self {
            address,
            service: None,
            store: String::new(),
            tls: None,
            token: None,
            allow_insecure_token: false,
            options,
            connections: 1,
            connect_timeout: CONNECT_TIMEOUT,
            message_bytes_max: MESSAGE_BYTES_MAX,
            wrap: Arc::new(|service| service),
        }
    }

    /// The store that calls use; without it the server's default store.
    pub fn store(mut self, name: impl Into<String>) -> Self {
        self.store = name.into();
        self
    }

    /// How to encrypt; needless with an `https` address unless there is more to say.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Shows this bearer token.
    pub fn token(mut self, token: impl AsRef<str>) -> Self {
        self.token = Some(Token::given(token.as_ref()));
        self
    }

    /// Shows the bearer token in this file, which is read again when it may have changed.
    pub fn token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.token = Some(Ok(Token::file(file.into())));
        self
    }

    /// Asks for the bearer token of each call, such as from an identity provider's library,
    /// which has to remember it.
    pub fn token_provider<F, Fut>(mut self, provider: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        self.token = Some(Ok(Token::Provided(Arc::new(move || provider().boxed()))));
        self
    }

    /// Sends the token even where others can read it: without TLS, beyond this machine.
    pub fn allow_insecure_token(mut self) -> Self {
        self.allow_insecure_token = true;
        self
    }

    /// How long a call may take, with all its tries; nothing: as long as it likes. Streams
    /// have none but that of [`Collection::with_timeout`](crate::Collection::with_timeout).
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.timeout = timeout.into();
        self
    }

    /// How often a call is tried, the first time included; 1: never again.
    ///
    /// A call is tried again if it is `UNAVAILABLE`, or `RESOURCE_EXHAUSTED` and the server says
    /// when to come back, after a pause that grows from 50 ms at random and is never shorter
    /// than the server asks for. Streams are tried again before their first answer, a
    /// `stream_put_many` never. A call may so have happened twice, which makes a difference
    /// to deletions alone: they say that there was nothing if the answer of the first try
    /// was lost.
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.options.attempts_max = attempts.max(1);
        self
    }

    /// How many connections to each address share the load; at least 1. One carries many
    /// calls at once: a second one helps when the first has a processor for itself.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// How long one attempt to connect may take.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The largest message taken from the server; what a value may be is the server's limit.
    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.message_bytes_max = bytes;
        self
    }

    /// Puts a tower layer around each connection; the last one given is outermost. It sees
    /// every try of a call by itself, with the token in its headers.
    ///
    /// ```
    /// # use kvgate_client::{Client, GrpcService, Result};
    /// # fn example() -> Result<Client> {
    /// // any layer does, such as those of tower-http
    /// let layer = tower::layer::layer_fn(|service: GrpcService| service);
    /// Client::builder("http://localhost:50051").layer(layer).build()
    /// # }
    /// ```
    pub fn layer<L, B>(mut self, layer: L) -> Self
    where
        L: Layer<GrpcService> + Send + Sync + 'static,
        L::Service: tower::Service<http::Request<Body>, Response = http::Response<B>>
            + Clone
            + Send
            + Sync
            + 'static,
        <L::Service as tower::Service<http::Request<Body>>>::Error: Into<BoxError>,
        <L::Service as tower::Service<http::Request<Body>>>::Future: Send + 'static,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let inner = self.wrap;
        self.wrap = Arc::new(move |service| boxed(layer.layer(inner(service))));
        self
    }

    /// Makes calls to this service instead of connecting to the address: a connection that
    /// was made in another way, or a server in the same process.
    pub fn service<S, B>(mut self, service: S) -> Self
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
        self.service = Some(boxed(service));
        self
    }

    /// Makes the client, in a Tokio runtime. It connects at its first call, and again
    /// whenever that is needed: the server need not be there yet.
    pub fn build(mut self) -> Result<Client> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::option("a client is made in a Tokio runtime, which runs it"));
        }
        let token = self.token.take().transpose()?.unwrap_or_default();
        let pool = match self.service.take() {
            Some(service) => Pool::Fixed(vec![(self.wrap)(service)]),
            None => self.pool(&token)?,
        };
        let transport = Transport::new(pool, self.message_bytes_max);
        Ok(Client::from_calls(Calls::new(transport, token, self.options), self.store.into()))
    }

    fn pool(&self, token: &Token) -> Result<Pool> {
        let (address, encrypted) = Address::parse(&self.address, self.tls.is_some())?;
        let secret = !matches!(token, Token::None);
        if secret && !encrypted && !address.is_local() && !self.allow_insecure_token {
            let message = "the token would be sent where others can read it: use https, or \
                           allow_insecure_token";
            return Err(Error::option(message));
        }
        let tls = encrypted.then(|| self.tls.clone().unwrap_or_default());
        let endpoint = match address {
            Address::Socket(socket) => Endpoint::from_shared(socket).map_err(unusable)?,
            Address::Host { uri, host } => {
                let tls = tls.map(|tls| tls.config(&host)).transpose()?;
                secured(Endpoint::from(uri), tls.as_ref())?
            }
            Address::Name { host, port } => return self.named(host, port, tls.as_ref()),
        };
        let endpoint = tuned(endpoint, self.connect_timeout)?;
        Ok(Pool::Fixed((0..self.connections).map(|_| connection(&endpoint, &self.wrap)).collect()))
    }

    fn named(&self, host: String, port: u16, tls: Option<&Tls>) -> Result<Pool> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let tls = tls.map(|tls| tls.config(&host)).transpose()?;
        let origin: Uri = format!("{scheme}://{host}:{port}").parse().map_err(unusable)?;
        let connect_timeout = self.connect_timeout;
        let connect = move |address: SocketAddr| {
            let uri: Uri = format!("{scheme}://{address}").parse().map_err(unusable)?;
            // the name is what virtual hosts and certificates are for
            let endpoint = Endpoint::from(uri).origin(origin.clone());
            tuned(secured(endpoint, tls.as_ref())?, connect_timeout)
        };
        let wrap = Arc::clone(&self.wrap);
        let named = Named::new(host, port, self.connections, Box::new(connect), wrap);
        Ok(Pool::Named(Arc::new(named)))
    }
}

fn secured(endpoint: Endpoint, tls: Option<&ClientTlsConfig>) -> Result<Endpoint> {
    match tls {
        Some(tls) => endpoint.tls_config(tls.clone()).map_err(unusable),
        None => Ok(endpoint),
    }
}

fn tuned(endpoint: Endpoint, connect_timeout: Duration) -> Result<Endpoint> {
    let endpoint = endpoint
        .connect_timeout(connect_timeout)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    endpoint.user_agent(concat!("kvgate-rust/", env!("CARGO_PKG_VERSION"))).map_err(unusable)
}

/// The options of an address or of TLS are wrong: says all causes, which have no secrets.
fn unusable(error: impl std::error::Error) -> Error {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    Error::option(message)
}
