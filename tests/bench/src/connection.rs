//! A gRPC client that costs as little as it can.
//!
//! The load generator has as many CPUs as the server: with tonic's client it
//! would take longer for a call than a bare server, and measure itself. This
//! one writes and reads HTTP/2 streams of `h2` without anything between.

use std::fmt;
use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::SendRequest;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri, Version, uri};
use prost::Message;
use tokio::net::TcpStream;

use crate::Result;

/// Flow control windows and frames: streams of small frames cost more than
/// twice as much.
const WINDOW_BYTES: u32 = 1024 * 1024;
/// One byte that says whether the message is compressed, four with its length.
const PREFIX_BYTES: usize = 5;
/// The code of a call that is over a limit.
const RESOURCE_EXHAUSTED: &str = "8";

/// One TCP connection; clones share it.
#[derive(Clone)]
pub(crate) struct Connection {
    streams: SendRequest<Bytes>,
    authority: Authority,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let (streams, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_frame_size(WINDOW_BYTES)
            .handshake(tcp)
            .await?;
        // Its error reaches every call that is in flight.
        tokio::spawn(async { drop(connection.await) });
        let authority = address.to_string().try_into()?;
        Ok(Self { streams, authority })
    }

    /// Makes a call that has one answer.
    pub(crate) async fn unary<A>(&mut self, path: &'static str, request: &impl Message) -> Result<A>
    where
        A: Message + Default,
    {
        let mut messages = self.call(path, request).await?;
        let message = messages.next().await?.ok_or("the answer has no message")?;
        if messages.next().await?.is_some() {
            return Err("the answer has more than one message".into());
        }
        Ok(A::decode(message)?)
    }

    /// Makes a call whose answer is a stream of messages.
    pub(crate) async fn call(
        &mut self,
        path: &'static str,
        request: &impl Message,
    ) -> Result<Messages> {
        let mut framed = BytesMut::with_capacity(PREFIX_BYTES + request.encoded_len());
        framed.put_u8(0);
        framed.put_u32(u32::try_from(request.encoded_len())?);
        request.encode(&mut framed)?;

        std::future::poll_fn(|context| self.streams.poll_ready(context)).await?;
        let (response, mut body) = self.streams.send_request(self.head(path)?, false)?;
        body.send_data(framed.freeze(), true)?;
        let (head, body) = response.await?.into_parts();
        if head.headers.contains_key("grpc-status") {
            check_status(&head.headers)?;
        }
        Ok(Messages { body, received: Bytes::new() })
    }

    fn head(&self, path: &'static str) -> Result<Request<()>> {
        let mut uri = uri::Parts::default();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(PathAndQuery::from_static(path));
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_parts(uri)?;
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(USER_AGENT, HeaderValue::from_static("kvgate-bench"));
        Ok(request)
    }
}

/// The server has too much to do, and says so.
#[derive(Debug)]
pub(crate) struct Refused;

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call is over a limit of the server's")
    }
}

/// The messages of an answer, as they arrive.
pub(crate) struct Messages {
    body: RecvStream,
    /// What has arrived and belongs to messages not yet returned.
    received: Bytes,
}

impl Messages {
    /// Nothing once the call has ended well.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(message) = split_message(&mut self.received)? {
                return Ok(Some(message));
            }
            match self.body.data().await.transpose()? {
                Some(data) => {
                    self.body.flow_control().release_capacity(data.len())?;
                    self.received = joined(std::mem::take(&mut self.received), data);
                }
                None => return self.end().await,
            }
        }
    }

    async fn end(&mut self) -> Result<Option<Bytes>> {
        let trailers = self.body.trailers().await?.ok_or("the answer has no trailers")?;
        check_status(&trailers)?;
        if self.received.is_empty() {
            Ok(None)
        } else {
            Err("the answer ends within a message".into())
        }
    }
}

/// A frame mostly ends where a message does; only then nothing is copied.
fn joined(before: Bytes, data: Bytes) -> Bytes {
    if before.is_empty() {
        return data;
    }
    let mut both = BytesMut::with_capacity(before.len() + data.len());
    both.put(before);
    both.put(data);
    both.freeze()
}

/// Takes the first message off, if all of it has arrived.
fn split_message(received: &mut Bytes) -> Result<Option<Bytes>> {
    let Some(mut prefix) = received.get(..PREFIX_BYTES) else {
        return Ok(None);
    };
    if prefix.get_u8() != 0 {
        return Err("the answer is compressed".into());
    }
    let length = usize::try_from(prefix.get_u32())?;
    if received.len() < PREFIX_BYTES + length {
        return Ok(None);
    }
    received.advance(PREFIX_BYTES);
    Ok(Some(received.split_to(length)))
}

fn check_status(headers: &HeaderMap) -> Result<()> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match text("grpc-status") {
        Some("0") => Ok(()),
        Some(RESOURCE_EXHAUSTED) => Err(Refused.into()),
        Some(code) => {
            let message = text("grpc-message").unwrap_or_default();
            Err(format!("the call failed with status {code}: {message}").into())
        }
        None => Err("the answer has no status".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_split_wherever_frames_end() {
        let sent = b"\0\0\0\0\x02ab\0\0\0\0\0\0\0\0\0\x01c";
        for cut in 0..sent.len() {
            let mut received = Bytes::new();
            let mut messages = Vec::new();
            for part in [&sent[..cut], &sent[cut..]] {
                received = joined(received, Bytes::from_static(part));
                while let Some(message) = split_message(&mut received).unwrap() {
                    messages.push(message);
                }
            }
            assert_eq!(messages, ["ab", "", "c"], "cut at {cut}");
            assert!(received.is_empty());
        }
    }

    #[test]
    fn a_status_other_than_ok_is_an_error() {
        let mut headers = HeaderMap::new();
        assert!(check_status(&headers).is_err());
        headers.insert("grpc-status", HeaderValue::from_static("5"));
        assert!(check_status(&headers).is_err());
        headers.insert("grpc-status", HeaderValue::from_static("0"));
        assert!(check_status(&headers).is_ok());
    }
}
