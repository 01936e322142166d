//! Callers who mean harm: one of them must not be the end of the others' calls.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, client};
use http::{Request, StatusCode};
use kvgate_proto::v1::GetRequest;
use kvgate_tests::admin;
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::ports;
use kvgate_tests::process_figures::resident_bytes;
use kvgate_tests::raw;
use kvgate_tests::rpc_error::{RpcError, refused};
use kvgate_tests::server::Server;
use kvgate_tests::wait::{PATIENCE, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;

use crate::secure::STORE;

/// How much an attack may make the server grow.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// A server under attack.
struct Attacked {
    server: Server,
    admin: u16,
    before: u64,
    _folder: Folder,
}

impl Attacked {
    async fn start(limits: &str) -> Outcome<Self> {
        let folder = Folder::new()?;
        let admin = ports::free()?;
        let settings = format!("admin_listen = \"127.0.0.1:{admin}\"\n{limits}\n{STORE}");
        let server = folder.start(&settings).await?;
        server.client().await?.collection("", "c").put("key", "{}").await?;
        let before = resident_bytes(server.pid())?;
        Ok(Self { server, admin, before, _folder: folder })
    }

    /// A connection of frames, whoever looks after it.
    async fn connect(&self) -> Outcome<SendRequest<Bytes>> {
        let stream = TcpStream::connect(self.server.address()).await?;
        let (calls, connection) = client::Builder::new()
            .max_concurrent_reset_streams(1_000_000)
            .handshake(stream)
            .await?;
        tokio::spawn(connection);
        Ok(calls)
    }

    fn request(&self, method: &str) -> Outcome<Request<()>> {
        let uri = format!("http://{}/keyvalue.v1.KeyValueService/{method}", self.server.address());
        let request = Request::post(uri).header("content-type", "application/grpc");
        Ok(request.header("te", "trailers").body(())?)
    }

    /// Others are served, what the attack held is let go, and the server has not grown.
    async fn is_well(&self) -> Outcome {
        let here = self.server.client().await?.collection("", "c");
        let answer = timeout(PATIENCE, here.get("key")).await;
        answer.map_err(|_| Failure::new("others are not served any more"))??;
        until("no call is in flight", async || {
            let (_, text) = admin::get(self.admin, "/metrics").await?;
            Ok(text.contains("\nkvgate_calls_in_flight 0\n").then_some(()))
        })
        .await?;
        let grown = resident_bytes(self.server.pid())?.saturating_sub(self.before);
        expect(grown < GROWTH_BYTES_MAX, format!("the server grew by {grown} bytes"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_10000_bytes() -> Outcome {
    let attacked = Attacked::start("[server.limits]\nheader_bytes_max = 8192").await?;
    let mut calls = attacked.connect().await?.ready().await?;
    let mut request = attacked.request("Get")?;
    request.headers_mut().insert("x-large", "x".repeat(10_000).parse()?);
    let (answer, _) = calls.send_request(request, true)?;
    match answer.await {
        Ok(answer) => {
            let refused = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            expect_equal("the status", answer.status(), refused)?;
        }
        Err(error) => expect(error.is_reset() || error.is_go_away(), format!("{error}"))?,
    }
    attacked.is_well().await
}

/// Streams that are opened and given up at once, as in CVE-2023-44487.
#[tokio::test(flavor = "multi_thread")]
async fn rapid_reset() -> Outcome {
    let attacked = Attacked::start("").await?;
    let mut ended = false;
    for _ in 0..5 {
        let mut calls = attacked.connect().await?;
        for _ in 0..20_000 {
            let Ok(ready) = calls.ready().await else {
                ended = true;
                break;
            };
            calls = ready;
            let Ok((_, mut stream)) = calls.send_request(attacked.request("Get")?, false) else {
                ended = true;
                break;
            };
            stream.send_reset(Reason::CANCEL);
        }
        attacked.server.client().await?.collection("", "c").get("key").await?;
    }
    expect(ended, "100,000 streams were opened and given up, and no connection was ended")?;
    attacked.is_well().await
}

/// A message in 100,000 frames of a byte each.
#[tokio::test(flavor = "multi_thread")]
async fn tiny_frames() -> Outcome {
    const FRAMES: u32 = 100_000;
    let attacked = Attacked::start("").await?;
    let mut calls = attacked.connect().await?.ready().await?;
    let (answer, mut stream) = calls.send_request(attacked.request("Put")?, false)?;
    let mut head = vec![0];
    head.extend(FRAMES.to_be_bytes());
    let frames = head.into_iter().chain((0..FRAMES).map(|_| 0xff));
    let sending = async {
        for byte in frames {
            stream.reserve_capacity(1);
            let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
            let sent = matches!(room, Some(Ok(_)))
                && stream.send_data(Bytes::from(vec![byte]), false).is_ok();
            if !sent {
                return;
            }
        }
        // the server may have ended the connection by now
        drop(stream.send_data(Bytes::new(), true));
    };
    let both = async { tokio::join!(sending, answer).1 };
    let answer = timeout(PATIENCE, both).await;
    // it is no message, so it is refused, or the connection was ended before its end
    if let Ok(answer) = answer.map_err(|_| Failure::new("no answer to tiny frames"))? {
        let code = answer.headers().get("grpc-status").and_then(|code| code.to_str().ok());
        expect_equal("grpc-status, INVALID_ARGUMENT", code, Some("3"))?;
    }
    attacked.is_well().await
}

/// Frames that ask for nothing but an answer, and no call.
#[tokio::test(flavor = "multi_thread")]
async fn pings_without_end() -> Outcome {
    let attacked = Attacked::start("").await?;
    for frame in [&b"\0\0\x08\x06\0\0\0\0\0kvgate  "[..], b"\0\0\0\x04\0\0\0\0\0"] {
        let mut stream = TcpStream::connect(attacked.server.address()).await?;
        let (mut from, mut to) = stream.split();
        to.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
        let mut bytes = [0; 4096];
        let ended = timeout(PATIENCE, async {
            let pinging = async { while to.write_all(frame).await.is_ok() {} };
            let reading =
                async { while from.read(&mut bytes).await.is_ok_and(|count| count > 0) {} };
            tokio::select! { () = pinging => {}, () = reading => {} }
        });
        let endless = |_| Failure::new(format!("{frame:?} is answered without end"));
        ended.await.map_err(endless)?;
    }
    attacked.is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_of_a_microsecond() -> Outcome {
    let attacked = Attacked::start("").await?;
    let mut client = raw::plain_client(attacked.server.address());
    for _ in 0..100 {
        let message =
            GetRequest { collection: "c".to_owned(), key: "key".to_owned(), ..<_>::default() };
        let mut request = tonic::Request::new(message);
        request.set_timeout(Duration::from_micros(1));
        let answer = client.get(request).await;
        // an answer that is there at once is as good
        if let Err(status) = answer {
            let error = Err::<(), _>(RpcError::of_call("Get", &status));
            refused(error, "Get", Code::DeadlineExceeded, "DEADLINE_EXCEEDED")?;
        }
    }
    attacked.is_well().await
}
