//! The end of a connection: closed so that the caller has what was sent to it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long the server waits for a caller to close its end, once it has said that nothing
/// more comes. Longer than an answer on its way may take to be sent again; a caller who
/// never closes holds a stop up for no longer than this.
const LINGER_MAX: Duration = Duration::from_secs(5);

/// What the caller sent is read into this, and thrown away.
const THROWN_AWAY_BYTES: usize = 4096;

/// A socket that is closed by halves.
///
/// A system that closes a socket with bytes in it that nobody has read resets the
/// connection, and what the caller had not read by then is lost: a whole answer, for a
/// frame that the caller sent as the answer left. So whoever shuts this one down says that
/// nothing more comes, and then reads until the caller has closed its end as well.
pub(super) struct Linger<T> {
    socket: T,
    /// When the caller has had time enough, once nothing more comes.
    end: Option<Pin<Box<Sleep>>>,
}

impl<T> Linger<T> {
    pub(super) fn new(socket: T) -> Self {
        Self { socket, end: None }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<T> {
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, end } = &mut *self;
        if end.is_none() {
            ready!(Pin::new(&mut *socket).poll_shutdown(cx))?;
        }
        let end = end.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER_MAX)));
        let mut bytes = [0; THROWN_AWAY_BYTES];
        while end.as_mut().poll(cx).is_pending() {
            let mut read = ReadBuf::new(&mut bytes);
            // an error is an end as well: nothing is left to wait for
            match ready!(Pin::new(&mut *socket).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Linger<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, bytes)
    }
}
