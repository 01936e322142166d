//! The settings, and what they come to.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use kvgate_core::{BackendUrl, Secret, duration};
use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::connection::Address;
use crate::tls::TlsSettings;

/// Where a server listens unless something else is said.
const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 6379;

/// The most connections to one server: each serves a great many callers.
const CONNECTIONS_MAX: usize = 64;

/// Time-outs are at least so long.
const TIMEOUT_MIN: Duration = Duration::from_millis(10);

/// How URLs begin, and whether that means TLS.
const SCHEMES: [(&str, bool); 4] =
    [("redis", false), ("rediss", true), ("valkey", false), ("valkeys", true)];

/// Settings as they are written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// What the servers are: one, a cluster, or a primary that Sentinels watch.
    mode: Mode,
    /// Where the one server is: `redis://user:password@host:6379/0`, or `rediss://` with
    /// TLS. Instead of it there can be `host`, `port`, `db`, `username` and `password`.
    url: Option<BackendUrl>,
    /// The name or address of the one server.
    #[schemars(extend("default" = DEFAULT_HOST))]
    host: Option<String>,
    /// The port of the one server.
    #[schemars(range(min = 1), extend("default" = DEFAULT_PORT))]
    port: Option<u16>,
    /// Some of the cluster's nodes, the others are found; or all the Sentinels.
    urls: Vec<BackendUrl>,
    /// The name by which the Sentinels know the primary.
    sentinel_service: Option<String>,
    /// The number of the database. A cluster has no other than 0.
    #[schemars(extend("default" = 0))]
    db: Option<u32>,
    /// The user that the password is of; the default user if it is not set.
    username: Option<String>,
    /// The password.
    password: Option<Secret>,
    /// The certificates of TLS. With `host` it turns TLS on; a URL does that itself, by
    /// beginning with `rediss`.
    tls: Option<TlsSettings>,
    /// How many connections are held to each server. One serves many callers at once.
    #[schemars(range(max = CONNECTIONS_MAX))]
    connections: NonZeroUsize,
    /// How long a server may take to answer. A connection on which it takes longer is
    /// replaced.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "5s"))]
    timeout: Duration,
    /// How long it may take to connect.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "2s"))]
    connect_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Single,
            url: None,
            host: None,
            port: None,
            urls: Vec::new(),
            sentinel_service: None,
            db: None,
            username: None,
            password: None,
            tls: None,
            connections: NonZeroUsize::MIN,
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
        }
    }
}

/// What the servers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    /// One server, at `url` or at `host` and `port`.
    Single,
    /// A cluster, some of whose nodes are at `urls`.
    Cluster,
    /// The primary of `sentinel_service`, which the Sentinels at `urls` know.
    Sentinel,
}

/// Settings of a Redis or Valkey store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Settings")]
#[schemars(with = "Settings")]
pub struct Config {
    pub(super) place: Place,
    pub(super) login: RedisConnectionInfo,
    /// Nothing: without TLS.
    pub(super) tls: Option<TlsSettings>,
    pub(super) connections: NonZeroUsize,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
}

/// Where the servers are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Single(Address),
    Cluster(Vec<Address>),
    Sentinel(Sentinels),
}

/// Where the servers are found out.
#[derive(Clone, Debug)]
pub(super) struct Sentinels {
    pub(super) addresses: Vec<Address>,
    /// How to log in to them: the servers have a login of their own.
    pub(super) login: RedisConnectionInfo,
    pub(super) service: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |addresses: &[Address]| {
            addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Single(address) => write!(f, "at {address}"),
            Self::Cluster(nodes) => write!(f, "cluster of {}", list(nodes)),
            Self::Sentinel(Sentinels { addresses, service, .. }) => {
                write!(f, "primary of {service}, by the Sentinels {}", list(addresses))
            }
        }
    }
}

/// What is wrong with the settings, and what to do.
type Mistake = String;

impl TryFrom<Settings> for Config {
    type Error = Mistake;

    fn try_from(settings: Settings) -> Result<Self, Mistake> {
        settings.check_bounds()?;
        let (place, login, tls) = match settings.mode {
            Mode::Single => settings.single()?,
            Mode::Cluster => settings.cluster()?,
            Mode::Sentinel => settings.sentinel()?,
        };
        let Settings { connections, timeout, connect_timeout, .. } = settings;
        Ok(Self { place, login, tls, connections, timeout, connect_timeout })
    }
}

/// Where the servers are, how to log in to them, and whether and how TLS is spoken.
type Found = (Place, RedisConnectionInfo, Option<TlsSettings>);

impl Settings {
    fn check_bounds(&self) -> Result<(), Mistake> {
        if self.connections.get() > CONNECTIONS_MAX {
            return Err(format!("connections is more than {CONNECTIONS_MAX}"));
        }
        for (name, duration) in
            [("timeout", self.timeout), ("connect_timeout", self.connect_timeout)]
        {
            if duration < TIMEOUT_MIN {
                return Err(format!("{name} is less than {TIMEOUT_MIN:?}"));
            }
        }
        Ok(())
    }

    fn single(&self) -> Result<Found, Mistake> {
        let several = "is for mode = \"cluster\" and mode = \"sentinel\"";
        refuse("urls", !self.urls.is_empty(), several)?;
        refuse("sentinel_service", self.sentinel_service.is_some(), several)?;
        let Some(url) = &self.url else {
            let host = self.host.as_deref().unwrap_or(DEFAULT_HOST).to_owned();
            let address = Address { host, port: self.port.unwrap_or(DEFAULT_PORT) };
            let login = self.login(RedisConnectionInfo::default())?;
            return Ok((Place::Single(address), login, self.tls.clone()));
        };
        refuse("host", self.host.is_some(), "is in url already")?;
        refuse("port", self.port.is_some(), "is in url already")?;
        let server = Server::read(url)?;
        let (login, tls) = (self.login(server.login)?, self.tls_of_urls(server.tls)?);
        Ok((Place::Single(server.address), login, tls))
    }

    fn cluster(&self) -> Result<Found, Mistake> {
        refuse("sentinel_service", self.sentinel_service.is_some(), "is for mode = \"sentinel\"")?;
        let servers = self.several()?;
        let login = self.login(servers.login)?;
        refuse("db", login.db() != 0, "must be 0: a cluster has no other database")?;
        Ok((Place::Cluster(servers.addresses), login, self.tls_of_urls(servers.tls)?))
    }

    fn sentinel(&self) -> Result<Found, Mistake> {
        let service = self.sentinel_service.clone().ok_or(
            "mode = \"sentinel\" needs sentinel_service, the name by which the Sentinels know \
             the primary",
        )?;
        let Servers { addresses, login, tls } = self.several()?;
        refuse("urls", login.db() != 0, "name a database, which Sentinels have not: use db")?;
        let place = Place::Sentinel(Sentinels { addresses, login, service });
        Ok((place, self.login(RedisConnectionInfo::default())?, self.tls_of_urls(tls)?))
    }

    /// What `urls` say. All must say the same about how to log in.
    fn several(&self) -> Result<Servers, Mistake> {
        for (name, set) in [
            ("url", self.url.is_some()),
            ("host", self.host.is_some()),
            ("port", self.port.is_some()),
        ] {
            refuse(name, set, "is for mode = \"single\": use urls, a list")?;
        }
        let servers: Vec<_> = self.urls.iter().map(Server::read).collect::<Result<_, _>>()?;
        let Some(Server { login, tls, .. }) = servers.first() else {
            return Err("mode needs urls: a list of at least one, better of several".to_owned());
        };
        let (login, tls) = (login.clone(), *tls);
        if servers.iter().any(|server| server.tls != tls || !is_same(&server.login, &login)) {
            let same = "must all have the same scheme, user name, password and database";
            return Err(format!("urls {same}"));
        }
        let addresses = servers.into_iter().map(|server| server.address).collect();
        Ok(Servers { addresses, login, tls })
    }

    /// The login of a URL, with what is given beside it.
    fn login(&self, url: RedisConnectionInfo) -> Result<RedisConnectionInfo, Mistake> {
        let twice = "is in the URL already: give it once";
        refuse("username", self.username.is_some() && url.username().is_some(), twice)?;
        refuse("password", self.password.is_some() && url.password().is_some(), twice)?;
        refuse("db", self.db.is_some() && url.db() != 0, twice)?;
        let mut login = url;
        if let Some(username) = &self.username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password.expose());
        }
        if let Some(db) = self.db {
            login = login.set_db(db.into());
        }
        if login.username().is_some() && login.password().is_none() {
            return Err("username needs a password".to_owned());
        }
        Ok(login)
    }

    fn tls_of_urls(&self, tls: bool) -> Result<Option<TlsSettings>, Mistake> {
        let asked = "is set, but the URL asks for no TLS: begin it with rediss:// or valkeys://";
        refuse("tls", self.tls.is_some() && !tls, asked)?;
        Ok(tls.then(|| self.tls.clone().unwrap_or_default()))
    }
}

fn refuse(name: &str, is_wrong: bool, because: &str) -> Result<(), Mistake> {
    if is_wrong { Err(format!("{name} {because}")) } else { Ok(()) }
}

fn is_same(one: &RedisConnectionInfo, other: &RedisConnectionInfo) -> bool {
    let parts = |login: &RedisConnectionInfo| {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        (owned(login.username()), owned(login.password()), login.db())
    };
    parts(one) == parts(other)
}

/// What a URL says.
struct Server {
    address: Address,
    login: RedisConnectionInfo,
    tls: bool,
}

/// What several URLs say.
struct Servers {
    addresses: Vec<Address>,
    login: RedisConnectionInfo,
    tls: bool,
}

impl Server {
    fn read(url: &BackendUrl) -> Result<Self, Mistake> {
        let text = url.expose();
        let scheme = text.split("://").next().unwrap_or_default();
        let tls = SCHEMES.iter().find(|(known, _)| *known == scheme).map(|(_, tls)| *tls);
        // the library's own message is left out: it may show a part of the URL
        let read = tls.and_then(|tls| Some((tls, text.into_connection_info().ok()?)));
        let Some((tls, info)) = read else {
            return Err(format!(
                "{url} is not of the form redis://user:password@host:port/db (rediss:// with TLS)"
            ));
        };
        match info.addr() {
            ConnectionAddr::Tcp(host, port)
            | ConnectionAddr::TcpTls { host, port, insecure: false, .. } => Ok(Self {
                address: Address { host: host.clone(), port: *port },
                login: info.redis_settings().clone(),
                tls,
            }),
            _ => Err(format!(
                "{url} asks for TLS without checking the server's certificate: set tls.ca_file"
            )),
        }
    }
}
