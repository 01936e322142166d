//! Certificates for backends that encrypt: an authority of the test's own, and what it
//! signs.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::failure::Outcome;

/// PEM files, each certificate with its key.
pub struct Certificates {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// For the server on this machine.
    pub server: Files,
    /// For its client.
    pub client: Files,
}

/// A certificate and its key.
pub struct Files {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes them in a directory, which is made.
    pub fn make(directory: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(directory)?;
        let mut of_authority = parameters("authority", &[])?;
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(of_authority, KeyPair::generate()?)?;
        let file = directory.join("authority.pem");
        std::fs::write(&file, authority.pem())?;
        let sign = |name: &str, of: &[&str]| -> Outcome<Files> {
            let key = KeyPair::generate()?;
            let certificate = parameters(name, of)?.signed_by(&key, &authority)?;
            let files = Files {
                certificate: directory.join(format!("{name}.pem")),
                key: directory.join(format!("{name}-key.pem")),
            };
            std::fs::write(&files.certificate, certificate.pem())?;
            std::fs::write(&files.key, key.serialize_pem())?;
            Ok(files)
        };
        Ok(Self {
            authority: file,
            server: sign("server", &["localhost", "127.0.0.1"])?,
            client: sign("client", &["client"])?,
        })
    }

    /// The `tls` setting of a store, as lines of TOML: it trusts the authority, and
    /// shows a certificate if it has one.
    pub fn settings(&self, own: Option<&Files>) -> String {
        let mut settings = vec![("ca_file", &self.authority)];
        if let Some(Files { certificate, key }) = own {
            settings.extend([("cert_file", certificate), ("key_file", key)]);
        }
        let line = |(name, file): (&str, &PathBuf)| format!("tls.{name} = '{}'\n", file.display());
        settings.into_iter().map(line).collect()
    }
}

/// What a certificate says. Its own name must differ from its authority's, or it is
/// taken for one that has signed itself.
fn parameters(name: &str, of: &[&str]) -> Outcome<CertificateParams> {
    let of: Vec<_> = of.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = CertificateParams::new(of)?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(parameters)
}
