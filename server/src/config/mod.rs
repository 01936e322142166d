//! The configuration of the server.
//!
//! A file in TOML, JSON or YAML (`formats/`) becomes a [`tree::Tree`], in which
//! each part knows where it was written; environment variables (`environment.rs`)
//! change the tree; then each table of it becomes a typed part (`part.rs`, with
//! `server.rs`, `limits.rs` and `stores.rs`). Whatever is wrong on the way becomes
//! a [`Problem`], and all of them are reported together.

mod access;
mod authentication;
mod collector;
mod connections;
mod environment;
mod formats;
mod limits;
mod listen;
mod metrics;
mod part;
mod path;
mod problem;
mod roles;
mod schema;
mod server;
mod stores;
#[cfg(test)]
mod tests;
mod tls;
mod tracing;
mod tree;
mod wording;
mod wrap;

use std::collections::BTreeMap;
use std::path::Path;

use kvgate_core::read_settings;
use serde_json::{Value, json};

pub(crate) use access::is_safe;
#[cfg(test)]
pub(crate) use authentication::TokenHash;
pub(crate) use authentication::{Authentication, CertificateEntry, Jwt, OpenService, TokenEntry};
pub(crate) use collector::Collector;
pub(crate) use connections::{Connections, Web};
pub(crate) use limits::Limits;
pub(crate) use listen::{Listen, SocketMode};
pub(crate) use metrics::Metrics;
pub(crate) use problem::Problems;
pub(crate) use roles::{Operation, RoleTable, Rule};
pub(crate) use schema::schema;
pub(crate) use server::{Compression, Log, LogFormat, Server};
pub(crate) use stores::StoreEntry;
pub(crate) use tls::{ClientCertificates, Tls};
pub(crate) use tracing::Tracing;

use authentication::TokensFile;
use part::Part;
use problem::{Origin, Problem};
use tree::Tree;

/// The whole configuration. What can be checked without a store is checked.
pub(crate) struct Config {
    /// What holds for the server as a whole.
    pub(crate) server: Server,
    /// The store of calls that name none: one of `stores`.
    pub(crate) default_store: String,
    /// The stores by name, at least one.
    pub(crate) stores: BTreeMap<String, StoreEntry>,
}

/// The environment of the process. A variable that is not UTF-8 is none of ours.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Reads the configuration from the file at `path` and the variables of
/// `environment`. Without a file, and without a variable that makes a store, there
/// is one store: `main`, of type `disk`.
pub(crate) fn load(
    path: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, Problems> {
    let tree = match path {
        Some(path) => Some(formats::read(path).map_err(|problem| Problems(vec![problem]))?),
        None => None,
    };
    from_tree(tree, environment)
}

fn from_tree(
    tree: Option<Tree>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, Problems> {
    let variables = environment::variables(environment);
    let mut tree = tree.unwrap_or_else(|| {
        let mut tree = Tree::new(Origin::Defaults);
        if variables.iter().all(|variable| variable.makes_store().is_none()) {
            tree.root = json!({ "stores": default_stores() });
        }
        tree
    });
    let mut problems = environment::apply(&mut tree, &variables);
    let config = typed(&tree, &mut problems);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => {
            // in the order of the file, which is how it is mended
            problems.sort_by_key(|problem| match problem.origin {
                Origin::Line(_, line) => line,
                Origin::File(_) | Origin::Defaults => 0,
                Origin::Variable(_) => usize::MAX,
            });
            Err(Problems(problems))
        }
    }
}

/// Reads what a file of tokens holds; `path` says in which format.
pub(crate) fn tokens(path: &Path, content: &[u8]) -> Result<Vec<TokenEntry>, Problems> {
    let tree = formats::parse(path, content).map_err(|problem| Problems(vec![problem]))?;
    let mut problems = Vec::new();
    let part = Part { tree: &tree, path: "", also: &[] };
    let file = part.read(tree.root.clone(), &mut problems, read_settings::<TokensFile>);
    file.map(|file| file.tokens).ok_or(Problems(problems))
}

/// The stores when none is configured.
fn default_stores() -> Value {
    json!({ "main": { "type": "disk", "directory": "./kvgate-data" } })
}

fn typed(tree: &Tree, problems: &mut Vec<Problem>) -> Option<Config> {
    check_fields(tree, problems);
    let server = server::read(tree, problems);
    let limits = server.as_ref().map(|server| &server.limits);
    let stores = stores::read(tree, limits, problems);
    let server = server?;
    let default_store = default_store(tree, &server, problems)?;
    Some(Config { server, default_store, stores })
}

/// The tables of the file. `$schema` is what editors look for; it says nothing to
/// us.
const FIELDS: [&str; 3] = ["$schema", "server", "stores"];

fn check_fields(tree: &Tree, problems: &mut Vec<Problem>) {
    let fields = tree.root.as_object().into_iter().flat_map(|root| root.keys());
    for field in fields.filter(|field| !FIELDS.contains(&field.as_str())) {
        let near = wording::did_you_mean(field, FIELDS.into_iter());
        let message = format!("unknown field, expected one of {}{near}", FIELDS[1..].join(", "));
        problems.push(tree.problem(field, message));
    }
}

fn default_store(tree: &Tree, server: &Server, problems: &mut Vec<Problem>) -> Option<String> {
    let names = stores::names(tree);
    let default = match &server.default_store {
        Some(name) if names.contains(&name.as_str()) => return Some(name.clone()),
        Some(name) => {
            let near = wording::did_you_mean(name, names.iter().copied());
            format!("no store of this name, expected one of {}{near}", names.join(", "))
        }
        None => match names.as_slice() {
            // that there is none was said already
            [] => return None,
            [only] => return Some((*only).to_owned()),
            many if many.contains(&"main") => return Some("main".to_owned()),
            many => format!(
                "not set: with several stores ({}), none of them named main, it must say which \
                 is for calls that name none",
                many.join(", ")
            ),
        },
    };
    problems.push(tree.problem("server.default_store", default));
    None
}
