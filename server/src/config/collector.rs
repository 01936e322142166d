//! A collector of telemetry, as the tables that send to one name it.

use std::collections::BTreeMap;
use std::path::Path;

use kvgate_core::Secret;

use super::path;
use super::problem::Problem;
use super::tree::Tree;

/// Where something is sent by OTLP over gRPC, and how.
pub(crate) struct Collector<'a> {
    /// The table of the configuration that says so.
    pub(crate) table: &'static str,
    pub(crate) endpoint: &'a str,
    pub(crate) service_name: &'a str,
    pub(crate) ca_file: Option<&'a Path>,
    pub(crate) headers: &'a BTreeMap<String, Secret>,
}

impl Collector<'_> {
    /// What is wrong with it.
    pub(super) fn check(&self, tree: &Tree) -> Option<Problem> {
        let uri = self.endpoint.parse::<http::Uri>().ok();
        let scheme =
            uri.as_ref().filter(|uri| uri.host().is_some()).and_then(http::Uri::scheme_str);
        let fine = matches!(scheme, Some("http" | "https"));
        let message = "expected a URL such as http://127.0.0.1:4317";
        (!fine).then(|| tree.problem(&path::member(self.table, "endpoint"), message))
    }
}

/// What the server is called where its telemetry is looked at.
pub(super) fn service_name() -> String {
    "kvgate".to_owned()
}
