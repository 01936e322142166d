//! Entries as documents in OpenSearch: the adapter of Elasticsearch under its own name.

use std::sync::Arc;

use kvgate_core::{Clock, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::StoreConfig;
use crate::elasticsearch::{self, ElasticsearchStore, Product};

/// Settings of an OpenSearch store: those of Elasticsearch.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Config(elasticsearch::Config);

impl StoreConfig for Config {
    type Store = ElasticsearchStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<ElasticsearchStore> {
        ElasticsearchStore::open(self.0, Product::OpenSearch, clock)
    }
}
