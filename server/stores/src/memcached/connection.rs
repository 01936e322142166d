//! A connection to a memcached server.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use kvgate_core::Secret;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, split};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::Address;
use super::commands::{Batch, LogIn, Version};
use super::reader::{Fault, Reader};

/// How connections are made.
pub(super) struct Connecting {
    pub(super) credentials: Option<Credentials>,
    pub(super) tls: Option<TlsConnector>,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
}

/// Who we are to the server.
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: Secret,
}

/// An open connection. One that was not used to the end of its last answer must not be
/// used again, see [`Host`](super::host::Host).
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    patience: Duration,
}

impl Connecting {
    /// Opens a connection, and logs in if it must.
    pub(super) async fn connect(&self, address: &Address) -> Result<Connection, Fault> {
        let connecting = async {
            let stream = self.stream(address).await.map_err(Fault::Lost)?;
            let mut connection = Connection { stream, patience: self.connect_timeout };
            if let Some(credentials) = &self.credentials {
                connection.log_in(credentials).await?;
            }
            connection.patience = self.timeout;
            Ok(connection)
        };
        let silent = |_| Err(Fault::Silent(self.connect_timeout));
        timeout(self.connect_timeout, connecting).await.unwrap_or_else(silent)
    }

    async fn stream(&self, address: &Address) -> io::Result<Box<dyn Stream>> {
        let tcp = TcpStream::connect((address.host.as_str(), address.port)).await?;
        tcp.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(tcp));
        };
        let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
        Ok(Box::new(tls.connect(name, tcp).await?))
    }
}

impl Connection {
    /// Sends a batch and reads its answers as they come: a server stops reading when
    /// nobody reads what it answers.
    ///
    /// Those before an error are in `answers`.
    pub(super) async fn run<B: Batch>(
        &mut self,
        batch: &B,
        answers: &mut Vec<Result<B::Answer, Fault>>,
    ) -> Result<(), Fault> {
        let (from_server, mut to_server) = split(&mut self.stream);
        let mut reader = Reader::new(BufReader::new(from_server), self.patience);
        let sending = async {
            for piece in pieces(batch.commands()) {
                // if it fails no answer comes, or one that says more
                if to_server.write_all(piece.as_bytes()).await.is_err()
                    || to_server.flush().await.is_err()
                {
                    break;
                }
            }
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            read = batch.read(&mut reader, answers) => read?,
            never = sending => match never {},
        }
        if reader.source().buffer().is_empty() {
            Ok(())
        } else {
            // then nobody knows what they are the answers to
            answers.clear();
            Err(Fault::Nonsense("more than the answers"))
        }
    }

    /// Whether nothing has come since the last answer, not even the end: then the
    /// connection can be used, as far as is known.
    pub(super) fn is_quiet(&self) -> bool {
        self.stream.is_quiet()
    }

    async fn log_in(&mut self, credentials: &Credentials) -> Result<(), Fault> {
        let Credentials { username, password } = credentials;
        // a server that asks for no password would keep it as an item that all can read
        match self.run(&Version, &mut Vec::new()).await {
            Err(Fault::Denied) => {}
            Ok(()) => return Err(Fault::NoLogin),
            Err(fault) => return Err(fault),
        }
        self.run(&LogIn { username, password: password.expose() }, &mut Vec::new()).await
    }
}

/// How many bytes of commands are written at once, unless one has more.
const PIECE_BYTES: usize = 8 * 1024;

/// Puts commands together to pieces that are written at once, so that each begins a
/// record of TLS and ends with one: memcached (1.6.18) reads a value to its end and then
/// forgets what else came in the same record, until more comes.
fn pieces(commands: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let mut commands = commands.peekable();
    std::iter::from_fn(move || {
        let mut piece = commands.next()?;
        while let Some(next) = commands.next_if(|next| piece.len() + next.len() <= PIECE_BYTES) {
            piece.push_str(&next);
        }
        Some(piece)
    })
}

/// A stream of bytes, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    fn is_quiet(&self) -> bool;
}

impl Stream for TcpStream {
    fn is_quiet(&self) -> bool {
        // a byte is lost by this, but then the connection is not used again
        let read = self.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Stream for TlsStream<TcpStream> {
    fn is_quiet(&self) -> bool {
        self.get_ref().0.is_quiet()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_not_cut() {
        let sizes = [1, PIECE_BYTES - 1, 1, PIECE_BYTES - 1, 2, 3 * PIECE_BYTES, 5, 6];
        let commands = sizes.map(|size| "x".repeat(size));
        let written: Vec<_> = pieces(commands.into_iter()).map(|piece| piece.len()).collect();
        assert_eq!(written, [PIECE_BYTES, PIECE_BYTES, 2, 3 * PIECE_BYTES, 11]);
        assert_eq!(pieces(std::iter::empty()).count(), 0);
    }
}
