//! One connection, from its handshake to its end.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::Service;

use super::linger::Linger;
use super::listener::{Origin, Socket, Stream};
use super::pings::PingLimit;
use super::{Peer, Stop};
use crate::config::Connections;
use crate::identity::Authentication;
use crate::layers::{Activity, OfConnection, Stack, Web};
use crate::tls::Tls;

/// What connections of one runtime are served with.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) stack: Stack,
    pub(super) http2: http2::Builder<TokioExecutor>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) authentication: Option<Arc<Authentication>>,
    /// How long connections last.
    pub(super) connections: Connections,
    /// The origins whose pages may call, if browsers may.
    pub(super) web: Option<Arc<[HeaderValue]>>,
    pub(super) stop: Stop,
    /// How many connections are open.
    pub(super) open: Arc<AtomicUsize>,
}

impl Serving {
    /// Serves one connection to its end.
    pub(super) async fn serve(self, socket: Socket) {
        let _open = Open::new(&self.open);
        let origin = socket.origin();
        match socket.into_tokio() {
            Ok(Stream::Tcp(stream)) => match self.tls.clone() {
                None => self.speak(stream, origin, None).await,
                Some(tls) => self.encrypt(&tls, stream, origin).await,
            },
            #[cfg(unix)]
            Ok(Stream::Unix(stream)) => self.speak(stream, origin, None).await,
            Err(error) => tracing::debug!(%error, "a connection ended before it was served"),
        }
    }

    async fn encrypt(self, tls: &Tls, stream: TcpStream, origin: Origin) {
        let agreed = tokio::select! {
            agreed = tls.accept(stream) => agreed,
            () = self.stop.gently.cancelled() => return,
        };
        match agreed {
            Ok(stream) => {
                let certificates = stream.get_ref().1.peer_certificates();
                let own = certificates.and_then(<[_]>::first).map(|own| own.to_vec());
                self.speak(stream, origin, own).await;
            }
            // probes of ports and balancers come and go
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                tracing::debug!(%origin, "a connection ended within its TLS handshake");
            }
            Err(error) => crate::audit::handshake_failed(origin, &error),
        }
    }

    /// Speaks HTTP/2 until either side has enough. `certificate` is what the caller has
    /// shown.
    async fn speak(
        self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        origin: Origin,
        certificate: Option<Vec<u8>>,
    ) {
        let peer = self.authentication.as_ref().map(|authentication| {
            let identity = certificate.and_then(|own| authentication.of_certificate(&own));
            Peer { origin, identity }
        });
        let activity = Activity::new();
        match self.web.clone() {
            None => {
                let service = OfConnection::new(self.stack.clone(), peer, Arc::clone(&activity));
                self.serve_calls(io, service, &activity).await;
            }
            Some(origins) => {
                let web = Web::new(self.stack.clone(), origins);
                let service = OfConnection::new(web, peer, Arc::clone(&activity));
                self.serve_calls(io, service, &activity).await;
            }
        }
    }

    async fn serve_calls<S, B>(
        self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        service: S,
        activity: &Activity,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let service = TowerToHyperService::new(service);
        let io = PingLimit::new(io, self.connections.ping_interval_min);
        let io = TokioIo::new(Linger::new(io));
        let mut connection = pin!(self.http2.serve_connection(io, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.gently.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            why = worn_out(&self.connections, activity) => {
                tracing::debug!(why, "a connection is ended");
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = tokio::time::sleep(self.connections.age_grace) => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            // callers come and go; what went wrong with a call is logged there
            tracing::debug!(%error, "a connection broke");
        }
    }
}

/// Waits until a connection has lasted long enough, and says why.
async fn worn_out(limits: &Connections, activity: &Activity) -> &'static str {
    // all that came at once must not go at once
    let age = limits.age_max.map(|age| age.mul_f64(rand::random_range(0.9..1.1)));
    let end = age.map(|age| Instant::now() + age);
    loop {
        let idle_for = limits.idle_max.saturating_sub(activity.idle());
        if idle_for.is_zero() {
            return "it has no calls";
        }
        let idle_at = Instant::now() + idle_for;
        match end {
            Some(end) if end <= idle_at => {
                tokio::time::sleep_until(end).await;
                return "it is old";
            }
            _ => tokio::time::sleep_until(idle_at).await,
        }
    }
}

/// One open connection; dropping it ends it.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
