//! Entries in Valkey: what Redis stores, under a name of its own.

use std::borrow::Cow;
use std::sync::Arc;

use kvgate_core::{Clock, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use crate::StoreConfig;
use crate::redis::{self, RedisStore};

/// Settings of a Valkey store: those of a Redis store.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Config(redis::Config);

/// The fields themselves, where a derived one would refer to Redis' settings.
impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        redis::Config::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        redis::Config::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        redis::Config::json_schema(generator)
    }
}

impl StoreConfig for Config {
    type Store = RedisStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<RedisStore> {
        RedisStore::open(self.0, "valkey", clock)
    }
}
