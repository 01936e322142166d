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
    /// `concurrent_calls_max`, or fewer for now: [`pressure`](super::pressure) says when.
    bound: AtomicUsize,
    max: usize,
    ended: AtomicUsize,
    refused: AtomicUsize,
    /// What a call too many is answered: always the same, so it is written only once.
    refusal: HeaderMap,
}

impl Load {
    pub(crate) fn new(max: usize) -> Self {
        let refusal = Status::from(too_many_calls(max)).into_http::<()>().into_parts().0.headers;
        let zero = AtomicUsize::default;
        Self {
            in_flight: zero(),
            bound: AtomicUsize::new(max),
            max,
            ended: zero(),
            refused: zero(),
            refusal,
        }
    }

    /// Calls whose answer has not been sent to its end.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The most calls that may ever be in flight.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// The most calls that may be in flight now.
    pub(crate) fn bound(&self) -> usize {
        self.bound.load(Ordering::Relaxed)
    }

    pub(super) fn set_bound(&self, bound: usize) {
        self.bound.store(bound, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let of = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        Counts { ended: of(&self.ended), refused: of(&self.refused) }
    }

    fn enter(self: &Arc<Self>) -> Option<InFlight> {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) < self.bound() {
            return Some(InFlight(Arc::clone(self)));
        }
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.refused.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// Calls since the server began.
pub(super) struct Counts {
    /// Those that were accepted and have ended.
    pub(super) ended: usize,
    pub(super) refused: usize,
}

/// One call in flight; dropping it ends it.
pub(crate) struct InFlight(Arc<Load>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.ended.fetch_add(1, Ordering::Relaxed);
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
        "the server has as many calls in flight as it takes, {max} at most \
         (concurrent_calls_max): try again later"
    );
    Fault::new(Code::ResourceExhausted, ErrorReason::TooManyCalls, message)
        .with_limit("concurrent_calls_max", max)
        .retry()
}
