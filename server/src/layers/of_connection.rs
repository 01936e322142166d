//! What the calls of one connection share.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::Service;

use super::guarded::Guarded;
use crate::server::Peer;

/// Tells the calls of one connection whose they are, if anybody asks, and the connection
/// that it has calls. It is no layer of the column: that is one for all connections of a
/// runtime.
#[derive(Clone)]
pub(crate) struct OfConnection<S> {
    inner: S,
    peer: Option<Arc<Peer>>,
    activity: Arc<Activity>,
}

impl<S> OfConnection<S> {
    /// Without a peer, calls are not told whose they are.
    pub(crate) fn new(inner: S, peer: Option<Peer>, activity: Arc<Activity>) -> Self {
        Self { inner, peer: peer.map(Arc::new), activity }
    }
}

impl<S, R, B> Service<Request<R>> for OfConnection<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<Guarded<B, Option<Busy>>>;
    type Error = Infallible;
    type Future = OfConnectionFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Request<R>) -> Self::Future {
        if let Some(peer) = &self.peer {
            call.extensions_mut().insert(Arc::clone(peer));
        }
        OfConnectionFuture { call: self.inner.call(call), busy: Some(self.activity.begin()) }
    }
}

pin_project! {
    pub(crate) struct OfConnectionFuture<F> {
        #[pin]
        call: F,
        busy: Option<Busy>,
    }
}

impl<F, B> Future for OfConnectionFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Guarded<B, Option<Busy>>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.call.poll(cx));
        let busy = this.busy.take();
        Poll::Ready(Ok(response.map(|body| Guarded::new(body, busy))))
    }
}

/// Whether a connection has calls, and since when it has none. One thread serves a
/// connection: nobody contends for this.
pub(crate) struct Activity {
    begun: Instant,
    calls: AtomicUsize,
    /// When the last call ended, in milliseconds since the connection began.
    idle_since_ms: AtomicU64,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        let (calls, idle_since_ms) = (AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Self { begun: Instant::now(), calls, idle_since_ms })
    }

    /// How long there has been no call.
    pub(crate) fn idle(&self) -> Duration {
        if self.calls.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        let since = Duration::from_millis(self.idle_since_ms.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(since)
    }

    fn begin(self: &Arc<Self>) -> Busy {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }
}

/// One call of a connection; dropping it ends it.
pub(crate) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        let since = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.idle_since_ms.store(since, Ordering::Relaxed);
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}
