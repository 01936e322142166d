//! The `[server]` table.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use kvgate_core::{duration, read_settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::limits::Limits;
use super::part::Part;
use super::path;
use super::problem::Problem;
use super::tree::Tree;

/// What holds for the server as a whole.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Where calls are listened for: an IP address and a port.
    pub(crate) listen: SocketAddr,
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
    /// Limits on what callers may ask for.
    pub(crate) limits: Limits,
    /// What is logged, and how.
    pub(crate) log: Log,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50051)),
            admin_listen: None,
            default_store: None,
            runtime_threads: None,
            drain_timeout: Duration::from_secs(30),
            health_interval: Duration::from_secs(10),
            limits: Limits::default(),
            log: Log::default(),
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
    if server.admin_listen.is_some_and(|admin| admin == server.listen && admin.port() != 0) {
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
