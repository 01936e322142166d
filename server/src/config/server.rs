//! The `[server]` table.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use kvgate_core::{duration, read_settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::access;
use super::authentication::Authentication;
use super::connections::{self, Connections, Web};
use super::limits::Limits;
use super::listen::{Listen, SocketMode};
use super::metrics::{self, Metrics};
use super::part::Part;
use super::path;
use super::problem::Problem;
use super::roles::RoleTable;
use super::tls::{self, Tls};
use super::tracing::{self, Tracing};
use super::tree::Tree;

/// What holds for the server as a whole.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Where calls are listened for: an IP address and a port, or `unix:` and the path of
    /// a Unix socket, which is made and removed.
    pub(crate) listen: Listen,
    /// Who may connect to a Unix socket, as `chmod` writes it.
    pub(crate) socket_mode: SocketMode,
    /// Where `/metrics`, `/healthz` and `/readyz` are served over HTTP; nowhere if
    /// it is not set.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// The store of calls that name none. It may be left out if there is only one
    /// store, or one that is named `main`.
    pub(super) default_store: Option<String>,
    /// How many threads serve calls; as many as there are cores if it is not set.
    #[schemars(range(max = 1024))]
    pub(crate) runtime_threads: Option<NonZeroUsize>,
    /// How long calls that are under way may take when the server is told to stop.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "30s"))]
    pub(crate) drain_timeout: Duration,
    /// How often each store is checked, for health and readiness.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "10s"))]
    pub(crate) health_interval: Duration,
    /// How often the files of certificates, tokens and keys are looked at for changes;
    /// SIGHUP has them looked at at once. A change that can't be used is logged, and what
    /// was read before it stays in use.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "10s"))]
    pub(crate) reload_interval: Duration,
    /// How the listener encrypts, and whether callers show certificates. Without this
    /// table it does not encrypt.
    pub(crate) tls: Option<Tls>,
    /// How callers are known. Without this table everybody may do everything. With it a
    /// call needs credentials, and may do what the roles of its caller allow.
    pub(crate) authentication: Option<Authentication>,
    /// What known callers may do, by the name of a role. What no rule allows is denied.
    pub(crate) roles: RoleTable,
    /// Limits on what callers may ask for.
    pub(crate) limits: Limits,
    /// How long connections last.
    pub(crate) connections: Connections,
    /// Calls from browsers; without this table they are refused.
    pub(crate) web: Option<Web>,
    /// How answers are compressed for callers that take it, the first that they take. Off
    /// by default: it costs more than it saves between machines that are near to each
    /// other. Requests may be compressed in each of these ways, whatever stands here.
    pub(crate) compression: Vec<Compression>,
    /// What is logged, and how.
    pub(crate) log: Log,
    /// Where traces are sent; without this table none are made.
    pub(crate) tracing: Option<Tracing>,
    /// Where the figures of `/metrics` are sent as well; without this table nowhere.
    pub(crate) metrics: Option<Metrics>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            socket_mode: SocketMode::default(),
            admin_listen: None,
            default_store: None,
            runtime_threads: None,
            drain_timeout: Duration::from_secs(30),
            health_interval: Duration::from_secs(10),
            reload_interval: Duration::from_secs(10),
            tls: None,
            authentication: None,
            roles: RoleTable::new(),
            limits: Limits::default(),
            connections: Connections::default(),
            web: None,
            compression: Vec::new(),
            log: Log::default(),
            tracing: None,
            metrics: None,
        }
    }
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// The least important level that is logged (`error`, `warn`, `info`, `debug`,
    /// `trace` or `off`), also by module: `info,h2=warn`.
    pub(crate) level: String,
    /// The form of a line.
    pub(crate) format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// A way to compress messages.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Compression {
    /// What every gRPC library has.
    Gzip,
    /// Faster and smaller.
    Zstd,
}

/// The form of a line of the log.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line, for programs.
    Json,
}

/// Reads the `[server]` table of `tree`; all defaults if there is none.
pub(super) fn read(tree: &Tree, problems: &mut Vec<Problem>) -> Option<Server> {
    let table = match tree.root.get("server") {
        // `server:` with nothing but comments below it
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(table) => table.clone(),
    };
    let part = Part { tree, path: "server", also: &[] };
    let server = part.read(table, problems, read_settings::<Server>)?;
    let found = check(tree, &server);
    let fine = found.is_empty();
    problems.extend(found);
    fine.then_some(server)
}

fn check(tree: &Tree, server: &Server) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (fields, message) in server.limits.check() {
        let paths: Vec<_> =
            fields.into_iter().map(|field| path::member("server.limits", field)).collect();
        // the one that was written is the one to look at
        let at = paths.iter().find(|path| tree.has(path)).unwrap_or(&paths[0]);
        problems.push(tree.problem(at, message));
    }
    if server.health_interval < Duration::from_millis(100) {
        let message = "shorter than 100ms: the checks would be a load of their own";
        problems.push(tree.problem("server.health_interval", message));
    }
    if server.runtime_threads.is_some_and(|threads| threads.get() > 1024) {
        problems.push(tree.problem("server.runtime_threads", "more than 1024"));
    }
    if server.reload_interval < Duration::from_millis(100) {
        let message = "shorter than 100ms: reading the files would be a load of its own";
        problems.push(tree.problem("server.reload_interval", message));
    }
    problems.extend(check_listen(tree, server));
    problems.extend(access::check(tree, server));
    problems.extend(server.tls.iter().flat_map(|tls| tls::check(tree, tls)));
    problems.extend(connections::check(tree, &server.connections, server.web.as_ref()));
    problems.extend(server.metrics.iter().flat_map(|metrics| metrics::check(tree, metrics)));
    problems.extend(server.tracing.iter().flat_map(|tracing| tracing::check(tree, tracing)));
    let taken = |admin: SocketAddr| Listen::Tcp(admin) == server.listen && admin.port() != 0;
    if server.admin_listen.is_some_and(taken) {
        let message = "the same address as server.listen";
        problems.push(tree.problem("server.admin_listen", message));
    }
    if !is_filter(&server.log.level) {
        let message = "expected error, warn, info, debug, trace or off, or levels by module such \
                       as info,h2=warn";
        problems.push(tree.problem("server.log.level", message));
    }
    problems
}

fn check_listen(tree: &Tree, server: &Server) -> Vec<Problem> {
    let mut problems = Vec::new();
    match &server.listen {
        Listen::Unix(_) if cfg!(not(unix)) => {
            let message = "there are no Unix sockets on this system";
            problems.push(tree.problem("server.listen", message));
        }
        Listen::Unix(_) if server.tls.is_some() => {
            let message = "is for addresses of the network: leave it out for a Unix socket, \
                           which never leaves the machine";
            problems.push(tree.problem("server.tls", message));
        }
        Listen::Tcp(_) if tree.has("server.socket_mode") => {
            let message = "server.listen is not a Unix socket";
            problems.push(tree.problem("server.socket_mode", message));
        }
        _ => {}
    }
    problems
}

/// Whether `text` is a filter as `tracing_subscriber` has them. That takes any
/// word for the name of a module; a level with a typo must not pass for one.
fn is_filter(text: &str) -> bool {
    let is_level = |word: &str| {
        !word.is_empty() && word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok()
    };
    tracing_subscriber::EnvFilter::builder().parse(text).is_ok()
        && text.split(',').all(|directive| directive.contains('=') || is_level(directive.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        for filter in ["info", "WARN", "off", "info,h2=warn", "kvgate=debug, warn"] {
            assert!(is_filter(filter), "{filter}");
        }
        for typo in ["", "inof", "info,", "h2=wran", "info warn", "info,h2"] {
            assert!(!is_filter(typo), "{typo}");
        }
    }
}
