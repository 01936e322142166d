//! Where connections come from: an address of the network, or a Unix socket.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, TcpStream as StdTcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};

use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

#[cfg(unix)]
use super::socket_file::SocketFile;
use crate::config::{Listen, SocketMode};

/// A listening socket that nobody accepts from yet: a port in use is found before
/// anything else is started.
pub(crate) enum Listener {
    Tcp(StdTcpListener),
    #[cfg(unix)]
    Unix(StdUnixListener, SocketFile),
}

impl Listener {
    /// Binds the socket. `mode` says who may connect to one in the file system.
    pub(crate) fn bind(listen: &Listen, mode: SocketMode) -> io::Result<Self> {
        match listen {
            Listen::Tcp(address) => Ok(Self::Tcp(bind_tcp(*address)?)),
            #[cfg(unix)]
            Listen::Unix(path) => {
                let (listener, file) = SocketFile::bind(path, mode.0)?;
                Ok(Self::Unix(listener, file))
            }
            #[cfg(not(unix))]
            Listen::Unix(_) => {
                let _ = mode;
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    }

    /// Where it listens, with the port that the system chose.
    pub(crate) fn place(&self) -> io::Result<Listen> {
        match self {
            Self::Tcp(listener) => Ok(Listen::Tcp(listener.local_addr()?)),
            #[cfg(unix)]
            Self::Unix(_, file) => Ok(Listen::Unix(file.path().to_owned())),
        }
    }

    /// Makes it accept, on the runtime of the caller.
    pub(super) fn into_tokio(self) -> io::Result<Acceptor> {
        Ok(match self {
            Self::Tcp(listener) => Acceptor::Tcp(TcpListener::from_std(listener)?),
            #[cfg(unix)]
            Self::Unix(listener, file) => Acceptor::Unix(UnixListener::from_std(listener)?, file),
        })
    }
}

/// Binds an address of the network.
pub(crate) fn bind_tcp(address: SocketAddr) -> io::Result<StdTcpListener> {
    let listener = StdTcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A listener that accepts. A Unix socket's file goes with it.
pub(super) enum Acceptor {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, #[expect(dead_code, reason = "it is removed when dropped")] SocketFile),
}

impl Acceptor {
    pub(super) async fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Socket::Tcp(stream.into_std()?, peer))
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok(Socket::Unix(stream.into_std()?))
            }
        }
    }
}

/// A connection that belongs to no runtime: it is handed to one.
pub(super) enum Socket {
    Tcp(StdTcpStream, SocketAddr),
    #[cfg(unix)]
    Unix(StdUnixStream),
}

/// A connection of one runtime.
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn into_tokio(self) -> io::Result<Stream> {
        match self {
            Self::Tcp(stream, _) => {
                // small answers must not wait for the acknowledgement of those before
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(TcpStream::from_std(stream)?))
            }
            #[cfg(unix)]
            Self::Unix(stream) => Ok(Stream::Unix(UnixStream::from_std(stream)?)),
        }
    }

    /// Who is at the other end, as far as the system knows.
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Tcp(_, peer) => Origin::Network(*peer),
            #[cfg(unix)]
            Self::Unix(_) => Origin::SameMachine,
        }
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    Network(SocketAddr),
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no Unix sockets"))]
    SameMachine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => write!(f, "{address}"),
            Self::SameMachine => f.write_str("unix"),
        }
    }
}
