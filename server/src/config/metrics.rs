//! The `[server.metrics]` table.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use kvgate_core::{Secret, duration};
use schemars::JsonSchema;
use serde::Deserialize;

use super::collector::{Collector, service_name};
use super::problem::Problem;
use super::tree::Tree;

/// The shortest `interval`: figures are gathered beside the acceptor of connections.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Where figures are sent, besides what `/metrics` shows.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metrics {
    /// The collector, which takes OTLP over gRPC: `http://host:4317`, or `https://` for TLS.
    pub(crate) endpoint: String,
    /// How often they are sent: once a second at most.
    #[serde(default = "minute", deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "1m"))]
    pub(crate) interval: Duration,
    /// What the server is called in them.
    #[serde(default = "service_name")]
    pub(crate) service_name: String,
    /// The authorities that may have signed the collector's certificate, in PEM; those of
    /// the system if it is not set.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
    /// Headers of each message to the collector, such as its API key.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Secret>,
}

fn minute() -> Duration {
    Duration::from_mins(1)
}

impl Metrics {
    pub(crate) fn collector(&self) -> Collector<'_> {
        Collector {
            table: "server.metrics",
            endpoint: &self.endpoint,
            service_name: &self.service_name,
            ca_file: self.ca_file.as_deref(),
            headers: &self.headers,
        }
    }
}

/// What is wrong with the table.
pub(super) fn check(tree: &Tree, metrics: &Metrics) -> Vec<Problem> {
    let mut problems: Vec<Problem> = metrics.collector().check(tree).into_iter().collect();
    if metrics.interval < INTERVAL_MIN {
        problems.push(tree.problem("server.metrics.interval", "shorter than 1s"));
    }
    problems
}
