//! The `[server.roles]` table: what known callers may do.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Roles by name.
pub(crate) type RoleTable = BTreeMap<String, Vec<Rule>>;

/// What a role allows: some operations in some collections of some stores.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The names of the stores; `*` stands for any characters.
    pub(crate) stores: Vec<String>,
    /// The names of the collections; `*` stands for any characters.
    #[serde(default = "all")]
    pub(crate) collections: Vec<String>,
    /// What may be done there.
    pub(crate) operations: Vec<Operation>,
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What a caller does.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    /// Get values: `Get`, `Ttl`, `GetMany`, `TtlMany`, `StreamGetMany`; with `list` also
    /// `ScanEntries`.
    Read,
    /// Store and delete entries: `Put`, `Delete`, `PutMany`, `DeleteMany`, `StreamPutMany`.
    Write,
    /// Learn names: `ListKeys`, and `ListCollections` with those collections that the
    /// caller may list.
    List,
    /// `DeleteCollection`; and `Cull` and `DestroyStore`, which need the collections `*`.
    Admin,
}

impl Operation {
    /// Its name in the configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::List => "list",
            Self::Admin => "admin",
        }
    }
}
