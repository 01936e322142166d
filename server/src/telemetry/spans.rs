//! Spans, sent to a collector by OTLP: one for a call, one below it for each operation of a
//! store's backend.
//!
//! They are made with OpenTelemetry itself and not from the spans of the logs:
//! `decisions/0021-spans.md` says why. They name methods and stores; keys, collections,
//! values and credentials never get here.

use std::time::Duration;

use anyhow::Context as _;
use http::HeaderMap;
use kvgate_core::Operation;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{
    SpanKind, Status as SpanStatus, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use tokio::runtime::Runtime;
use tonic::Code;

use super::collector::COLLECTOR_TIMEOUT;
use super::{CODES, collector};
use crate::config::Tracing;
use crate::layers::Method;

/// Spans that wait to be sent: about a second of a busy server's. More are dropped, as a
/// slow collector must not slow calls or fill the memory.
const WAITING_SPANS_MAX: usize = 16_384;

/// Spans of one message to the collector.
const SENT_SPANS_MAX: usize = 512;

/// How long spans wait for more of them.
const SEND_INTERVAL: Duration = Duration::from_secs(1);

/// Makes spans and sends them.
pub(crate) struct Spans {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
    propagator: TraceContextPropagator,
    /// What sends: beside the runtimes that serve calls.
    _runtime: Runtime,
}

impl Spans {
    /// Begins to send; a collector that does not answer is tried again.
    pub(crate) fn open(settings: &Tracing) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("kvgate-spans")
            .enable_all()
            .build()?;
        let to = settings.collector();
        let entered = runtime.enter();
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_channel(collector::channel(&to)?)
            .with_metadata(collector::headers(&to)?)
            .build()
            .context("server.tracing")?;
        drop(entered);
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING_SPANS_MAX)
            .with_max_export_batch_size(SENT_SPANS_MAX)
            .with_scheduled_delay(SEND_INTERVAL)
            .build();
        let resource = Resource::builder()
            .with_service_name(settings.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        // a caller that has decided is followed, so that traces are whole
        let own = Sampler::TraceIdRatioBased(settings.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(
                BatchSpanProcessor::builder(exporter).with_batch_config(batches).build(),
            )
            .with_sampler(Sampler::ParentBased(Box::new(own)))
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("kvgate");
        let propagator = TraceContextPropagator::new();
        Ok(Self { tracer, provider, propagator, _runtime: runtime })
    }

    /// Begins the span of a call, below the caller's if it sends `traceparent`. Nothing
    /// if the call is not sampled.
    pub(crate) fn call(&self, method: Method, headers: &HeaderMap) -> Option<Context> {
        let parent = self.propagator.extract_with_context(&Context::new(), &Headers(headers));
        let span =
            self.tracer.span_builder(method.name()).with_kind(SpanKind::Server).with_attributes([
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("rpc.method", method.name()),
            ]);
        sampled(parent.with_span(self.tracer.build_with_context(span, &parent)))
    }

    /// Begins the span of an operation, if it is for a call that has one.
    pub(super) fn ask(&self, asked: &Asked<'_>) -> Option<Context> {
        let parent = sampled(Context::current())?;
        let word = asked.operation.word();
        let mut attributes = vec![
            KeyValue::new("db.system.name", asked.system),
            KeyValue::new("db.operation.name", word),
            KeyValue::new("kvgate.store", asked.store.to_owned()),
        ];
        if asked.keys > 1 {
            let keys = i64::try_from(asked.keys).unwrap_or(i64::MAX);
            attributes.push(KeyValue::new("db.operation.batch.size", keys));
        }
        let span = self
            .tracer
            .span_builder(format!("{word} {}", asked.store))
            .with_kind(SpanKind::Client)
            .with_attributes(attributes);
        sampled(parent.with_span(self.tracer.build_with_context(span, &parent)))
    }

    /// Sends what is left; it waits for the collector, so not for long.
    pub(crate) fn finish(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(COLLECTOR_TIMEOUT) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// What a backend is asked.
pub(super) struct Asked<'a> {
    pub(super) store: &'a str,
    pub(super) system: &'static str,
    pub(super) operation: Operation,
    pub(super) keys: usize,
}

/// Ends the span of a call.
pub(crate) fn end_call(span: &Context, store: &str, code: Code) {
    let span = span.span();
    let word = CODES[code as usize];
    if !store.is_empty() {
        span.set_attribute(KeyValue::new("kvgate.store", store.to_owned()));
    }
    span.set_attribute(KeyValue::new("rpc.response.status_code", word));
    // the others are the caller's own mistakes
    let failed = matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    );
    if failed {
        span.set_attribute(KeyValue::new("error.type", word));
        span.set_status(SpanStatus::error(word));
    }
    span.end();
}

/// Ends the span of an operation; `error` is what kept it from working.
pub(super) fn end_asked(span: &Context, error: Option<&'static str>) {
    let span = span.span();
    if let Some(error) = error {
        span.set_attribute(KeyValue::new("error.type", error));
        // the error's text may have a key in it
        span.set_status(SpanStatus::error(error));
    }
    span.end();
}

/// The trace of a call, for its line in the log.
pub(crate) fn trace_id(span: &Context) -> String {
    span.span().span_context().trace_id().to_string()
}

fn sampled(span: Context) -> Option<Context> {
    let is_sampled = span.span().span_context().is_sampled();
    is_sampled.then_some(span)
}

/// A call's headers, to look for `traceparent` and `tracestate` in.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
