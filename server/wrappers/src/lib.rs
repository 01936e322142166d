//! What can be wrapped around a store.
//!
//! One file a wrapper; [`WRAPPER_TYPES`] is the registry. A wrapper sees live
//! entries only, and forwards every operation that it does not change: the lint
//! `missing_trait_methods` is denied in each, so that none is lost.

use std::sync::Arc;

use kvgate_core::{SettingsError, Store, read_settings};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

mod prefix_collections;
mod prefix_keys;
mod read_only;

pub use prefix_collections::PrefixCollections;
pub use prefix_keys::PrefixKeys;
pub use read_only::ReadOnly;

/// A type of wrapper as the configuration names it.
#[derive(Clone, Copy, Debug)]
pub struct WrapperType {
    /// The one word for it: `type` in the configuration.
    pub word: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Reads the wrapper's settings.
    pub configure: fn(Value) -> Result<Box<dyn Wrapper>, SettingsError>,
    /// The JSON schema of the settings.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

/// The settings of a wrapper: they put it around a store.
pub trait Wrapper: Send {
    /// Puts the wrapper around a store.
    fn wrap(self: Box<Self>, store: Arc<dyn Store>) -> Arc<dyn Store>;
}

/// The type of wrapper that the configuration calls `word`.
pub fn find(word: &str) -> Option<&'static WrapperType> {
    WRAPPER_TYPES.iter().find(|wrapper_type| wrapper_type.word == word)
}

/// Every type of wrapper.
pub static WRAPPER_TYPES: &[WrapperType] = &[
    WrapperType {
        word: "read_only",
        summary: "refuses every write",
        configure: |settings| Ok(Box::new(read_settings::<read_only::Config>(settings)?)),
        schema: read_only::Config::json_schema,
    },
    WrapperType {
        word: "prefix_keys",
        summary: "stores `{prefix}__{key}` for `key`",
        configure: |settings| Ok(Box::new(read_settings::<prefix_keys::Config>(settings)?)),
        schema: prefix_keys::Config::json_schema,
    },
    WrapperType {
        word: "prefix_collections",
        summary: "stores in `{prefix}__{collection}` for `collection`",
        configure: |settings| Ok(Box::new(read_settings::<prefix_collections::Config>(settings)?)),
        schema: prefix_collections::Config::json_schema,
    },
];
