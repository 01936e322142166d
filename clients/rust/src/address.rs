//! Where a server is.

use std::net::IpAddr;

use http::Uri;

use crate::error::{Error, Result};

/// Where a server is, or several that share a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A host and a port, as the URL has them.
    Host { uri: Uri, host: String },
    /// A Unix socket, as the URL that tonic takes.
    Socket(String),
    /// All addresses that a name has, asked for again and again.
    Name { host: String, port: u16 },
}

const EXPECTED: &str = "an address is http://HOST:PORT, https://HOST:PORT, HOST:PORT, \
                        dns:///HOST:PORT or unix:/PATH";

impl Address {
    /// Reads an address; `tls` says whether TLS was asked for besides. Also says whether
    /// there is to be TLS.
    pub(crate) fn parse(address: &str, tls: bool) -> Result<(Self, bool)> {
        if address.starts_with("unix:") {
            let message = "a Unix socket has no TLS: leave `tls` out";
            let socket = Self::Socket(address.to_owned());
            return if tls { Err(Error::option(message)) } else { Ok((socket, false)) };
        }
        if let Some(name) = address.strip_prefix("dns:///") {
            let (host, port) = host_and_port(&format!("http://{name}"))?;
            let port = port.ok_or_else(|| Error::option(EXPECTED))?;
            return Ok((Self::Name { host, port }, tls));
        }
        let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
        let tls = match (scheme, tls) {
            ("https", _) | ("", true) => true,
            ("http", true) => {
                return Err(Error::option("an http address has no TLS: write https"));
            }
            ("http" | "", false) => false,
            _ => return Err(Error::option(EXPECTED)),
        };
        let scheme = if tls { "https" } else { "http" };
        let url = format!("{scheme}://{}", rest.trim_end_matches('/'));
        let (host, _) = host_and_port(&url)?;
        let uri = url.parse().map_err(|_| Error::option(EXPECTED))?;
        Ok((Self::Host { uri, host }, tls))
    }

    /// Whether what is sent there stays on this machine.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Host { host, .. } | Self::Name { host, .. } => {
                let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
                host == "localhost" || address.is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

fn host_and_port(url: &str) -> Result<(String, Option<u16>)> {
    let uri: Uri = url.parse().map_err(|_| Error::option(EXPECTED))?;
    // a user or a path would be left out without a word
    let plain = uri.authority().is_some_and(|it| !it.as_str().contains('@'));
    match uri.host() {
        Some(host) if plain && !host.is_empty() && matches!(uri.path(), "" | "/") => {
            Ok((host.to_owned(), uri.port_u16()))
        }
        _ => Err(Error::option(EXPECTED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (written, uri, local) in [
            ("http://127.0.0.1:50051", "http://127.0.0.1:50051/", true),
            ("localhost:50051", "http://localhost:50051/", true),
            ("http://[::1]:50051/", "http://[::1]:50051/", true),
            ("https://kvgate.example", "https://kvgate.example/", false),
        ] {
            let (address, tls) = Address::parse(written, false).expect(written);
            assert_eq!((address.is_local(), tls), (local, uri.starts_with("https")), "{written}");
            let Address::Host { uri: found, .. } = address else { panic!("{written}") };
            assert_eq!(found.to_string(), uri);
        }
        let (name, tls) = Address::parse("dns:///kvgate-headless:50051", true).expect("a name");
        assert_eq!(name, Address::Name { host: "kvgate-headless".to_owned(), port: 50051 });
        assert!(tls && !name.is_local());
        assert!(Address::parse("unix:/run/kvgate.sock", false).expect("a socket").0.is_local());
    }

    #[test]
    fn what_is_no_address() {
        let bad = ["", "ftp://host:1", "http://", "http://user:secret@host:1", "http://host/path"];
        for written in bad.into_iter().chain(["dns:///host", "http://ho st"]) {
            let error = Address::parse(written, false).expect_err(written).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(Address::parse("http://host:1", true).is_err());
        assert!(Address::parse("unix:/socket", true).is_err());
    }
}
