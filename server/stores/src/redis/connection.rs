//! A connection to a server, which many callers use at once.
//!
//! `renewed.rs` keeps one. The client library has a manager of connections, too, but
//! that one holds calls up while it tries to connect again and again, and knows a
//! connection only as broken that says so itself.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kvgate_core::{Error, Kind, Result};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, Pipeline, ProtocolVersion,
    PushInfo, PushKind, RedisConnectionInfo, ServerErrorKind, TlsCertificates, Value,
};

use super::fault;
use super::renewed::{Perishable, Renewed};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Whether a command changes anything: then it may have done so when its answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// How connections are made.
#[derive(Clone)]
pub(super) struct Dialer {
    /// What the servers are called in errors.
    pub(super) product: &'static str,
    pub(super) login: RedisConnectionInfo,
    pub(super) tls: Option<TlsCertificates>,
    /// How long an answer may take.
    pub(super) timeout: Duration,
    /// How long it may take until the server has let us in.
    pub(super) connect_timeout: Duration,
}

impl Dialer {
    /// Finds out now what would be wrong with the certificates later.
    pub(super) fn check_certificates(&self) -> Result<()> {
        let somewhere = Address { host: "localhost".to_owned(), port: 1 };
        self.client(&somewhere).map(drop).map_err(|error| {
            Error::new(Kind::Misconfigured, "the certificates of tls").with_source(error)
        })
    }

    /// The library's client of a server.
    fn client(&self, address: &Address) -> redis::RedisResult<Client> {
        let Address { host, port } = address.clone();
        let place = match self.tls {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        };
        // the third version of the protocol tells of a connection that was closed
        // while nobody waited for an answer
        let login = self.login.clone().set_protocol(ProtocolVersion::RESP3);
        let info = place
            .into_connection_info()?
            .set_tcp_settings(TcpSettings::default().set_nodelay(true))
            .set_redis_settings(login.set_lib_name("kvgate", env!("CARGO_PKG_VERSION")));
        match &self.tls {
            None => Client::open(info),
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
        }
    }

    /// Makes a connection.
    pub(super) async fn connect(&self, address: &Address) -> Result<Connection> {
        let server = format!("{} at {address}", self.product);
        let line = Arc::new(Line {
            broken: AtomicBool::new(false),
            unanswered_since: Mutex::default(),
            timeout: self.timeout,
            server,
        });
        let told = Arc::clone(&line);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.timeout))
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    told.give_up();
                }
                Ok::<_, redis::aio::SendError>(())
            });
        let connecting = async {
            self.client(address)?.get_multiplexed_async_connection_with_config(&config).await
        };
        match connecting.await {
            Ok(commands) => Ok(Connection { commands, line }),
            Err(error) => Err(fault::connecting(&line.server, error)),
        }
    }
}

/// A connection that is there whenever it can be.
pub(super) type Link = Renewed<Connection>;

/// A connection. Its clones are the same one.
#[derive(Clone)]
pub(super) struct Connection {
    commands: MultiplexedConnection,
    line: Arc<Line>,
}

/// What is known of a connection.
struct Line {
    broken: AtomicBool,
    /// When the first of the commands was sent that were followed by no answer: a
    /// caller whose own deadline is shorter than ours does not wait to see that
    /// nothing comes.
    unanswered_since: Mutex<Option<Instant>>,
    timeout: Duration,
    server: String,
}

impl Connection {
    /// Sends commands together and waits for the answers to all of them, which may be
    /// refusals. An error means that nothing is known of any.
    pub(super) async fn send(&self, commands: &Pipeline, access: Access) -> Result<Vec<Value>> {
        let line = &self.line;
        line.unanswered_since().get_or_insert_with(Instant::now);
        let mut sender = self.commands.clone();
        let answers = sender.send_packed_commands(commands, 0, commands.len()).await;
        let answers = answers.map_err(|error| {
            // one that is late may never come, and would hold up all that follow
            line.give_up();
            fault::lost(&line.server, &error, access)
        })?;
        *line.unanswered_since() = None;
        if answers.iter().any(is_of_replica) {
            line.give_up();
        }
        if answers.len() == commands.len() {
            Ok(answers)
        } else {
            Err(fault::unexpected("some commands"))
        }
    }

    /// Sends one command that reads.
    pub(super) async fn ask(&self, command: redis::Cmd) -> Result<Value> {
        let mut commands = Pipeline::with_capacity(1);
        commands.add_command(command);
        match self.send(&commands, Access::Read).await?.pop() {
            Some(Value::ServerError(refusal)) => Err(fault::refused(&refusal)),
            Some(answer) => Ok(answer),
            None => Err(fault::unexpected("a command")),
        }
    }
}

impl Perishable for Connection {
    fn is_over(&self) -> bool {
        let line = &self.line;
        line.broken.load(Ordering::Relaxed)
            || line.unanswered_since().is_some_and(|since| since.elapsed() > line.timeout)
    }
}

/// The primary has become a replica: the next connection finds out who is it now.
fn is_of_replica(answer: &Value) -> bool {
    let Value::ServerError(refusal) = answer else {
        return false;
    };
    refusal.kind() == Some(ServerErrorKind::ReadOnly)
}

impl Line {
    /// Whoever comes next makes another connection; those who wait on this one still
    /// get their answers, if they come.
    fn give_up(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    fn unanswered_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.unanswered_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
