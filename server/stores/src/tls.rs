//! TLS to a backend, for the stores that have a network client.

use std::path::{Path, PathBuf};

use kvgate_core::{Error, Kind, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// How connections to the backend are encrypted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "as settings they stand beside others")]
pub(crate) struct TlsSettings {
    /// The certificates of authorities that the backend's certificate may come from, in
    /// PEM; those of the system if it is not set.
    ca_file: Option<PathBuf>,
    /// The certificate that kvgate shows to the backend, in PEM; it needs `key_file`.
    cert_file: Option<PathBuf>,
    /// The private key of `cert_file`, in PEM.
    key_file: Option<PathBuf>,
}

/// What the files of [`TlsSettings`] hold.
pub(crate) struct TlsFiles {
    /// Authorities, in PEM.
    pub(crate) authorities: Option<Vec<u8>>,
    /// Certificate and key, in PEM.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl TlsSettings {
    /// Reads the files.
    pub(crate) fn read(&self) -> Result<TlsFiles> {
        let identity = match (&self.cert_file, &self.key_file) {
            (Some(cert), Some(key)) => Some((read("cert_file", cert)?, read("key_file", key)?)),
            (None, None) => None,
            (Some(_), None) => return Err(misconfigured("cert_file needs key_file")),
            (None, Some(_)) => return Err(misconfigured("key_file needs cert_file")),
        };
        let authorities = self.ca_file.as_deref().map(|file| read("ca_file", file)).transpose()?;
        Ok(TlsFiles { authorities, identity })
    }
}

/// Chooses the cryptography of the whole process, once: libraries that don't say which
/// they want take it from here.
pub(crate) fn install_cryptography() {
    // it fails if there is one already, which is then used
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

fn read(name: &str, file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        misconfigured(format!("reading tls.{name} {}", file.display())).with_source(error)
    })
}

fn misconfigured(context: impl Into<String>) -> Error {
    Error::new(Kind::Misconfigured, context)
}
