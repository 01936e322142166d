//! Callers who are known by the certificate of their connection, which TLS has verified.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::{How, Identity};
use crate::access::{Pattern, Roles};
use crate::config::CertificateEntry;

/// What roles names in certificates have.
pub(super) struct Certificates {
    entries: Vec<(Pattern, Vec<String>)>,
    roles: Arc<Roles>,
}

impl Certificates {
    pub(super) fn new(entries: &[CertificateEntry], roles: &Arc<Roles>) -> Self {
        let entry = |entry: &CertificateEntry| (Pattern::new(&entry.name), entry.roles.clone());
        Self { entries: entries.iter().map(entry).collect(), roles: Arc::clone(roles) }
    }

    /// Who shows such a certificate. It is called by the first of its names that an entry
    /// is for, and has the roles of all of them.
    pub(super) fn identity(&self, certificate: &[u8]) -> Option<Arc<Identity>> {
        if self.entries.is_empty() {
            return None;
        }
        let der = CertificateDer::from(certificate);
        let certificate = EndEntityCert::try_from(&der).ok()?;
        // URIs first: a SPIFFE ID says more than the name of a host
        let names = certificate.valid_uri_names().chain(certificate.valid_dns_names());
        let mut principal = None;
        let mut roles = Vec::new();
        for name in names {
            for (_, of) in self.entries.iter().filter(|(pattern, _)| pattern.matches(name)) {
                principal.get_or_insert_with(|| name.to_owned());
                roles.extend(of.iter().map(String::as_str));
            }
        }
        let access = self.roles.access(roles);
        let identity = |principal| Arc::new(Identity { principal, how: How::Certificate, access });
        principal.map(identity)
    }
}
