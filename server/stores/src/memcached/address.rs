//! Where a server is.

use std::fmt;

/// The port of a server that none is given for.
pub(super) const PORT: u16 = 11_211;

/// A host and a port. `Display` writes them as `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Reads `host`, `host:port`, `[address]:port` or an IPv6 address alone; the error
    /// says what is wrong with it.
    pub(super) fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            // an empty port is none, so that this is refused
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or_default())),
            None => match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                // without a colon, or with several: an IPv6 address
                _ => (text, None),
            },
        };
        let port = port.map_or(Ok(default_port), str::parse::<u16>);
        match port {
            Ok(port @ 1..) if is_host(host) => Ok(Self { host: host.to_owned(), port }),
            _ => Err(format!("{text:?} is not a host, or host and port such as \"cache:11211\"")),
        }
    }
}

fn is_host(host: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    !host.is_empty() && host.chars().all(is_plain)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, address) in [
            ("cache", "cache:11211"),
            ("cache:1", "cache:1"),
            ("10.0.0.1:11212", "10.0.0.1:11212"),
            ("::1", "[::1]:11211"),
            ("[::1]", "[::1]:11211"),
        ] {
            let read = Address::parse(text, PORT).map(|address| address.to_string());
            assert_eq!(read.as_deref(), Ok(address), "{text}");
        }
        for text in
            ["", ":1", "cache:", "cache:0", "cache:65536", "[::1]7", "[]:1", "a b", "memcache://a"]
        {
            assert!(Address::parse(text, PORT).is_err(), "{text}");
        }
    }
}
