//! Callers that stop reading, and callers that go away.

use std::time::Duration;

use futures::future::try_join_all;
use kvgate_tests::client::{Batches, Collection};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::process_figures::{cpu_time, resident_bytes};
use kvgate_tests::server::Server;
use kvgate_tests::wait::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::million::{key, load};

const ENTRIES: usize = 200_000;

/// What a server may hold for a caller who does not read: the keys that he has sent, which
/// take a third of this, and some messages. All the answers would be some 90 MB.
const HELD_MAX: u64 = 32 << 20;

/// How much a round of dropped streams may add. What 16 of them hold is several times this,
/// so that what is never freed shows in every round.
const LEFT_MAX: u64 = 1 << 20;
const ROUNDS_MAX: usize = 10;

/// A loaded server and the port of its figures.
async fn loaded(folder: &Folder) -> Outcome<(Server, u16)> {
    // Free a moment ago, which is the best that can be had.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let stores = "[stores.main]\ntype = \"memory\"\nmax_entries_per_collection = 2000000\n";
    let admin = format!("admin_listen = \"127.0.0.1:{port}\"\n");
    let server = folder.start(&format!("{admin}default_store = \"main\"\n{stores}")).await?;
    load(&server.client().await?.collection("", "entries"), ENTRIES).await?;
    Ok((server, port))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_stops_reading_stops_the_reading() -> Outcome {
    let folder = Folder::new()?;
    let (server, _) = loaded(&folder).await?;
    let here = server.client().await?.collection("", "entries");
    let before = resident_bytes(server.pid())?;
    let mut get = here.open_get_many((0..ENTRIES).map(key).collect()).await?;
    let mut scan = here.open_scan("").await?;
    let first = get.message().await?.ok_or_else(|| Failure::new("StreamGetMany: nothing"))?;
    let mut gotten = first.results.len();
    let first = scan.message().await?.ok_or_else(|| Failure::new("ScanEntries: nothing"))?;
    let mut scanned = first.entries.len();

    still(&server).await?;
    let growth = resident_bytes(server.pid())?.saturating_sub(before);
    expect(growth < HELD_MAX, format!("the server holds {growth} bytes for callers who wait"))?;
    // What waited goes on where it stopped.
    while let Some(message) = get.message().await? {
        for result in message.results {
            expect_equal("the key of a result of StreamGetMany", result.key, key(gotten))?;
            gotten += 1;
        }
    }
    while let Some(message) = scan.message().await? {
        scanned += message.entries.len();
    }
    expect_equal("the numbers of entries", (gotten, scanned), (ENTRIES, ENTRIES))
}

/// Waits until the server has done nothing for half a second.
async fn still(server: &Server) -> Outcome {
    until("the server has stopped reading", async || {
        let before = cpu_time(server.pid())?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok((cpu_time(server.pid())? == before).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_frees_everything() -> Outcome {
    let folder = Folder::new()?;
    let (server, port) = loaded(&folder).await?;
    expect_equal("the calls in flight", calls_in_flight(port).await?, 0)?;
    let mut before = resident_bytes(server.pid())?;
    let pause = async |here: Collection| {
        let mut stream = here.open_get_many((0..ENTRIES).map(key).collect()).await?;
        stream.message().await?;
        let mut scan = here.open_scan("").await?;
        scan.message().await?;
        Ok::<_, Failure>((stream, scan))
    };
    // The allocator keeps what the most crowded round so far has used: a round that adds
    // nothing comes sooner or later, but never if something is left of each.
    for _ in 0..ROUNDS_MAX {
        // Streams that are dropped on a connection that stays, and connections
        // that are dropped with what is open on them.
        let client = server.client().await?;
        let streams = try_join_all((0..8).map(|_| pause(client.collection("", "entries")))).await?;
        let mut batches = Batches::open(&client).await?;
        batches.send(client.collection("", "other").batch(Vec::new())).await?;
        expect_equal("the calls in flight", calls_in_flight(port).await?, 17)?;
        drop((streams, batches));
        until("no call is in flight on a connection that is open", async || {
            Ok((calls_in_flight(port).await? == 0).then_some(()))
        })
        .await?;
        client.collection("", "entries").get("key").await?;

        let own = server.client().await?;
        let streams = try_join_all((0..8).map(|_| pause(own.collection("", "entries")))).await?;
        drop((streams, own));
        until("no call is in flight on a connection that is closed", async || {
            Ok((calls_in_flight(port).await? == 0).then_some(()))
        })
        .await?;
        still(&server).await?;
        let after = resident_bytes(server.pid())?;
        if after < before + LEFT_MAX {
            return Ok(());
        }
        before = after;
    }
    Err(Failure::new(format!("the server grew in each of {ROUNDS_MAX} rounds, to {before} bytes")))
}

/// Reads one figure of `/metrics`.
async fn calls_in_flight(port: u16) -> Outcome<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let figure = answer.lines().find_map(|line| line.strip_prefix("kvgate_calls_in_flight "));
    let figure = figure.ok_or_else(|| Failure::new("no kvgate_calls_in_flight in /metrics"))?;
    Ok(figure.trim().parse()?)
}
