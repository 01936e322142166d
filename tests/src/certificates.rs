//! Certificates for servers and clients that speak TLS.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::failure::Outcome;

/// An authority of the tests' own, and what it has signed, as files in PEM.
pub struct Certificates {
    /// The certificate of the authority.
    pub authority: PathBuf,
    /// For a server on loopback.
    pub server: Identity,
    /// For a client.
    pub client: Identity,
}

/// A certificate and its key.
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes them in a directory, which is made.
    pub fn make(directory: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(directory)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let authority = directory.join("authority.pem");
        std::fs::write(&authority, params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        let sign = |name: &str, purpose: ExtendedKeyUsagePurpose| -> Outcome<Identity> {
            let names = ["localhost", "127.0.0.1"].map(str::to_owned);
            let mut params = CertificateParams::new(names)?;
            params.extended_key_usages = vec![purpose];
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &issuer)?;
            let identity = Identity {
                certificate: directory.join(format!("{name}.pem")),
                key: directory.join(format!("{name}.key")),
            };
            std::fs::write(&identity.certificate, certificate.pem())?;
            std::fs::write(&identity.key, key.serialize_pem())?;
            Ok(identity)
        };
        Ok(Self {
            authority,
            server: sign("server", ExtendedKeyUsagePurpose::ServerAuth)?,
            client: sign("client", ExtendedKeyUsagePurpose::ClientAuth)?,
        })
    }

    /// The `tls` setting of a store, as lines of TOML: it trusts the authority, and
    /// shows a certificate if it has one.
    pub fn settings(&self, own: Option<&Identity>) -> String {
        let mut settings = vec![("ca_file", &self.authority)];
        if let Some(Identity { certificate, key }) = own {
            settings.extend([("cert_file", certificate), ("key_file", key)]);
        }
        let line = |(name, file): (&str, &PathBuf)| format!("tls.{name} = '{}'\n", file.display());
        settings.into_iter().map(line).collect()
    }
}
