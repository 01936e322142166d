//! A server that encrypts, and those who connect to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kvgate_tests::certificates::{Authority, Files, LOCAL_NAMES};
use kvgate_tests::client::Client;
use kvgate_tests::failure::{Failure, Outcome};
use kvgate_tests::folder::Folder;
use kvgate_tests::server::Server;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// The store of nearly every test.
pub(crate) const STORE: &str = "[stores.main]\ntype = \"memory\"\n";

/// A folder with an authority, and a certificate of the server's.
pub(crate) struct Secure {
    pub(crate) folder: Folder,
    pub(crate) authority: Authority,
    pub(crate) server: Files,
}

impl Secure {
    pub(crate) fn new() -> Outcome<Self> {
        let folder = Folder::new()?;
        let authority = Authority::new(&folder.path("certificates"), "authority")?;
        let server = authority.sign("server", LOCAL_NAMES)?;
        Ok(Self { folder, authority, server })
    }

    /// Where certificates are.
    pub(crate) fn directory(&self) -> PathBuf {
        self.folder.path("certificates")
    }

    /// The table `[server.tls]`; `more` are further fields of it.
    pub(crate) fn tls(&self, more: &str) -> String {
        format!(
            "[server.tls]\ncertificate_file = '{}'\nkey_file = '{}'\n{more}\n",
            self.server.certificate.display(),
            self.server.key.display()
        )
    }

    /// Fields of `[server.tls]` by which callers show certificates.
    pub(crate) fn client_certificates(&self, which: &str) -> String {
        let ca = self.authority.certificate.display();
        format!("client_ca_file = '{ca}'\nclient_certificates = \"{which}\"\n")
    }

    /// Starts the server. `server` are fields of `[server]`, `tables` other tables.
    pub(crate) async fn start(&self, server: &str, tables: &str) -> Outcome<Server> {
        self.folder.start(&format!("{server}\n{tables}\n{STORE}")).await
    }

    /// A client that trusts the authority.
    pub(crate) async fn client(&self, server: &Server, own: Option<&Files>) -> Outcome<Client> {
        connect(server.address(), &self.authority.certificate, own).await
    }
}

/// Connects over TLS.
pub(crate) async fn connect(
    address: SocketAddr,
    authority: &Path,
    own: Option<&Files>,
) -> Outcome<Client> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(std::fs::read(authority)?))
        .domain_name("localhost");
    if let Some(own) = own {
        let (certificate, key) = (std::fs::read(&own.certificate)?, std::fs::read(&own.key)?);
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let endpoint = Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls)?;
    Client::through(endpoint).await
}

/// Agrees with the server on keys and goes no further.
pub(crate) async fn handshake(
    address: SocketAddr,
    authority: &Path,
    version: &'static SupportedProtocolVersion,
    protocols: &[&str],
) -> Outcome<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&std::fs::read(authority)?)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost")?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
}

/// The certificate that the server shows to a new caller.
pub(crate) async fn shown(address: SocketAddr, authority: &Path) -> Outcome<Vec<u8>> {
    let stream = handshake(address, authority, &rustls::version::TLS13, &["h2"]).await?;
    let certificates = stream.get_ref().1.peer_certificates();
    let first = certificates.and_then(<[_]>::first);
    Ok(first.ok_or_else(|| Failure::new("the server shows no certificate"))?.to_vec())
}
