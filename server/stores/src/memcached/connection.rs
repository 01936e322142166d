//! A connection to a memcached server.

use std::sync::Arc;

use kvgate_core::{Error, Kind, Result, Secret};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::convert::Infallible;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, split};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::Address;
use super::commands::{Batch, LogIn, Version};
use super::reader::{Fault, Reader};
use crate::tls::{TlsFiles, TlsSettings, install_cryptography};

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
        let commands = batch.commands();
        let (from_server, mut to_server) = split(&mut self.stream);
        let mut reader = Reader::new(BufReader::new(from_server), self.patience);
        let sending = async {
            // if it fails no answer comes, or one that says more
            if to_server.write_all(&commands).await.is_ok() {
                drop(to_server.flush().await);
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

/// What encrypts connections.
pub(super) fn tls(settings: &TlsSettings) -> Result<TlsConnector> {
    install_cryptography();
    let TlsFiles { authorities, identity } = settings.read()?;
    let mut roots = RootCertStore::empty();
    if let Some(pem) = authorities {
        for certificate in certificates("ca_file", &pem)? {
            roots.add(certificate).map_err(|e| unusable("ca_file", e))?;
        }
    } else {
        // those that can't be read are no reason to do without the others
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| unusable("key_file", e))?;
            let chain = certificates("cert_file", &certificate)?;
            config.with_client_auth_cert(chain, key).map_err(|e| unusable("key_file", e))?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(name: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let read = read.map_err(|e| unusable(name, e))?;
    if read.is_empty() {
        return Err(Error::new(Kind::Misconfigured, format!("tls.{name} has no certificate")));
    }
    Ok(read)
}

fn unusable(name: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Misconfigured, format!("tls.{name} can't be used")).with_source(error)
}
