//! A bound on frames that ask for nothing but an answer.
//!
//! HTTP/2 obliges the server to answer each PING and each SETTINGS frame, and hyper has no
//! bound on them: a caller could keep a processor busy without ever making a call. As in other
//! gRPC servers (gRFC A8) a caller may ping now and then, and as often as it likes while it is
//! sent something else: clients measure the way that answers take by pings among them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How many pings may come in a row: clients ping as they begin, and as the network comes
/// back.
const IN_A_ROW_MAX: u32 = 100;

/// A PING frame, the longest of the answers that are owed.
const ANSWER_BYTES: u64 = 17;

const PREFACE_BYTES: u32 = 24;
const HEADER_BYTES: usize = 9;

/// A socket that fails if its caller pings too often.
pub(super) struct PingLimit<T> {
    socket: T,
    frames: Frames,
    /// How often pings may come in the long run.
    interval: Duration,
    /// Up to when the pings that came would have been spread at `interval` (the generic cell
    /// rate algorithm, as in `layers/rate.rs`, but on one thread and with a way to start anew).
    spread: Option<Instant>,
    /// Pings since something else than their answers was sent.
    pings: u64,
    /// What was sent since.
    sent_bytes: u64,
}

impl<T> PingLimit<T> {
    pub(super) fn new(socket: T, interval: Duration) -> Self {
        Self { socket, frames: Frames::default(), interval, spread: None, pings: 0, sent_bytes: 0 }
    }

    fn received(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.frames.pings(bytes) {
            0 => Ok(()),
            pings => self.pinged(pings, Instant::now()),
        }
    }

    fn pinged(&mut self, pings: u32, now: Instant) -> io::Result<()> {
        self.pings += u64::from(pings);
        let spread = self.spread.map_or(now, |spread| spread.max(now)) + self.interval * pings;
        self.spread = Some(spread);
        if spread - now > self.interval * IN_A_ROW_MAX {
            return Err(io::Error::other(
                "its caller pings too often (server.connections.ping_interval_min)",
            ));
        }
        Ok(())
    }

    fn sent(&mut self, count: usize) {
        self.sent_bytes += u64::try_from(count).unwrap_or(u64::MAX);
        if self.sent_bytes > self.pings * ANSWER_BYTES {
            (self.spread, self.pings, self.sent_bytes) = (None, 0, 0);
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for PingLimit<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = bytes.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, bytes);
        match read {
            Poll::Ready(Ok(())) => Poll::Ready(self.received(&bytes.filled()[before..])),
            other => other,
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for PingLimit<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        written.map_ok(|count| {
            self.sent(count);
            count
        })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        written.map_ok(|count| {
            self.sent(count);
            count
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// Follows the frames that a caller sends, of which reads may end anywhere.
struct Frames {
    /// What is left of the preface or of a frame's payload.
    skip: u32,
    header: [u8; HEADER_BYTES],
    /// How much of the header is there.
    have: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { skip: PREFACE_BYTES, header: [0; HEADER_BYTES], have: 0 }
    }
}

impl Frames {
    /// How many frames begin within these bytes that have to be answered.
    fn pings(&mut self, mut bytes: &[u8]) -> u32 {
        let mut pings = 0;
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = bytes.len().min(self.skip as usize);
                bytes = &bytes[skipped..];
                self.skip -= u32::try_from(skipped).unwrap_or(self.skip);
                continue;
            }
            let taken = bytes.len().min(HEADER_BYTES - self.have);
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEADER_BYTES {
                pings += u32::from(self.is_ping());
                let [high, middle, low, ..] = self.header;
                self.skip = u32::from_be_bytes([0, high, middle, low]);
                self.have = 0;
            }
        }
        pings
    }

    /// PING and SETTINGS (RFC 9113, 6.5 and 6.7) but for answers to those of the server.
    fn is_ping(&self) -> bool {
        let [.., kind, flags, _, _, _, _] = self.header;
        matches!(kind, 0x4 | 0x6) && flags & 0x1 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    const SETTINGS_ACK: &[u8] = b"\0\0\0\x04\x01\0\0\0\0";
    const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0\x06\x06\x06\x06\x06\x06\x06\x06";
    const PING_ACK: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0\0\0\0\0\0\0\0\0";
    /// 300 bytes that look like nothing but pings.
    const DATA: &[u8] = b"\0\x01\x2c\0\0\0\0\0\x01";

    fn session() -> Vec<u8> {
        let data = [DATA, &PING.repeat(18)[..300]].concat();
        [PREFACE, SETTINGS, PING, &data, SETTINGS_ACK, PING_ACK, PING].concat()
    }

    #[test]
    fn frames_are_followed_wherever_reads_end() {
        let session = session();
        for step in 1..=session.len() {
            let mut frames = Frames::default();
            let pings: u32 = session.chunks(step).map(|chunk| frames.pings(chunk)).sum();
            assert_eq!(pings, 3, "{step} bytes a read");
        }
    }

    fn limit() -> (PingLimit<()>, Instant) {
        (PingLimit::new((), Duration::from_secs(1)), Instant::now())
    }

    #[test]
    fn a_hundred_in_a_row_are_enough() {
        let (mut limit, now) = limit();
        for _ in 0..IN_A_ROW_MAX {
            limit.pinged(1, now).expect("a ping");
            limit.sent(PING_ACK.len());
        }
        let error = limit.pinged(1, now).expect_err("too many");
        assert!(error.to_string().contains("ping_interval_min"), "{error}");
    }

    #[test]
    fn one_at_a_time_may_go_on_for_ever() {
        let (mut limit, begun) = limit();
        for second in 0..10 * IN_A_ROW_MAX {
            let now = begun + Duration::from_secs(second.into());
            limit.pinged(1, now).expect("a ping");
            limit.sent(PING_ACK.len());
        }
    }

    #[test]
    fn as_many_as_there_are_answers() {
        let (mut limit, now) = limit();
        for _ in 0..10 * IN_A_ROW_MAX {
            limit.pinged(1, now).expect("a ping");
            limit.sent(PING_ACK.len() + DATA.len());
        }
    }
}
