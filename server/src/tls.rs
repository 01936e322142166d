//! TLS of the listener.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kvgate_core::Result;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::{ClientCertificates, Tls as Settings};
use crate::reload::{Reload, Reloaded, misconfigured};

/// gRPC is spoken over HTTP/2 alone.
const ALPN: &[u8] = b"h2";

/// What the listener shows, and what it asks of callers.
pub(crate) struct Tls {
    config: Arc<Reloaded<ServerConfig>>,
    handshake_timeout: Duration,
    /// Handshakes that may begin now.
    handshakes: Semaphore,
}

impl Tls {
    /// Reads the files.
    pub(crate) fn open(settings: &Settings) -> Result<Self> {
        let mut files = vec![settings.certificate_file.clone(), settings.key_file.clone()];
        files.extend(settings.client_ca_file.clone());
        let optional = settings.client_certificates == ClientCertificates::Optional;
        let config = Reloaded::open("server.tls", files, move |files| match files {
            [certificate, key] => config(certificate, key, None),
            [certificate, key, ca] => config(certificate, key, Some((ca, optional))),
            _ => Err(misconfigured("two or three files were expected")),
        })?;
        Ok(Self {
            config: Arc::new(config),
            handshake_timeout: settings.handshake_timeout,
            handshakes: Semaphore::new(settings.handshakes_max.get()),
        })
    }

    /// What is to be reloaded when its files change.
    pub(crate) fn reloaded(&self) -> Arc<dyn Reload> {
        Arc::clone(&self.config) as _
    }

    /// Agrees with a caller on keys. Certificates that were replaced serve new callers;
    /// those who are connected stay.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let agreeing = async {
            let _turn = self.handshakes.acquire().await.map_err(io::Error::other)?;
            let config = Arc::clone(&self.config.current());
            TlsAcceptor::from(config).accept(stream).await
        };
        match tokio::time::timeout(self.handshake_timeout, agreeing).await {
            Ok(agreed) => agreed,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// `clients` are the authorities that callers' certificates may come from, in PEM, and
/// whether callers may show none.
fn config(certificate: &[u8], key: &[u8], clients: Option<(&[u8], bool)>) -> Result<ServerConfig> {
    let chain = certificates("certificate_file", certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| misconfigured(format!("key_file has no private key in PEM: {error}")))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| misconfigured(error.to_string()))?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some((ca, optional)) => builder.with_client_cert_verifier(verifier(ca, optional)?),
    };
    // this also finds a key that belongs to another certificate
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| misconfigured(format!("certificate_file and key_file: {error}")))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn verifier(ca: &[u8], optional: bool) -> Result<Arc<dyn ClientCertVerifier>> {
    let mut authorities = RootCertStore::empty();
    for certificate in certificates("client_ca_file", ca)? {
        authorities
            .add(certificate)
            .map_err(|error| misconfigured(format!("client_ca_file: {error}")))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider);
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| misconfigured(format!("client_ca_file: {error}")))
}

/// All certificates of a PEM file, at least one.
pub(crate) fn certificates(field: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| misconfigured(format!("{field} is not PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(misconfigured(format!("{field} has no certificate in PEM")));
    }
    Ok(certificates)
}
