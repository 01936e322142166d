//! How to encrypt, and whom to trust.

use std::path::{Path, PathBuf};

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::error::{Error, Result};

/// How to encrypt, and whom to trust. The files are PEM, and read when the client is made.
///
/// ```
/// # use kvgate_client::Tls;
/// let public = Tls::new(); // the system's authorities
/// let mutual = Tls::new().ca_file("ca.pem").identity_files("me.pem", "me.key");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tls {
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    server_name: Option<String>,
}

impl Tls {
    /// TLS with servers whose certificates come from one of the system's authorities.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities in this file instead of the system's.
    #[must_use]
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    /// Shows this certificate to servers that ask for one (mTLS).
    #[must_use]
    pub fn identity_files(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// The name that the server's certificate must have, if it isn't that of the address.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Reads the files. `host` is the address', whose name the certificate must have.
    pub(crate) fn config(&self, host: &str) -> Result<ClientTlsConfig> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let mut tls = ClientTlsConfig::new().domain_name(name.trim_matches(['[', ']']));
        tls = match &self.ca {
            Some(file) => tls.ca_certificate(Certificate::from_pem(read(file)?)),
            None => tls.with_native_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        Ok(tls)
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file)
        .map_err(|error| Error::option(format!("reading {}: {error}", file.display())))
}
