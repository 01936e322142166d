//! The `[server.connections]` and `[server.web]` tables.

use std::time::Duration;

use http::HeaderValue;
use kvgate_core::duration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problem;
use super::tree::Tree;

/// How long connections last.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Connections {
    /// How long a connection without calls is kept. It also ends those on which nobody
    /// ever says anything sensible. Clients connect anew with their next call.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "10m"))]
    pub(crate) idle_max: Duration,
    /// How old a connection gets, give or take a tenth so that not all end at once; then
    /// clients connect anew, and so come to new servers behind a balancer. As old as it
    /// likes if it is not set.
    #[serde(deserialize_with = "duration::read_optional")]
    #[schemars(schema_with = "duration::schema")]
    pub(crate) age_max: Option<Duration>,
    /// How long calls may take that are under way when their connection is to end.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "30s"))]
    pub(crate) age_grace: Duration,
    /// How often a silent connection is asked whether it is still there: a caller whose
    /// machine vanished would else be served for ever.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "1m"))]
    pub(crate) keepalive_interval: Duration,
    /// How long it may take to answer that.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "20s"))]
    pub(crate) keepalive_timeout: Duration,
    /// How often a caller may ping in the long run while it is sent nothing else; a hundred
    /// pings may come in a row. Each has to be answered: a caller who pings more often is
    /// disconnected.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "1s"))]
    pub(crate) ping_interval_min: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            idle_max: Duration::from_mins(10),
            age_max: None,
            age_grace: Duration::from_secs(30),
            keepalive_interval: Duration::from_mins(1),
            keepalive_timeout: Duration::from_secs(20),
            ping_interval_min: Duration::from_secs(1),
        }
    }
}

/// Calls from browsers, by gRPC-Web. Over HTTP/2 alone: browsers need `server.tls` for it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Web {
    /// The origins whose pages may call, such as `https://app.example.com`; `*` stands for
    /// all of them.
    pub(crate) origins: Vec<String>,
}

/// What is wrong with the tables.
pub(super) fn check(tree: &Tree, connections: &Connections, web: Option<&Web>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let least = Duration::from_millis(100);
    let lengths = [
        ("idle_max", connections.idle_max),
        ("age_max", connections.age_max.unwrap_or(least)),
        ("keepalive_interval", connections.keepalive_interval),
        ("keepalive_timeout", connections.keepalive_timeout),
    ];
    for (field, _) in lengths.iter().filter(|(_, length)| *length < least) {
        let message = "shorter than 100ms: no connection would last";
        problems.push(tree.problem(&format!("server.connections.{field}"), message));
    }
    let origins = web.map_or(&[][..], |web| &web.origins);
    for (i, origin) in origins.iter().enumerate().filter(|(_, origin)| !is_origin(origin)) {
        let message = format!("{origin:?} is not an origin such as https://app.example.com, or *");
        problems.push(tree.problem(&format!("server.web.origins[{i}]"), message));
    }
    problems
}

fn is_origin(origin: &str) -> bool {
    let is_url = |url: http::Uri| {
        url.host().is_some()
            && url.scheme().is_some()
            && !origin.ends_with('/')
            && url.path_and_query().is_none_or(|path| path == "/")
    };
    let is_header = HeaderValue::from_str(origin).is_ok();
    is_header && (origin == "*" || origin.parse().is_ok_and(is_url))
}
