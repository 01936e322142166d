//! The bound on calls in flight.

use std::convert::Infallible;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Request, Response};
use kvgate_proto::v1::ErrorReason;
use pin_project_lite::pin_project;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::guarded::Guarded;
use super::is_health_check;
use crate::service::status::Fault;

/// How many calls are in flight, of all connections, and how many may be.
pub(crate) struct Load {
    in_flight: AtomicUsize,
    max: usize,
    /// What a call too many is answered: always the same, so it is written only once.
    refusal: HeaderMap,
}

impl Load {
    pub(crate) fn new(max: usize) -> Self {
        let refusal = Status::from(too_many_calls(max)).into_http::<()>().into_parts().0.headers;
        Self { in_flight: AtomicUsize::new(0), max, refusal }
    }

    /// Calls whose answer has not been sent to its end.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn enter(self: &Arc<Self>) -> Option<InFlight> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let entered = InFlight(Arc::clone(self));
        (before < self.max).then_some(entered)
    }
}

/// One call in flight; dropping it ends it.
pub(crate) struct InFlight(Arc<Load>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Clone)]
pub(super) struct LoadLayer(Arc<Load>);

impl LoadLayer {
    pub(super) fn new(load: Arc<Load>) -> Self {
        Self(load)
    }
}

impl<S> Layer<S> for LoadLayer {
    type Service = LoadLimit<S>;

    fn layer(&self, inner: S) -> LoadLimit<S> {
        LoadLimit { inner, load: Arc::clone(&self.0) }
    }
}

/// Refuses calls over the bound at once: a queue would only make all of them late.
#[derive(Clone)]
pub(crate) struct LoadLimit<S> {
    inner: S,
    load: Arc<Load>,
}

impl<S, R, B> Service<Request<R>> for LoadLimit<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible>,
    B: Default,
{
    type Response = Response<Guarded<B, Option<InFlight>>>;
    type Error = Infallible;
    type Future = LoadFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let counted = !is_health_check(&request);
        match counted.then(|| self.load.enter()) {
            Some(None) => LoadFuture::Refused { headers: self.load.refusal.clone() },
            entered => {
                LoadFuture::Entered { call: self.inner.call(request), in_flight: entered.flatten() }
            }
        }
    }
}

pin_project! {
    #[project = LoadFutureProjection]
    pub(crate) enum LoadFuture<F> {
        Entered { #[pin] call: F, in_flight: Option<InFlight> },
        Refused { headers: HeaderMap },
    }
}

impl<F, B> Future for LoadFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Default,
{
    type Output = Result<Response<Guarded<B, Option<InFlight>>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            LoadFutureProjection::Entered { call, in_flight } => {
                let Ok(response) = ready!(call.poll(cx));
                let in_flight = in_flight.take();
                Poll::Ready(Ok(response.map(|body| Guarded::new(body, in_flight))))
            }
            LoadFutureProjection::Refused { headers } => {
                let mut response = Response::new(Guarded::new(B::default(), None));
                *response.headers_mut() = mem::take(headers);
                Poll::Ready(Ok(response))
            }
        }
    }
}

fn too_many_calls(max: usize) -> Fault {
    let message = format!(
        "the server has {max} calls in flight, its limit (concurrent_calls_max): try again later"
    );
    Fault::new(Code::ResourceExhausted, ErrorReason::TooManyCalls, message)
        .with_limit("concurrent_calls_max", max)
        .retry()
}
