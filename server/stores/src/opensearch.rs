//! Entries as documents in OpenSearch: the adapter of Elasticsearch under its own name,
//! with what py-key-value names differently there.

use std::borrow::Cow;
use std::sync::Arc;

use kvgate_core::{Clock, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use crate::StoreConfig;
use crate::elasticsearch::{self, ElasticsearchStore, Product};

/// Settings of an OpenSearch store: those of an Elasticsearch store.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Config(elasticsearch::Config);

/// The fields themselves, where a derived one would refer to Elasticsearch's settings.
impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        elasticsearch::Config::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        elasticsearch::Config::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        elasticsearch::Config::json_schema(generator)
    }
}

impl StoreConfig for Config {
    type Store = ElasticsearchStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<ElasticsearchStore> {
        ElasticsearchStore::open(self.0, Product::OpenSearch, clock)
    }
}
