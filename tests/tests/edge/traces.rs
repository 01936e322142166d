//! Traces: from the caller's span to the one of what the store did.

use kvgate_proto::v1::{GetManyRequest, PutRequest};
use kvgate_tests::client::Client;
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::ports;
use kvgate_tests::server::Server;
use kvgate_tests::wait::until;
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::Request;

use crate::collector::{Collector, attribute};
use crate::secure::STORE;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// What must not be in any span.
const SECRETS: [&str; 4] = ["the-key", "the-collection", "the-value", "the-token"];

async fn start(folder: &Folder, endpoint: &str, more: &str) -> Outcome<Server> {
    let tracing = format!("[server.tracing]\nendpoint = \"http://{endpoint}\"\n{more}\n");
    folder.start(&format!("{tracing}{STORE}")).await
}

/// A call as a caller makes it that is part of a trace.
fn traced<T>(message: T, flags: &str) -> Outcome<Request<T>> {
    let mut request = Request::new(message);
    let parent = format!("00-{TRACE}-{CALLER}-{flags}").parse()?;
    request.metadata_mut().insert("traceparent", parent);
    request.metadata_mut().insert("authorization", "Bearer the-token".parse()?);
    Ok(request)
}

fn put() -> PutRequest {
    PutRequest {
        store: "main".to_owned(),
        collection: "the-collection".to_owned(),
        key: "the-key".to_owned(),
        value: "{\"a\":\"the-value\"}".into(),
        ttl: None,
    }
}

fn get_many() -> GetManyRequest {
    let keys = ["the-key", "the-key-2"].map(str::to_owned).to_vec();
    GetManyRequest { store: String::new(), collection: "the-collection".to_owned(), keys }
}

fn named<'a>(spans: &'a [Span], name: &str) -> Outcome<&'a Span> {
    let named = spans.iter().find(|span| span.name == name);
    named.ok_or_else(|| Failure::new(format!("no span {name} in {spans:?}")))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // a string takes everything
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_caller_to_the_store() -> Outcome {
    let (collector, address) = Collector::start().await?;
    let folder = Folder::new()?;
    let server = start(&folder, &address.to_string(), "headers = { x-api-key = \"k-1\" }").await?;
    let client = server.client().await?;
    client.key_value().put(traced(put(), "01")?).await?;
    client.key_value().get_many(traced(get_many(), "01")?).await?;
    let spans = until("four spans have come", async || {
        let spans = collector.spans();
        Ok((spans.len() >= 4).then_some(spans))
    })
    .await?;
    for (call, work) in [("Put", "put main"), ("GetMany", "get main")] {
        let method = format!("keyvalue.v1.KeyValueService/{call}");
        let (served, asked) = (named(&spans, &method)?, named(&spans, work)?);
        expect_equal("the trace", hex(&served.trace_id), TRACE.to_owned())?;
        expect_equal("the parent", hex(&served.parent_span_id), CALLER.to_owned())?;
        expect_equal("the kind, a server's", served.kind, 2)?;
        expect_equal("the trace of the work", &asked.trace_id, &served.trace_id)?;
        expect_equal("the parent of the work", &asked.parent_span_id, &served.span_id)?;
        expect_equal("the kind, a client's", asked.kind, 3)?;
        expect_equal("method", attribute(served, "rpc.method"), Some(method.as_str()))?;
        expect_equal("code", attribute(served, "rpc.response.status_code"), Some("OK"))?;
        expect_equal("store", attribute(served, "kvgate.store"), Some("main"))?;
        expect_equal("system", attribute(asked, "db.system.name"), Some("memory"))?;
    }
    let all = format!("{spans:?}");
    for secret in SECRETS {
        expect(!all.contains(secret), format!("{secret} is in the spans: {all}"))?;
    }
    expect(collector.keys().iter().all(|key| key == "k-1"), "the header did not come")?;
    expect(!server.log().contains("k-1"), "the header's secret is in the log")
}

/// A caller decides for its trace; else the share that is configured does.
#[tokio::test(flavor = "multi_thread")]
async fn sampling() -> Outcome {
    let (collector, address) = Collector::start().await?;
    let folder = Folder::new()?;
    let server = start(&folder, &address.to_string(), "sample_ratio = 0.0").await?;
    let client = server.client().await?;
    client.key_value().put(put()).await?;
    client.key_value().put(traced(put(), "00")?).await?;
    client.key_value().get_many(traced(get_many(), "01")?).await?;
    // what has not been sent is sent when the server stops
    server.terminate().await?;
    let mut names: Vec<String> = collector.spans().into_iter().map(|span| span.name).collect();
    names.sort_unstable();
    expect_equal(
        "the spans",
        names,
        vec!["get main".to_owned(), "keyvalue.v1.KeyValueService/GetMany".to_owned()],
    )
}

/// Refused calls have spans too, and what can't be read is no parent.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails() -> Outcome {
    let (collector, address) = Collector::start().await?;
    let folder = Folder::new()?;
    let server = start(&folder, &address.to_string(), "").await?;
    let client = server.client().await?;
    let mut request = Request::new(PutRequest { store: "none".to_owned(), ..put() });
    request.metadata_mut().insert("traceparent", "00-zz-zz-01".parse()?);
    let refused = client.key_value().put(request).await;
    expect(refused.is_err(), "there is no such store")?;
    server.terminate().await?;
    let spans = collector.spans();
    let span = named(&spans, "keyvalue.v1.KeyValueService/Put")?;
    expect_equal("code", attribute(span, "rpc.response.status_code"), Some("NOT_FOUND"))?;
    expect_equal("the parent", hex(&span.parent_span_id), String::new())?;
    expect_equal("how many spans", spans.len(), 1)
}

/// A collector that is down is no reason not to serve.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector() -> Outcome {
    let folder = Folder::new()?;
    let server = start(&folder, &format!("127.0.0.1:{}", ports::free()?), "").await?;
    let client: Client = server.client().await?;
    let here = client.collection("", "c");
    for _ in 0..100 {
        here.put("key", "{}").await?;
    }
    until("the log says so", async || Ok(server.log().contains("opentelemetry").then_some(())))
        .await?;
    here.put("key", "{}").await?;
    server.terminate().await
}
