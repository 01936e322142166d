//! The HTTP client that all requests of a store share.

use std::time::Duration;

use kvgate_core::{BackendUrl, Result};
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity, Url};
use rustify::clients::reqwest::Client as HttpClient;
use vaultrs::api::EndpointMiddleware;
use vaultrs::client::{VaultClient, VaultClientSettings};

use super::fault::{credentials_refused, misconfigured};
use crate::tls::{TlsSettings, install_cryptography};

/// Where Vault is and how it is reached.
#[derive(Clone)]
pub(super) struct Connection {
    address: Url,
    namespace: Option<String>,
    http: reqwest::Client,
}

/// How long things may take, and how many connections are kept.
pub(super) struct Bounds {
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) idle_connections_max: usize,
}

impl Connection {
    pub(super) fn new(
        url: &BackendUrl,
        namespace: Option<String>,
        tls: &TlsSettings,
        bounds: &Bounds,
    ) -> Result<Self> {
        let address = Url::parse(url.expose())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.path() == "/")
            .ok_or_else(|| misconfigured("url must be https://HOST:PORT, or http://HOST:PORT"))?;
        if !address.username().is_empty() || address.password().is_some() {
            return Err(misconfigured(
                "url must not hold a user or a password: Vault takes a token",
            ));
        }
        let no_header = |name: &String| HeaderValue::from_str(name).is_err();
        if namespace.as_ref().is_some_and(no_header) {
            return Err(misconfigured("namespace holds characters that no namespace has"));
        }
        install_cryptography();
        let mut http = reqwest::Client::builder()
            .timeout(bounds.timeout)
            .connect_timeout(bounds.connect_timeout)
            .pool_max_idle_per_host(bounds.idle_connections_max)
            // over HTTP/2 all requests would share one connection, and hang with it
            .http1_only()
            // Vault redirects paths that it cleans, to entries that nobody asked for,
            // and a redirect to another host would take the token there
            .redirect(Policy::none());
        let files = tls.read()?;
        if let Some(authorities) = files.authorities {
            let authorities = Certificate::from_pem_bundle(&authorities)
                .map_err(|_| misconfigured("tls.ca_file holds no certificates in PEM"))?;
            http = http.tls_certs_only(authorities);
        } else if address.scheme() == "http" {
            // without TLS the system's authorities need not be there
            http = http.tls_certs_only([]);
        }
        if let Some((certificate, key)) = files.identity {
            let identity = Identity::from_pem(&[certificate, b"\n".to_vec(), key].concat())
                .map_err(|_| misconfigured("tls.cert_file and tls.key_file are not in PEM"))?;
            http = http.identity(identity);
        }
        let http = http.build();
        let http = http.map_err(|e| misconfigured("setting up HTTP for Vault").with_source(e))?;
        Ok(Self { address, namespace, http })
    }

    /// A client that shows this token, over the connections that all of them share.
    pub(super) fn client(&self, token: &str) -> Result<VaultClient> {
        // the library panics over others
        if HeaderValue::from_str(token).is_err() {
            return Err(credentials_refused("the token holds characters that no token has"));
        }
        let (namespace, token) = (self.namespace.clone(), token.to_owned());
        Ok(VaultClient {
            http: HttpClient::new(self.address.as_str(), self.http.clone()),
            middle: EndpointMiddleware {
                token: token.clone(),
                version: "v1".to_owned(),
                wrap: None,
                namespace: namespace.clone(),
            },
            settings: VaultClientSettings {
                address: self.address.clone(),
                ca_certs: Vec::new(),
                identity: None,
                timeout: None,
                token,
                verify: true,
                version: 1,
                wrapping: false,
                namespace,
                proxy: None,
            },
        })
    }
}
