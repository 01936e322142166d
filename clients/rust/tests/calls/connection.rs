//! Connections: several, to all addresses of a name, with layers, and to a server that goes and
//! comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kvgate_client::{Client, ErrorKind, GrpcService, Health};
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::wait::until;
use serde_json::{Value, json};
use tonic::body::Body;
use tower::ServiceExt;

use crate::stub::Stub;

const STORE: &str = "[stores.main]\ntype = \"memory\"\n";

#[tokio::test]
async fn several_connections_share_the_load() -> Outcome {
    let folder = Folder::new()?;
    let server = folder.start(STORE).await?;
    let client = Client::builder(server.place()).connections(3).build()?;
    let here = client.collection("connections");
    let puts = (0..30).map(|n| here.put(&n.to_string(), &json!({ "n": n })).into_future());
    futures::future::try_join_all(puts).await?;
    expect_equal("entries", here.get_many::<Value>(["1", "29"]).await?.len(), 2)?;
    client.ready().await?;
    expect_equal("health of main", client.health("main").await?, Health::Serving)?;
    expect_equal("health of none", client.health("none").await?, Health::Unknown)
}

#[tokio::test]
async fn all_addresses_of_a_name_get_calls() -> Outcome {
    // localhost has one address or two; each gets calls
    let stub = Stub::start([]).await?;
    let client = Client::new(format!("dns:///localhost:{}", stub.address.port()))?;
    for _ in 0..8 {
        client.collection("").get::<Value>("key").await?;
    }
    expect_equal("calls", stub.calls().len(), 8)?;
    let nobody = Client::builder("dns:///no-such-name.invalid:1").attempts_max(1).build()?;
    let error = nobody.collection("").get::<Value>("key").await.expect_err("no address");
    expect_equal("kind", error.kind(), ErrorKind::Unavailable)?;
    expect(error.message().contains("no-such-name.invalid"), error)
}

#[tokio::test]
async fn layers_see_every_call() -> Outcome {
    let stub = Stub::start([]).await?;
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let layer = tower::layer::layer_fn(move |service: GrpcService| {
        let seen = Arc::clone(&counted);
        service.map_request(move |mut request: http::Request<Body>| {
            seen.fetch_add(1, Ordering::Relaxed);
            request.headers_mut().insert("x-layer", http::HeaderValue::from_static("here"));
            request
        })
    });
    let client = Client::builder(stub.url()).layer(layer).build()?;
    client.collection("").get::<Value>("key").await?;
    expect_equal("calls seen", seen.load(Ordering::Relaxed), 1)?;
    let calls = stub.calls();
    let header = calls.first().and_then(|call| call.get("x-layer"));
    expect(header.is_some_and(|header| header == "here"), "the layer's header has arrived")
}

#[tokio::test]
async fn a_service_instead_of_a_connection() -> Outcome {
    let stub = Stub::start([]).await?;
    let channel = tonic::transport::Endpoint::from_shared(stub.url())?.connect_lazy();
    let client = Client::builder("").service(channel).build()?;
    let found = client.collection("").get::<Value>("key").await?;
    expect_equal("the value", found, Some(json!({})))
}

#[tokio::test]
async fn metadata_is_passed_on() -> Outcome {
    let stub = Stub::start([]).await?;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let client = Client::builder(stub.url()).token("secret").build()?;
    let client = client.with_metadata("traceparent", parent)?;
    let here = client.collection("").with_metadata("x-request", "7")?;
    here.get::<Value>("key").await?;
    let calls = stub.calls();
    for (name, value) in
        [("traceparent", parent), ("x-request", "7"), ("authorization", "Bearer secret")]
    {
        let found = calls.first().and_then(|call| call.get(name));
        expect(found.is_some_and(|found| found == value), format!("{name} is not there"))?;
    }
    let agent = calls.first().and_then(|call| call.get("user-agent")?.to_str().ok());
    expect(agent.is_some_and(|agent| agent.starts_with("kvgate-rust/")), "user-agent")?;
    expect(!format!("{client:?} {here:?}").contains("secret"), "the token is not shown")?;
    let error = client.with_metadata("bad name", "secret").expect_err("a space").to_string();
    expect(!error.contains("secret"), error)
}

#[tokio::test]
async fn a_server_that_comes_back() -> Outcome {
    let folder = Folder::new()?;
    let server = folder.start(STORE).await?;
    let here = Client::new(server.place())?.collection("");
    here.put("key", &json!({})).await?;
    let place = server.place().to_owned();
    server.terminate().await?;
    let gone = here.get::<Value>("key").await.expect_err("it is gone");
    expect_equal("kind", gone.kind(), ErrorKind::Unavailable)?;

    let settings = format!("[server]\nlisten = \"{place}\"\n{STORE}");
    folder.configure(&settings)?;
    let server = kvgate_tests::server::Server::start(&folder.configuration()).await?;
    until("the client finds the server again", async || {
        Ok(here.get::<Value>("key").await.ok().filter(Option::is_none))
    })
    .await?;
    server.terminate().await
}

#[tokio::test]
async fn dropping_a_client_leaves_the_calls_under_way() -> Outcome {
    let stub = Stub::hanging().await?;
    let client = Client::new(stub.url())?;
    let here = client.collection("");
    let call = tokio::spawn(async move { here.get::<Value>("key").await });
    stub.started().await;
    drop(client);
    stub.proceed();
    expect_equal("the value", call.await??, Some(json!({})))
}

#[test]
fn a_client_wants_a_runtime() {
    let error = Client::new("http://127.0.0.1:1").expect_err("no runtime");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
