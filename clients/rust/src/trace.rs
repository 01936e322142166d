//! Passes the current trace on, by the headers of W3C Trace Context.

use tonic::metadata::MetadataMap;

/// Adds the current span of OpenTelemetry, unless the caller has given one.
#[cfg(feature = "opentelemetry")]
pub(crate) fn inject(metadata: &mut MetadataMap) {
    use opentelemetry::Context;
    use opentelemetry::trace::TraceContextExt;

    /// The header that names the trace and the caller's span.
    const TRACEPARENT: &str = "traceparent";

    if metadata.contains_key(TRACEPARENT) {
        return;
    }
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    if !span.is_valid() {
        return;
    }
    let (trace, parent, flags) = (span.trace_id(), span.span_id(), span.trace_flags().to_u8());
    if let Ok(value) = format!("00-{trace}-{parent}-{flags:02x}").parse() {
        metadata.insert(TRACEPARENT, value);
    }
    if let Ok(state) = span.trace_state().header().parse::<tonic::metadata::AsciiMetadataValue>()
        && !state.is_empty()
    {
        metadata.insert("tracestate", state);
    }
}

/// Without OpenTelemetry there is only what the caller has given.
#[cfg(not(feature = "opentelemetry"))]
pub(crate) fn inject(_: &mut MetadataMap) {}
