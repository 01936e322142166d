//! One connection, from its handshake to its end.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::listener::{Origin, Socket, Stream};
use super::{Peer, Stop};
use crate::identity::Authentication;
use crate::layers::{FromPeer, Stack};
use crate::tls::Tls;

/// What connections of one runtime are served with.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) stack: Stack,
    pub(super) http2: http2::Builder<TokioExecutor>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) authentication: Option<Arc<Authentication>>,
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
        let service = TowerToHyperService::new(FromPeer::new(self.stack, peer));
        let mut connection = pin!(self.http2.serve_connection(TokioIo::new(io), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.gently.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // callers come and go; what went wrong with a call is logged there
            tracing::debug!(%error, "a connection broke");
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
