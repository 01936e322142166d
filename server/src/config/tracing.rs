//! The `[server.tracing]` table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kvgate_core::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use super::collector::{Collector, service_name};
use super::problem::Problem;
use super::tree::Tree;

/// Where spans are sent, and of which calls.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tracing {
    /// The collector, which takes OTLP over gRPC: `http://host:4317`, or `https://` for TLS.
    pub(crate) endpoint: String,
    /// The share of calls that are traced. Calls whose `traceparent` says whether their
    /// trace is recorded are treated as it says.
    #[serde(default = "all")]
    #[schemars(range(min = 0, max = 1))]
    pub(crate) sample_ratio: f64,
    /// What the server is called in traces.
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

fn all() -> f64 {
    1.0
}

impl Tracing {
    pub(crate) fn collector(&self) -> Collector<'_> {
        Collector {
            table: "server.tracing",
            endpoint: &self.endpoint,
            service_name: &self.service_name,
            ca_file: self.ca_file.as_deref(),
            headers: &self.headers,
        }
    }
}

/// What is wrong with the table.
pub(super) fn check(tree: &Tree, tracing: &Tracing) -> Vec<Problem> {
    let mut problems: Vec<Problem> = tracing.collector().check(tree).into_iter().collect();
    if !(0.0..=1.0).contains(&tracing.sample_ratio) {
        let message = "outside of its range, which is 0 to 1";
        problems.push(tree.problem("server.tracing.sample_ratio", message));
    }
    problems
}
