//! Certificates for those who encrypt: authorities of the test's own, and what they sign.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

use crate::failure::Outcome;

/// Who the server on this machine is.
pub const LOCAL_NAMES: &[&str] = &["localhost", "127.0.0.1"];

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
#[derive(Clone)]
pub struct Files {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Files {
    /// Puts these in the place of others, the key last.
    pub fn replace(&self, others: &Self) -> Outcome {
        std::fs::copy(&self.certificate, &others.certificate)?;
        std::fs::copy(&self.key, &others.key)?;
        Ok(())
    }
}

impl Certificates {
    /// Makes them in a directory, which is made.
    pub fn make(directory: &Path) -> Outcome<Self> {
        let authority = Authority::new(directory, "authority")?;
        Ok(Self {
            authority: authority.certificate.clone(),
            server: authority.sign("server", LOCAL_NAMES)?,
            client: authority.sign("client", &["client"])?,
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

/// One who signs certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
    /// Its own certificate.
    pub certificate: PathBuf,
}

impl Authority {
    /// Makes one whose files are in a directory, which is made.
    pub fn new(directory: &Path, name: &str) -> Outcome<Self> {
        std::fs::create_dir_all(directory)?;
        let mut of_authority = parameters(name, &[])?;
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(of_authority, KeyPair::generate()?)?;
        let certificate = directory.join(format!("{name}.pem"));
        std::fs::write(&certificate, issuer.pem())?;
        Ok(Self { issuer, directory: directory.to_owned(), certificate })
    }

    /// Signs a certificate for names: of hosts, addresses, or URIs.
    pub fn sign(&self, name: &str, of: &[&str]) -> Outcome<Files> {
        self.write(name, &parameters(name, of)?)
    }

    /// Signs a certificate that has expired.
    pub fn sign_expired(&self, name: &str, of: &[&str]) -> Outcome<Files> {
        let mut parameters = parameters(name, of)?;
        parameters.not_before = rcgen::date_time_ymd(2001, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2002, 1, 1);
        self.write(name, &parameters)
    }

    fn write(&self, name: &str, parameters: &CertificateParams) -> Outcome<Files> {
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.issuer)?;
        let files = Files {
            certificate: self.directory.join(format!("{name}.pem")),
            key: self.directory.join(format!("{name}-key.pem")),
        };
        std::fs::write(&files.certificate, certificate.pem())?;
        std::fs::write(&files.key, key.serialize_pem())?;
        Ok(files)
    }
}

/// What a certificate says. Its own name must differ from its authority's, or it is
/// taken for one that has signed itself.
fn parameters(name: &str, of: &[&str]) -> Outcome<CertificateParams> {
    let (uris, hosts): (Vec<&str>, Vec<&str>) = of.iter().partition(|name| name.contains("://"));
    let mut parameters =
        CertificateParams::new(hosts.into_iter().map(str::to_owned).collect::<Vec<_>>())?;
    for uri in uris {
        parameters.subject_alt_names.push(SanType::URI(uri.try_into()?));
    }
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(parameters)
}
