//! Reads answers of memcached's text protocol.

use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, copy, sink};
use tokio::time::timeout;

/// How long a line of an answer may be: the longest has a name of 250 bytes in it.
const LINE_BYTES_MAX: u64 = 2_048;

/// Reads answers, each of which may take `patience`.
pub(super) struct Reader<R> {
    from: R,
    patience: Duration,
    line: Vec<u8>,
}

impl<R: Source> Reader<R> {
    pub(super) fn new(from: R, patience: Duration) -> Self {
        Self { from, patience, line: Vec::new() }
    }

    /// Where it reads from.
    pub(super) fn source(&self) -> &R {
        &self.from
    }

    /// The next line, without its end.
    pub(super) async fn line(&mut self) -> Result<&[u8], Fault> {
        self.line.clear();
        let mut bounded = (&mut self.from).take(LINE_BYTES_MAX);
        in_time(self.patience, bounded.read_until(b'\n', &mut self.line)).await?;
        match self.line.strip_suffix(b"\r\n") {
            Some(line) => Ok(line),
            None if self.line.ends_with(b"\n") || self.line.len() as u64 == LINE_BYTES_MAX => {
                Err(Fault::Nonsense("a line that does not end as lines do"))
            }
            None => Err(Fault::Lost(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// An item's value; nothing if it is larger than `bytes_max` and was passed over.
    pub(super) async fn value(
        &mut self,
        bytes: usize,
        bytes_max: usize,
    ) -> Result<Option<Bytes>, Fault> {
        let value = if bytes > bytes_max {
            let mut rest = (&mut self.from).take(bytes as u64);
            let passed = in_time(self.patience, copy(&mut rest, &mut sink())).await?;
            if passed < bytes as u64 {
                return Err(Fault::Lost(io::ErrorKind::UnexpectedEof.into()));
            }
            None
        } else {
            let mut value = vec![0; bytes];
            in_time(self.patience, self.from.read_exact(&mut value)).await?;
            Some(Bytes::from(value))
        };
        let mut end = [0; 2];
        in_time(self.patience, self.from.read_exact(&mut end)).await?;
        if &end == b"\r\n" { Ok(value) } else { Err(Fault::Nonsense("an item of another length")) }
    }
}

async fn in_time<T>(
    patience: Duration,
    reading: impl Future<Output = io::Result<T>>,
) -> Result<T, Fault> {
    match timeout(patience, reading).await {
        Ok(read) => read.map_err(Fault::Lost),
        Err(_) => Err(Fault::Silent(patience)),
    }
}

/// Where answers are read from.
pub(super) trait Source: AsyncBufRead + Unpin + Send {}

impl<S: AsyncBufRead + Unpin + Send> Source for S {}

/// Why there is no answer, or none that helps.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection can't be made, or broke.
    Lost(io::Error),
    /// No answer within this time.
    Silent(Duration),
    /// The server asks for a user and a password, or for other ones.
    Denied,
    /// Credentials are configured, and the server asks for none.
    NoLogin,
    /// The server can't do it now, in its own words.
    Busy(String),
    /// The server has no room for the item.
    Full,
    /// The item is larger than the server takes.
    TooLarge,
    /// The server's item is larger than we take.
    Oversized,
    /// An answer that nobody foresaw.
    Nonsense(&'static str),
}

/// What an answer means that no command expects.
pub(super) fn unexpected(line: &[u8]) -> Fault {
    let says = |start: &str| line.starts_with(start.as_bytes());
    if says("CLIENT_ERROR unauthenticated") {
        Fault::Denied
    } else if says("SERVER_ERROR ") || says("ERROR Too many open connections") {
        Fault::Busy(String::from_utf8_lossy(line).into_owned())
    } else if says("ERROR") || says("CLIENT_ERROR") {
        Fault::Nonsense("a complaint about the command")
    } else {
        // it may be part of a value, so it is not shown
        Fault::Nonsense("what no command expects")
    }
}
