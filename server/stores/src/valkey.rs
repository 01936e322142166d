//! Entries in Valkey: what Redis stores, under a name of its own.

use std::sync::Arc;

use kvgate_core::{Clock, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::StoreConfig;
use crate::redis::{self, RedisStore};

/// Settings of a Valkey store: those of a Redis store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Config(redis::Config);

impl StoreConfig for Config {
    type Store = RedisStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<RedisStore> {
        RedisStore::open(self.0, "valkey", clock)
    }
}
