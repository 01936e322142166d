//! One memcached; and what its other setups have in common.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use async_trait::async_trait;
use futures::future::{BoxFuture, try_join_all};
use kvgate_proto::v1::Stability;
use rustix::process::geteuid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::{Backend, Facts, GetManyCost, RealBackend, Setup};
use crate::certificates::Certificates;
use crate::daemon::Daemon;
use crate::failure::{Failure, Outcome};
use crate::ports;

pub(super) const SETUP: Setup = Setup {
    name: "memcached",
    settings: |place| format!("type = \"memcached\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "memcached 1.6 (Debian), one process",
        start: |directory| {
            Box::pin(async move {
                let servers = vec![Server::start(&directory, "one", &[]).await?];
                Ok(Memcached::open(servers))
            })
        },
        keeps_entries: false,
        get_many: GetManyCost { round_trips: Some(1), commands: Some(1) },
    }),
    python: Some("memcached"),
    facts: FACTS,
};

pub(super) const FACTS: Facts = Facts::of("memcached", Stability::Unstable);

/// The user of those that ask for a password.
pub(super) const USER: &str = "kvgate";

/// One memcached or several.
pub(super) struct Memcached {
    pub(super) servers: Vec<Server>,
    /// What [`USER`] must show.
    pub(super) password: Option<&'static str>,
    /// The other settings by which the store gets in, as lines of TOML.
    pub(super) access: String,
}

impl Memcached {
    /// Those that anybody may use.
    pub(super) fn open(servers: Vec<Server>) -> Box<dyn Backend> {
        Box::new(Self { servers, password: None, access: String::new() })
    }

    /// The settings of a store on these.
    fn settings_at(&self, addresses: &[SocketAddr], password: Option<&str>) -> String {
        let place = match addresses {
            [address] => format!("host = \"{}\"\nport = {}\n", address.ip(), address.port()),
            several => {
                let several: Vec<_> = several.iter().map(SocketAddr::to_string).collect();
                format!("hosts = {several:?}\n")
            }
        };
        let login =
            password.map(|password| format!("username = \"{USER}\"\npassword = \"{password}\"\n"));
        place + &login.unwrap_or_default() + &self.access
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.address).collect()
    }
}

#[async_trait]
impl Backend for Memcached {
    fn settings(&self) -> String {
        self.settings_at(&self.addresses(), self.password)
    }

    fn behind(&self, proxy: SocketAddr) -> Option<String> {
        // a proxy is in front of one
        (self.servers.len() == 1).then(|| self.settings_at(&[proxy], self.password))
    }

    fn address(&self) -> SocketAddr {
        self.servers[0].address
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        self.password?;
        let wrong = "hunter2";
        Some((self.settings_at(&self.addresses(), Some(wrong)), wrong))
    }

    fn python(&self) -> Value {
        json!({ "host": self.address().ip(), "port": self.address().port() })
    }

    async fn stop(&self) -> Outcome {
        try_join_all(self.servers.iter().map(|server| server.daemon.stop())).await.map(|_| ())
    }

    async fn start(&self) -> Outcome {
        try_join_all(self.servers.iter().map(|server| server.daemon.restart())).await.map(|_| ())
    }

    fn freeze(&self) -> Outcome {
        self.servers.iter().try_for_each(|server| server.daemon.freeze())
    }

    fn thaw(&self) -> Outcome {
        self.servers.iter().try_for_each(|server| server.daemon.thaw())
    }

    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome {
        for server in &self.servers {
            let mut connection = server.connect(self.password).await?;
            connection.set(&format!("{collection}::{key}"), "no envelope").await?;
        }
        Ok(())
    }

    async fn contents(&self) -> Outcome<String> {
        let mut items = BTreeMap::new();
        for server in &self.servers {
            items.extend(server.connect(self.password).await?.items().await?);
        }
        let lines: Vec<_> = items.iter().map(|(name, item)| format!("{name} {item}")).collect();
        Ok(lines.join("\n"))
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        self.servers.iter().map(Server::commands).sum::<Outcome<u64>>().map(Some)
    }
}

/// A running memcached.
pub(super) struct Server {
    daemon: Daemon,
    pub(super) address: SocketAddr,
    /// Where it does not encrypt, even if it does at its address.
    plain: SocketAddr,
    /// It says there what it is asked.
    log: PathBuf,
}

impl Server {
    /// Starts one that listens on a free port. `name` tells it from others that have
    /// files in the same directory.
    pub(super) async fn start(directory: &Path, name: &str, arguments: &[String]) -> Outcome<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        Self::start_at(address, address, &directory.join(name), arguments).await
    }

    /// Starts one that encrypts.
    pub(super) async fn start_encrypted(
        directory: &Path,
        certificates: &Certificates,
    ) -> Outcome<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let plain = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let options = format!(
            "ssl_chain_cert={},ssl_key={},ssl_ca_cert={},ssl_verify_mode=2",
            certificates.server.certificate.display(),
            certificates.server.key.display(),
            certificates.authority.display(),
        );
        let arguments = ["-Z", "-o", &options, "-l", &format!("notls:{plain}")].map(str::to_owned);
        Self::start_at(address, plain, &directory.join("one"), &arguments).await
    }

    async fn start_at(
        address: SocketAddr,
        plain: SocketAddr,
        file: &Path,
        arguments: &[String],
    ) -> Outcome<Self> {
        let log = file.with_extension("log");
        std::fs::create_dir_all(log.parent().unwrap_or(file))?;
        let arguments = arguments.to_vec();
        let command = move || {
            let mut command = Command::new("memcached");
            command.args(["-vv", "-U", "0", "-m", "1024", "-c", "256"]);
            command.args(["-l", &address.to_string()]).args(&arguments);
            if geteuid().is_root() {
                command.args(["-u", "root"]);
            }
            command
        };
        let ready = move || -> BoxFuture<'static, bool> {
            Box::pin(async move { TcpStream::connect(plain).await.is_ok() })
        };
        let daemon = Daemon::start(command, &log, Box::new(ready)).await?;
        Ok(Self { daemon, address, plain, log })
    }

    async fn connect(&self, password: Option<&str>) -> Outcome<Connection> {
        let stream = BufReader::new(TcpStream::connect(self.plain).await?);
        let mut connection = Connection { stream };
        if let Some(password) = password {
            connection.set("auth", &format!("{USER} {password}")).await?;
        }
        Ok(connection)
    }

    /// How often its log says that somebody reads or writes items.
    fn commands(&self) -> Outcome<u64> {
        let log = std::fs::read(&self.log)?;
        let is_command = |line: &&[u8]| {
            let mut words = line.split(|byte| *byte == b' ');
            let from_client = words.next().is_some_and(|word| word.starts_with(b"<"));
            from_client && matches!(words.next(), Some(b"get" | b"set" | b"delete"))
        };
        Ok(log.split(|byte| *byte == b'\n').filter(is_command).count() as u64)
    }
}

/// A connection of our own, beside those of the store.
struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    async fn set(&mut self, name: &str, value: &str) -> Outcome {
        self.send(&format!("set {name} 0 0 {}\r\n{value}\r\n", value.len())).await?;
        match self.line().await?.as_str() {
            "STORED" => Ok(()),
            other => Err(Failure::new(format!("memcached answered a set with {other:?}"))),
        }
    }

    /// All items by their names in URL encoding, each with whether it has a time, and
    /// its value.
    async fn items(&mut self) -> Outcome<BTreeMap<String, String>> {
        self.send("lru_crawler metadump all\r\n").await?;
        let mut items = BTreeMap::new();
        loop {
            let line = self.line().await?;
            if line == "END" {
                break;
            }
            let field = |name| line.split(' ').find_map(|field| field.strip_prefix(name));
            let (Some(name), Some(exp)) = (field("key="), field("exp=")) else {
                return Err(Failure::new(format!("memcached lists an item as {line:?}")));
            };
            let time = if exp == "-1" { "no time" } else { "a time" };
            items.insert(name.to_owned(), time.to_owned());
        }
        for (name, item) in &mut items {
            *item = format!("{item}, {}", self.get(&decoded(name)?).await?);
        }
        Ok(items)
    }

    async fn get(&mut self, name: &str) -> Outcome<String> {
        self.send(&format!("get {name}\r\n")).await?;
        let header = self.line().await?;
        let bytes = header.rsplit(' ').next().unwrap_or_default().parse()?;
        let mut value = vec![0; bytes];
        self.stream.read_exact(&mut value).await?;
        for _ in ["the value's", "the answer's"] {
            self.line().await?;
        }
        Ok(String::from_utf8(value)?)
    }

    async fn send(&mut self, command: &str) -> Outcome {
        Ok(self.stream.write_all(command.as_bytes()).await?)
    }

    async fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        Ok(line.trim_end().to_owned())
    }
}

/// A name as it is stored, from its URL encoding.
fn decoded(name: &str) -> Outcome<String> {
    let mut parts = name.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2).unwrap_or_default();
        bytes.push(u8::from_str_radix(hex, 16)?);
        bytes.extend(rest.as_bytes());
    }
    Ok(String::from_utf8(bytes)?)
}
