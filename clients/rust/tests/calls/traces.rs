//! The trace that a call belongs to.

#![cfg(feature = "opentelemetry")]

use kvgate_client::Client;
use kvgate_tests::failure::{Outcome, expect_equal};
use opentelemetry::Context;
use opentelemetry::trace::{
    FutureExt, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use serde_json::Value;

use crate::stub::Stub;

#[tokio::test]
async fn the_current_span_is_passed_on() -> Outcome {
    let stub = Stub::start([]).await?;
    let here = Client::new(stub.url())?.collection("");
    let state = TraceState::from_key_value([("vendor", "1")])?;
    let span = SpanContext::new(
        TraceId::from_hex("0af7651916cd43dd8448eb211c80319c")?,
        SpanId::from_hex("b7ad6b7169203331")?,
        TraceFlags::SAMPLED,
        false,
        state,
    );
    let context = Context::new().with_remote_span_context(span);
    here.get::<Value>("key").with_context(context).await?;
    here.get::<Value>("key").await?;
    let found: Vec<_> = stub
        .calls()
        .iter()
        .map(|call| {
            let text = |name| Some(call.get(name)?.to_str().ok()?.to_owned());
            (text("traceparent"), text("tracestate"))
        })
        .collect();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
    let expected = [(Some(parent), Some("vendor=1".to_owned())), (None, None)];
    expect_equal("traceparent and tracestate", found, expected)
}
