//! SIGTERM: health says so, calls in flight finish, nobody new comes in.

use std::time::{Duration, Instant};

use kvgate_tests::client::{Batches, entry};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::server::Server;
use kvgate_tests::wait::until;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Streaming;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::health::SERVICES;
use crate::million::{key, load};

const STORES: &str = "[stores.memory]\ntype = \"memory\"\nmax_entries_per_collection = 2000000\n";

async fn start(folder: &Folder, settings: &str) -> Outcome<Server> {
    folder.start(&format!("default_store = \"memory\"\n{settings}\n{STORES}")).await
}

async fn watch(server: &Server, service: &str) -> Outcome<Streaming<HealthCheckResponse>> {
    let mut client = HealthClient::new(server.client().await?.channel());
    let request = HealthCheckRequest { service: service.to_owned() };
    let mut watch = client.watch(request).await?.into_inner();
    let first = watch.message().await?.map(|answer| answer.status());
    expect_equal(format!("health of {service:?}"), first, Some(ServingStatus::Serving))?;
    Ok(watch)
}

/// The next thing that a watch of health says.
async fn expect_not_serving(mut watch: Streaming<HealthCheckResponse>, service: &str) -> Outcome {
    let next = watch.message().await?.map(|answer| answer.status());
    expect_equal(format!("health of {service:?}"), next, Some(ServingStatus::NotServing))
}

async fn refuses_connections(server: &Server) -> Outcome {
    until("new connections are refused", async || {
        Ok(TcpStream::connect(server.address()).await.is_err().then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_finish() -> Outcome {
    let folder = Folder::new()?;
    let mut server = start(&folder, "drain_timeout = \"60s\"").await?;
    let here = server.client().await?.collection("", "entries");
    load(&here, 100_000).await?;
    let mut watches = Vec::new();
    for service in SERVICES {
        watches.push((watch(&server, service).await?, service));
    }
    let mut stream = here.open_get_many((0..100_000).map(key).collect()).await?;
    let mut count = stream.message().await?.map_or(0, |message| message.results.len());
    let mut batches = Batches::open(&here.client).await?;
    batches.send(here.batch(vec![entry("before", "{}")])).await?;
    expect_equal("StreamPutMany", batches.acknowledged().await?, Some(1))?;

    server.signal(Signal::TERM)?;
    for (watch, service) in watches {
        expect_not_serving(watch, service).await?;
    }
    refuses_connections(&server).await?;
    batches.send(here.batch(vec![entry("after", "{}"), entry("later", "{}")])).await?;
    expect_equal("StreamPutMany", batches.acknowledged().await?, Some(2))?;
    batches.finish();
    expect_equal("the end of StreamPutMany", batches.acknowledged().await?, None)?;
    while let Some(message) = stream.message().await? {
        count += message.results.len();
    }
    expect_equal("the number of results of StreamGetMany", count, 100_000)?;
    let status = server.exit_status().await?;
    expect_equal("the exit code", status.code(), Some(0))
}

/// A caller whose last frames come when the server has said its last is not reset: a reset
/// would take with it what the caller has not read yet.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_late_resets_nothing() -> Outcome {
    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let folder = Folder::new()?;
    let mut server = start(&folder, "").await?;
    let (near, far) = tokio::io::duplex(1 << 16);
    let (mut from_caller, mut to_caller) = tokio::io::split(far);
    let socket = TcpStream::connect(server.address()).await?;
    let (mut from_server, mut to_server) = socket.into_split();
    let saying = tokio::io::copy(&mut from_caller, &mut to_server);
    let hearing = async {
        let mut bytes = [0; 4096];
        loop {
            match from_server.read(&mut bytes).await? {
                0 => return Outcome::Ok(()),
                // the caller has gone when it has heard that no more calls are taken
                count => drop(to_caller.write_all(&bytes[..count]).await),
            }
        }
    };
    let stopping = async {
        let (calls, mut connection) = h2::client::handshake(near).await?;
        let pings = connection.ping_pong();
        tokio::spawn(connection);
        pings.ok_or_else(|| Failure::new("no pings"))?.ping(h2::Ping::opaque()).await?;
        server.signal(Signal::TERM)?;
        drop(calls);
        Outcome::Ok(())
    };
    let (heard, said, stopped) = tokio::join!(hearing, saying, stopping);
    heard.and(stopped)?;
    said?;
    for _ in 0..100 {
        to_server.write_all(&PING).await?;
        tokio::task::yield_now().await;
    }
    drop(to_server);
    let status = server.exit_status().await?;
    expect_equal("the exit code", status.code(), Some(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupt_stops_it_too() -> Outcome {
    let folder = Folder::new()?;
    let mut server = start(&folder, "").await?;
    // An idle connection does not hold the server up.
    let client = server.client().await?;
    client.collection("", "c").put("key", "{}").await?;
    let start = Instant::now();
    server.signal(Signal::INT)?;
    let status = server.exit_status().await?;
    expect_equal("the exit code", status.code(), Some(0))?;
    let taken = start.elapsed();
    expect(taken < Duration::from_secs(4), format!("with nothing to do it took {taken:?}"))
}

/// A caller who never reads holds the server up for `drain_timeout` at most.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_never_read_is_cut() -> Outcome {
    let folder = Folder::new()?;
    let mut server = start(&folder, "drain_timeout = \"1s\"").await?;
    let here = server.client().await?.collection("", "entries");
    load(&here, 100_000).await?;
    let mut stream = here.open_get_many((0..100_000).map(key).collect()).await?;
    stream.message().await?;
    let start = Instant::now();
    server.signal(Signal::TERM)?;
    let status = server.exit_status().await?;
    let taken = start.elapsed();
    expect_equal("the exit code", status.code(), Some(0))?;
    expect(taken >= Duration::from_millis(900), format!("it was cut after {taken:?}"))?;
    expect(taken < Duration::from_secs(10), format!("it was cut after {taken:?}"))?;
    let end = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(status) => break Some(status),
        }
    };
    expect(end.is_some(), "a stream that was cut ended as if it were whole")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() -> Outcome {
    let folder = Folder::new()?;
    let mut server = start(&folder, "drain_timeout = \"600s\"").await?;
    let client = server.client().await?;
    let batches = Batches::open(&client).await?;
    // The call is there before the signal is.
    let mut other = Batches::open(&client).await?;
    other.send(client.collection("", "c").batch(Vec::new())).await?;
    other.acknowledged().await?;
    server.signal(Signal::TERM)?;
    refuses_connections(&server).await?;
    let pid = server.pid();
    let alive = std::path::Path::new(&format!("/proc/{pid}")).exists();
    expect(alive, "the server did not wait for a call in flight")?;
    server.signal(Signal::TERM)?;
    let status = server.exit_status().await?;
    drop((batches, other));
    expect_equal("the exit code", status.code(), Some(0))
}

/// Writes that were acknowledged before the stop are there after it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost() -> Outcome {
    let folder = Folder::new()?;
    let data = folder.path("data");
    let stores = format!("[stores.memory]\ntype = \"disk\"\ndirectory = '{}'\n", data.display());
    let settings = format!("default_store = \"memory\"\n{stores}");
    let server = folder.start(&settings).await?;
    let client = server.client().await?;
    let here = client.collection("", "entries");
    let writing = async {
        for n in 0.. {
            if here.put(&key(n), "{}").await.is_err() {
                return n;
            }
        }
        0
    };
    let stopping = async {
        until("a hundred writes are acknowledged", async || {
            Ok(here.get(&key(100)).await?.map(|_| ()))
        })
        .await?;
        server.terminate().await
    };
    let (count, stopped) = futures::future::join(writing, stopping).await;
    stopped?;
    let server = folder.start(&settings).await?;
    let here = server.client().await?.collection("", "entries");
    let there = here.keys("", 0).await?.len();
    // The write that was refused may have taken place.
    if there == count || there == count + 1 {
        return Ok(());
    }
    Err(Failure::new(format!("{count} writes were acknowledged, {there} entries are there")))
}
