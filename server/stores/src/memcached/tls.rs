//! TLS to the servers.

use std::sync::Arc;

use kvgate_core::{Error, Kind, Result};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::tls::{TlsFiles, TlsSettings, install_cryptography};

/// Makes what encrypts connections.
pub(super) fn connector(settings: &TlsSettings) -> Result<TlsConnector> {
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
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| unusable("key_file", e))?;
            let chain = certificates("cert_file", &certificate)?;
            config.with_client_auth_cert(chain, key).map_err(|e| unusable("key_file", e))?
        }
    };
    // memcached ends a connection that goes on with the session of an earlier one, if it
    // asks for certificates
    config.resumption = Resumption::disabled();
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
