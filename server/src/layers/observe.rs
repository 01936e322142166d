//! Traces and counts calls.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Span;

use crate::router::METHODS;

/// Every gRPC code, in order.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Seconds; they resolve 100 µs, where a call to a store in memory or on the same
/// machine lies.
const BUCKETS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_15, 0.000_2, 0.000_3, 0.000_5, 0.000_75, 0.001, 0.002_5, 0.005, 0.01,
    0.05, 0.1, 0.5, 1.0, 10.0,
];

/// Where a method stands in [`METHODS`]; one past the end for any other path, so
/// that no caller can make up a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Method(usize);

impl Method {
    pub(crate) fn of(path: &str) -> Self {
        Self(METHODS.iter().position(|method| *method == path).unwrap_or(METHODS.len()))
    }

    pub(crate) fn name(self) -> &'static str {
        METHODS.get(self.0).map_or("other", |path| path.trim_start_matches('/'))
    }
}

/// Counters and latencies of calls, with every label looked up beforehand.
pub(crate) struct CallMetrics {
    methods: Vec<MethodMetrics>,
}

struct MethodMetrics {
    seconds: Histogram,
    codes: Vec<IntCounter>,
}

impl CallMetrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let calls = IntCounterVec::new(
            Opts::new("kvgate_calls_total", "gRPC calls that have ended"),
            &["method", "code"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new("kvgate_call_duration_seconds", "from a call's headers to its end")
                .buckets(BUCKETS.to_vec()),
            &["method"],
        )?;
        registry.register(Box::new(calls.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        let methods = (0..=METHODS.len()).map(|index| {
            let name = Method(index).name();
            MethodMetrics {
                seconds: seconds.with_label_values(&[name]),
                codes: CODES.iter().map(|code| calls.with_label_values(&[name, *code])).collect(),
            }
        });
        Ok(Self { methods: methods.collect() })
    }
}

#[derive(Clone)]
pub(super) struct ObserveLayer(Arc<CallMetrics>);

impl ObserveLayer {
    pub(super) fn new(metrics: Arc<CallMetrics>) -> Self {
        Self(metrics)
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, metrics: Arc::clone(&self.0) }
    }
}

/// Opens a span for each call, and counts the call when it has ended.
#[derive(Clone)]
pub(crate) struct Observe<S> {
    inner: S,
    metrics: Arc<CallMetrics>,
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
        let span = tracing::debug_span!("call", rpc.system = "grpc", rpc.method = method.name());
        let ending = Ending {
            metrics: Arc::clone(&self.metrics),
            method,
            begun: Instant::now(),
            // a body that is dropped before its end was cancelled by the caller
            code: Code::Cancelled,
            span,
        };
        let call = ending.span.in_scope(|| self.inner.call(request));
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
        let entered = this.ending.as_ref().map(|ending| ending.span.enter());
        let Ok(response) = ready!(this.call.poll(cx));
        drop(entered);
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
        let entered = this.ending.as_ref().map(|ending| ending.span.enter());
        let frame = ready!(this.body.poll_frame(cx));
        drop(entered);
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
    span: Span,
}

impl Ending {
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
        let method = &self.metrics.methods[self.method.0];
        let took = self.begun.elapsed();
        method.seconds.observe(took.as_secs_f64());
        method.codes[self.code as usize].inc();
        let code = CODES[self.code as usize];
        tracing::debug!(parent: &self.span, rpc.response.status_code = code, ?took, "call ended");
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

    #[test]
    fn codes_stand_in_their_order() {
        for (index, name) in CODES.iter().enumerate() {
            let code = Code::from(i32::try_from(index).expect("a few"));
            assert_eq!(format!("{code:?}").to_uppercase(), name.replace('_', ""));
        }
    }
}
