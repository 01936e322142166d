//! The settings, and what is made of them.

use std::borrow::Cow;
use std::num::{NonZeroU16, NonZeroUsize};
use std::time::Duration;

use kvgate_core::name::Sanitize;
use kvgate_core::{Secret, duration};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::address::{Address, PORT};
use super::connection::Credentials;
use crate::tls::TlsSettings;

/// The least that memcached takes for its `-I`.
const ITEM_BYTES_MAX_LEAST: usize = 1024;

/// Settings of a Memcached store, as they are used.
#[derive(Deserialize)]
#[serde(try_from = "Settings")]
pub struct Config {
    pub(super) addresses: Vec<Address>,
    pub(super) credentials: Option<Credentials>,
    pub(super) tls: Option<TlsSettings>,
    pub(super) connections: NonZeroUsize,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) item_bytes_max: usize,
    pub(super) sanitize: Sanitize,
}

impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        Settings::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Settings::json_schema(generator)
    }
}

/// Settings of a Memcached store.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// The server's name or address; `127.0.0.1` if neither it nor `hosts` is set.
    host: Option<String>,
    /// The server's port; 11211 if it is not set.
    port: Option<NonZeroU16>,
    /// Several servers, as `host:port`, instead of `host` and `port`. Keys are spread
    /// over them by ketama, which goes by what is written here: a server that is
    /// written in another way, added or removed takes its share of the keys with it.
    hosts: Option<Vec<String>>,
    /// The user, where the servers ask for one.
    username: Option<String>,
    /// The user's password.
    password: Option<Secret>,
    /// Encrypts connections; an empty table is enough where the servers' certificates
    /// come from an authority that the system knows.
    tls: Option<TlsSettings>,
    /// The most connections to each server.
    connections: NonZeroUsize,
    /// How long a server may take for an answer, and a call may wait for a connection.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "5s"))]
    timeout: Duration,
    /// How long a connection may take to be made.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "2s"))]
    connect_timeout: Duration,
    /// The largest item that the servers take, in bytes: their option `-I`. Names, times
    /// and value of an entry must fit in it together.
    #[schemars(range(min = ITEM_BYTES_MAX_LEAST))]
    item_bytes_max: usize,
    /// How an item's name is made from names that memcached can't take.
    sanitize: Sanitize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: None,
            port: None,
            hosts: None,
            username: None,
            password: None,
            tls: None,
            connections: const { NonZeroUsize::new(16).unwrap() },
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            item_bytes_max: 1024 * 1024,
            sanitize: Sanitize::default(),
        }
    }
}

impl TryFrom<Settings> for Config {
    type Error = String;

    fn try_from(settings: Settings) -> Result<Self, String> {
        if settings.item_bytes_max < ITEM_BYTES_MAX_LEAST {
            return Err(format!("item_bytes_max: expected at least {ITEM_BYTES_MAX_LEAST}"));
        }
        Ok(Self {
            addresses: settings.addresses()?,
            credentials: match (settings.username, settings.password) {
                (Some(username), Some(password)) => Some(credentials(username, password)?),
                (None, None) => None,
                (Some(_), None) => return Err("username needs password".to_owned()),
                (None, Some(_)) => return Err("password needs username".to_owned()),
            },
            tls: settings.tls,
            connections: settings.connections,
            timeout: settings.timeout,
            connect_timeout: settings.connect_timeout,
            item_bytes_max: settings.item_bytes_max,
            sanitize: settings.sanitize,
        })
    }
}

impl Settings {
    fn addresses(&self) -> Result<Vec<Address>, String> {
        let port = self.port.map_or(PORT, NonZeroU16::get);
        let Some(hosts) = &self.hosts else {
            let host = self.host.as_deref().unwrap_or("127.0.0.1");
            return Ok(vec![Address::parse(host, port).map_err(|e| format!("host: {e}"))?]);
        };
        if self.host.is_some() || self.port.is_some() {
            return Err("hosts, and host or port: expected one of the two".to_owned());
        }
        if hosts.is_empty() {
            return Err("hosts: expected at least one".to_owned());
        }
        let mut addresses = Vec::new();
        for host in hosts {
            let address = Address::parse(host, PORT).map_err(|e| format!("hosts: {e}"))?;
            if addresses.contains(&address) {
                return Err(format!("hosts: {address} is there twice"));
            }
            addresses.push(address);
        }
        Ok(addresses)
    }
}

/// memcached takes both as one text, in which a space ends the user.
fn credentials(username: String, password: Secret) -> Result<Credentials, String> {
    if username.is_empty() || username.contains(' ') {
        return Err("username: it must not be empty or have a space".to_owned());
    }
    Ok(Credentials { username, password })
}
