//! What the server says of its stores.

use kvgate_proto::v1::{self, Capabilities, Limits, Stability};

/// One store of the server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Store {
    /// The name that calls use.
    pub name: String,
    /// The type, as in the server's configuration: `memory`, `disk`, …
    pub store_type: String,
    /// What is promised about the form in which entries are stored.
    pub stability: Stability,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Its own limits, within the server's; 0: none.
    pub limits: Limits,
    /// The store with its wrappers and settings, for a person to read.
    pub description: String,
    /// Whether calls that name no store use this one.
    pub is_default: bool,
}

impl Store {
    pub(crate) fn read(store: v1::Store) -> Self {
        Self {
            stability: store.stability(),
            name: store.name,
            store_type: store.r#type,
            capabilities: store.capabilities.unwrap_or_default(),
            limits: store.limits.unwrap_or_default(),
            description: store.description,
            is_default: store.is_default,
        }
    }
}

/// Whether a store, or the server, can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It answers.
    Serving,
    /// It does not answer.
    NotServing,
    /// The server doesn't say.
    Unknown,
}
