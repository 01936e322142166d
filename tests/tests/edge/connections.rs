//! Connections that have lasted long enough.

use std::time::Duration;

use kvgate_tests::client::Batches;
use kvgate_tests::failure::{Failure, Outcome, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::wait::{PATIENCE, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::secure::STORE;

/// Those who call at that moment don't notice.
#[tokio::test(flavor = "multi_thread")]
async fn old_ones_end() -> Outcome {
    let folder = Folder::new()?;
    let log = "[server.log]\nlevel = \"debug\"\n";
    let age = "[server.connections]\nage_max = \"200ms\"\n";
    let server = folder.start(&format!("{log}{age}{STORE}")).await?;
    let here = server.client().await?.collection("", "c");
    until("five connections have ended", async || {
        here.put("key", "{}").await?;
        Ok((server.log().matches("it is old").count() >= 5).then_some(()))
    })
    .await
}

/// A call that lasts longer than the grace is cut off; until then it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn calls_have_a_grace() -> Outcome {
    let folder = Folder::new()?;
    let age = "[server.connections]\nage_max = \"100ms\"\nage_grace = \"1s\"\n";
    let server = folder.start(&format!("{age}{STORE}")).await?;
    let here = server.client().await?.collection("", "c");
    let mut batches = Batches::open(&here.client).await?;
    batches.send(here.batch(Vec::new())).await?;
    expect_equal("StreamPutMany", batches.acknowledged().await?, Some(0))?;
    let cut = timeout(PATIENCE, batches.acknowledged()).await;
    match cut.map_err(|_| Failure::new("the stream outlived the grace"))? {
        Err(_) => Ok(()),
        Ok(found) => Err(Failure::new(format!("acknowledged without a batch: {found:?}"))),
    }
}

/// One that says nothing, one that says it very slowly, one that stops in the middle of
/// its headers; a caller who calls stays.
#[tokio::test(flavor = "multi_thread")]
async fn slow_ones_end() -> Outcome {
    let folder = Folder::new()?;
    let idle = "[server.connections]\nidle_max = \"500ms\"\nage_grace = \"500ms\"\n";
    let server = folder.start(&format!("{idle}{STORE}")).await?;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // a HEADERS frame of 100 bytes on stream 1 without END_HEADERS, of which 3 come
    let half = [preface.as_slice(), b"\0\0\x64\x01\0\0\0\0\x01abc"].concat();
    for (what, bytes, pause) in [
        ("silence", &b""[..], None),
        ("a byte at a time", &preface[..], Some(Duration::from_millis(100))),
        ("settings alone", &preface[..], None),
        ("half a frame of headers", &half[..], None),
    ] {
        let mut stream = TcpStream::connect(server.address()).await?;
        let end = until_closed(&mut stream, bytes, pause);
        let ended = timeout(PATIENCE, end).await;
        ended.map_err(|_| Failure::new(format!("{what} keeps a connection open")))?;
        server.client().await?.collection("", "c").put("key", "{}").await?;
    }
    Ok(())
}

/// Sends the bytes, and reads until the server has had enough.
async fn until_closed(stream: &mut TcpStream, bytes: &[u8], pause: Option<Duration>) {
    let (mut from, mut to) = stream.split();
    let sending = async {
        match pause {
            None => drop(to.write_all(bytes).await),
            Some(pause) => {
                for byte in bytes {
                    if to.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut answer = [0; 1024];
        while from.read(&mut answer).await.is_ok_and(|read| read > 0) {}
    };
    tokio::select! {
        () = sending => {}
        () = reading => {}
    }
}
