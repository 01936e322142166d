//! Where calls are listened for.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands before the path of a Unix socket.
const UNIX: &str = "unix:";

/// An address of the network, or a Unix socket: `127.0.0.1:50051`,
/// `unix:/run/kvgate.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a socket on this machine.
    Unix(PathBuf),
}

impl Listen {
    /// Whether other machines can't reach it.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 50051)))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ListenVisitor)
    }
}

impl JsonSchema for Listen {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Listen".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

struct ListenVisitor;

impl Visitor<'_> for ListenVisitor {
    type Value = Listen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("socket address")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Listen, E> {
        match text.strip_prefix(UNIX) {
            Some(path) if path.starts_with('/') => Ok(Listen::Unix(path.into())),
            Some(_) => Err(E::custom("the path of a Unix socket begins with /")),
            None => text.parse().map(Listen::Tcp).map_err(E::custom),
        }
    }
}

/// Who may connect to a Unix socket, as `chmod` writes it: `"0660"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketMode(pub(crate) u32);

impl Default for SocketMode {
    fn default() -> Self {
        // the server's own user: others are let in by those who want them
        Self(0o600)
    }
}

impl Serialize for SocketMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0))
    }
}

impl<'de> Deserialize<'de> for SocketMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SocketModeVisitor)
    }
}

impl JsonSchema for SocketMode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SocketMode".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^0?[0-7]{3}$" })
    }
}

struct SocketModeVisitor;

impl Visitor<'_> for SocketModeVisitor {
    type Value = SocketMode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("three octal digits in a string, such as \"0660\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SocketMode, E> {
        let digits = text.strip_prefix('0').filter(|rest| rest.len() == 3).unwrap_or(text);
        let mode = u32::from_str_radix(digits, 8).ok();
        mode.filter(|_| digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit()))
            .map(SocketMode)
            .ok_or_else(|| E::custom("expected three octal digits, such as \"0660\""))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_and_sockets() {
        for text in ["127.0.0.1:50051", "[::1]:1", "unix:/run/kvgate.sock"] {
            let listen: Listen = serde_json::from_value(json!(text)).expect("a place");
            assert_eq!(listen.to_string(), text);
            assert!(listen.is_local());
        }
        for text in ["unix:", "unix:run/kvgate.sock", "localhost:1", ""] {
            assert!(serde_json::from_value::<Listen>(json!(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn modes() {
        for (text, mode) in [("0660", 0o660), ("600", 0o600), ("0777", 0o777), ("000", 0)] {
            let read: SocketMode = serde_json::from_value(json!(text)).expect("a mode");
            assert_eq!(read, SocketMode(mode), "{text}");
        }
        for text in ["660x", "66", "0o660", "+660", "888", "1777", "00660", ""] {
            assert!(serde_json::from_value::<SocketMode>(json!(text)).is_err(), "{text}");
        }
    }
}
