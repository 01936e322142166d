//! Traces and counts calls.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use opentelemetry::{Context as TraceContext, ContextGuard};
use pin_project_lite::pin_project;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Span;
use tracing::span::Entered;

use crate::router::METHODS;
use crate::telemetry::{CODES, CallMetrics, Spans, end_call, noted_store, trace_id};

/// Where a method stands in [`METHODS`]; one past the end for any other path, so
/// that no caller can make up a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Method(usize);

impl Method {
    pub(crate) fn of(path: &str) -> Self {
        Self(METHODS.iter().position(|method| *method == path).unwrap_or(METHODS.len()))
    }

    /// How many there are.
    pub(crate) const COUNT: usize = METHODS.len() + 1;

    /// Where it stands among them.
    pub(crate) fn place(self) -> usize {
        self.0
    }

    pub(crate) fn name(self) -> &'static str {
        METHODS.get(self.0).map_or("other", |path| path.trim_start_matches('/'))
    }
}

#[derive(Clone)]
pub(super) struct ObserveLayer {
    metrics: Arc<CallMetrics>,
    spans: Option<Arc<Spans>>,
}

impl ObserveLayer {
    pub(super) fn new(metrics: Arc<CallMetrics>, spans: Option<Arc<Spans>>) -> Self {
        Self { metrics, spans }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, metrics: Arc::clone(&self.metrics), spans: self.spans.clone() }
    }
}

/// Opens a span for each call, and counts the call when it has ended.
#[derive(Clone)]
pub(crate) struct Observe<S> {
    inner: S,
    metrics: Arc<CallMetrics>,
    spans: Option<Arc<Spans>>,
}

impl<S, R, B> Service<Request<R>> for Observe<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<ObservedBody<B>>;
    type Error = Infallible;
    type Future = ObserveFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let method = Method::of(request.uri().path());
        let span = self.spans.as_ref().and_then(|spans| spans.call(method, request.headers()));
        let log_span =
            tracing::debug_span!("call", rpc.system = "grpc", rpc.method = method.name());
        self.metrics.begun(method);
        let ending = Ending {
            metrics: Arc::clone(&self.metrics),
            method,
            begun: Instant::now(),
            // a body that is dropped before its end was cancelled by the caller
            code: Code::Cancelled,
            store: None,
            log_span,
            span,
        };
        let entered = ending.enter();
        let call = self.inner.call(request);
        drop(entered);
        ObserveFuture { call, ending: Some(ending) }
    }
}

pin_project! {
    pub(crate) struct ObserveFuture<F> {
        #[pin]
        call: F,
        ending: Option<Ending>,
    }
}

impl<F, B> Future for ObserveFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<ObservedBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let entered = this.ending.as_ref().map(Ending::enter);
        let polled = this.call.poll(cx);
        drop(entered);
        if let Some(ending) = this.ending.as_mut() {
            ending.learn_store();
        }
        let Ok(response) = ready!(polled);
        let mut ending = this.ending.take();
        if let Some(ending) = &mut ending {
            ending.see(response.headers());
        }
        Poll::Ready(Ok(response.map(|body| ObservedBody { body, ending })))
    }
}

pin_project! {
    /// A body whose end is the call's end.
    pub(crate) struct ObservedBody<B> {
        #[pin]
        body: B,
        ending: Option<Ending>,
    }
}

impl<B: Body> Body for ObservedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let entered = this.ending.as_ref().map(Ending::enter);
        let polled = this.body.poll_frame(cx);
        drop(entered);
        if let Some(ending) = this.ending.as_mut() {
            ending.learn_store();
        }
        let frame = ready!(polled);
        if let Some(Ok(frame)) = &frame
            && let (Some(trailers), Some(ending)) = (frame.trailers_ref(), this.ending.as_mut())
        {
            ending.see(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What is to be recorded when a call ends. It is recorded when this is dropped:
/// that is sure to happen, however the call ends.
struct Ending {
    metrics: Arc<CallMetrics>,
    method: Method,
    begun: Instant,
    code: Code,
    /// The store of the call, once the service has read which it is.
    store: Option<usize>,
    log_span: Span,
    /// The span that a collector gets, if the call is sampled.
    span: Option<TraceContext>,
}

impl Ending {
    /// Makes what follows part of the call, until both are dropped.
    fn enter(&self) -> (Entered<'_>, Option<ContextGuard>) {
        (self.log_span.enter(), self.span.clone().map(TraceContext::attach))
    }

    /// Takes the store that the service has noted while it was polled.
    fn learn_store(&mut self) {
        if let Some(store) = noted_store() {
            self.store = Some(store);
        }
    }

    /// Takes the status from headers or trailers that have one. The server's own
    /// failures are logged here, once, with the message that the caller gets.
    fn see(&mut self, headers: &HeaderMap) {
        let Some(code) = headers.get(Status::GRPC_STATUS) else {
            return;
        };
        self.code = Code::from_bytes(code.as_bytes());
        if matches!(self.code, Code::Internal | Code::Unavailable | Code::DataLoss | Code::Unknown)
            && let Some(status) = Status::from_header_map(headers)
        {
            let (method, code) = (self.method.name(), CODES[self.code as usize]);
            tracing::warn!(rpc.method = method, code, "{}", status.message());
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        self.metrics.ended(self.method, self.store, self.code, took);
        let store = self.metrics.store(self.store);
        if let Some(span) = &self.span {
            end_call(span, store, self.code);
        }
        let code = CODES[self.code as usize];
        let trace_id = self.span.as_ref().map(trace_id);
        tracing::debug!(
            parent: &self.log_span,
            rpc.response.status_code = code, store, ?took, trace_id, "call ended"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_paths_make_no_labels() {
        assert_eq!(
            Method::of("/keyvalue.v1.KeyValueService/Get").name(),
            "keyvalue.v1.KeyValueService/Get"
        );
        assert_eq!(Method::of("/keyvalue.v1.KeyValueService/Got").name(), "other");
        assert_eq!(Method::of("").name(), "other");
    }
}
