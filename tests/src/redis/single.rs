//! One server that has all keys.

use std::net::SocketAddr;
use std::path::Path;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::server::{Server, Start};
use super::{KEEP_ALL, Product, local};
use crate::certificates::Certificates;
use crate::failure::Outcome;
use crate::ports;
use crate::setups::Backend;

/// The one user of servers that ask for a password.
const USER: &str = "kvgate";
const PASSWORD: &str = "hunter2 of \u{e9}t\u{e9}";
const WRONG_PASSWORD: &str = "hunter3";

/// What a server asks of its clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// A user name and a password.
    pub password: bool,
    /// TLS, and that they trust its certificate.
    pub tls: bool,
    /// With TLS, a certificate of their own.
    pub client_certificate: bool,
}

/// One server.
pub struct Single {
    product: Product,
    options: Options,
    server: Server,
    certificates: Option<Certificates>,
}

impl Single {
    /// Starts a server that keeps its data below a directory.
    pub async fn start(product: Product, directory: &Path, options: Options) -> Outcome<Self> {
        let port = ports::free()?;
        let made = options.tls.then(|| Certificates::make(&directory.join("certificates")));
        let certificates = made.transpose()?;
        let listening = match &certificates {
            Some(certificates) => tls(port, certificates, options.client_certificate),
            None => format!("port {port}\n"),
        };
        let users = if options.password { users() } else { String::new() };
        let config = format!("{listening}{users}{KEEP_ALL}");
        let login = options.password.then_some((USER, PASSWORD));
        let (config, is_sentinel) = (config.as_str(), false);
        let start = Start { product, directory, port, config, login, is_sentinel };
        Ok(Self { product, options, server: Server::start(start).await?, certificates })
    }

    fn settings_with(&self, address: SocketAddr, password: &str) -> String {
        let scheme = if self.options.tls { "rediss" } else { "redis" };
        // each product is told in one of the two ways
        let mut settings = vec![match (self.product, self.options.tls) {
            (Product::Valkey, false) => {
                format!("host = \"{}\"\nport = {}\n", address.ip(), address.port())
            }
            _ => format!("url = \"{scheme}://{address}\"\n"),
        }];
        if self.options.password {
            settings.push(format!("username = \"{USER}\"\npassword = \"{password}\"\n"));
        }
        if let Some(certificates) = &self.certificates {
            let own = self.options.client_certificate.then_some(&certificates.client);
            settings.push(certificates.settings(own));
        }
        settings.concat()
    }
}

/// The lines of a configuration with one user, who has a password.
fn users() -> String {
    format!("user default off\nuser {USER} on \">{PASSWORD}\" ~* &* +@all\n")
}

/// The lines of a configuration with TLS and nothing else.
fn tls(port: u16, certificates: &Certificates, ask_for_certificate: bool) -> String {
    let Certificates { authority, server, .. } = certificates;
    format!(
        "port 0\ntls-port {port}\ntls-auth-clients {}\ntls-ca-cert-file {}\n\
         tls-cert-file {}\ntls-key-file {}\n",
        if ask_for_certificate { "yes" } else { "no" },
        authority.display(),
        server.certificate.display(),
        server.key.display(),
    )
}

#[async_trait]
impl Backend for Single {
    fn settings(&self) -> String {
        self.settings_with(self.address(), PASSWORD)
    }

    fn behind(&self, proxy: SocketAddr) -> Option<String> {
        Some(self.settings_with(proxy, PASSWORD))
    }

    fn address(&self) -> SocketAddr {
        local(self.server.port)
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        let settings = || self.settings_with(self.address(), WRONG_PASSWORD);
        self.options.password.then(|| (settings(), WRONG_PASSWORD))
    }

    fn python(&self) -> Value {
        json!({ "host": "127.0.0.1", "port": self.server.port })
    }

    async fn stop(&self) -> Outcome {
        self.server.daemon.stop().await
    }

    async fn start(&self) -> Outcome {
        self.server.daemon.restart().await
    }

    fn freeze(&self) -> Outcome {
        self.server.daemon.freeze()
    }

    fn thaw(&self) -> Outcome {
        self.server.daemon.thaw()
    }

    /// A text that is no envelope, or nothing that a text could be.
    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome {
        let stored = format!("{collection}::{key}");
        self.server.ask(&["DEL", &stored])?;
        match self.product {
            Product::Redis => self.server.ask(&["RPUSH", &stored, "foreign"])?,
            Product::Valkey => self.server.ask(&["SET", &stored, "foreign"])?,
        };
        Ok(())
    }

    async fn contents(&self) -> Outcome<String> {
        self.server.contents()
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        self.server.commands().map(Some)
    }
}
