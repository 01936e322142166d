//! The settings.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use kvgate_core::{BackendUrl, Clock, Error, Kind, Result, Secret, duration};
use schemars::JsonSchema;
use serde::Deserialize;

use super::DynamoDbStore;
use super::table::Table;
use crate::StoreConfig;
use crate::aws::{self, Requests, Service};

/// The longest name of a table: an ARN.
const TABLE_NAME_BYTES_MAX: usize = 1024;

/// Settings of a DynamoDB store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The table. One that is made by hand needs the partition key `collection` and the
    /// sort key `key`, both strings; TTL on the attribute `ttl` is good to have.
    table_name: String,
    /// Makes the table if it is not there, to be paid by request, and turns its TTL on.
    #[serde(default = "default_auto_create")]
    auto_create: bool,
    /// Whether a read sees every write that was acknowledged before. Reads that may be a
    /// moment late cost half.
    #[serde(default = "default_consistent_read")]
    consistent_read: bool,
    /// The region of AWS; that of the environment, the profile or the machine if it is not
    /// set.
    region_name: Option<String>,
    /// Where the service is, for one that is not in AWS.
    endpoint_url: Option<BackendUrl>,
    /// The access key; without it credentials come from the standard chain: environment,
    /// profile, web identity, container, machine.
    aws_access_key_id: Option<Secret>,
    /// The secret of the access key.
    aws_secret_access_key: Option<Secret>,
    /// The token that goes with a temporary access key.
    aws_session_token: Option<Secret>,
    /// How long DynamoDB may take for one answer, with further attempts.
    #[serde(default = "default_timeout", deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "5s"))]
    timeout: Duration,
    /// How long it may take to connect.
    #[serde(default = "default_connect_timeout", deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "2s"))]
    connect_timeout: Duration,
    /// The most requests to DynamoDB at once, each on a connection of its own. Others wait.
    #[serde(default = "default_requests_max")]
    requests_max: NonZeroUsize,
}

fn default_auto_create() -> bool {
    true
}

fn default_consistent_read() -> bool {
    true
}

fn default_timeout() -> Duration {
    aws::TIMEOUT
}

fn default_connect_timeout() -> Duration {
    aws::CONNECT_TIMEOUT
}

fn default_requests_max() -> NonZeroUsize {
    aws::REQUESTS_MAX
}

impl StoreConfig for Config {
    type Store = DynamoDbStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<DynamoDbStore> {
        check_table_name(&self.table_name)?;
        let service = Service {
            name: "DynamoDB",
            region_name: self.region_name,
            endpoint_url: self.endpoint_url,
            credentials: aws::credentials(
                self.aws_access_key_id.as_ref(),
                self.aws_secret_access_key.as_ref(),
                self.aws_session_token.as_ref(),
            )?,
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
        };
        service.check()?;
        let requests = Requests::new(self.requests_max, self.timeout);
        let table = Table::new(self.table_name, self.auto_create, service, requests);
        Ok(DynamoDbStore { table, consistent: self.consistent_read, clock })
    }
}

/// A name, or the ARN of a table of another account.
fn check_table_name(name: &str) -> Result<()> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
    if (3..=TABLE_NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_taken) {
        return Ok(());
    }
    let context = "table_name must be 3 to 255 letters, digits, `_`, `-` and `.`, or an ARN";
    Err(Error::new(Kind::Misconfigured, context))
}

#[cfg(test)]
mod tests {
    use kvgate_core::SystemClock;
    use serde_json::{Value, json};

    use super::*;

    fn open(settings: Value) -> Result<DynamoDbStore, String> {
        let config: Config = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        config.open(Arc::new(SystemClock)).map_err(|error| error.to_string())
    }

    #[test]
    fn mistakes_are_told_before_anything_is_sent() {
        for (settings, said) in [
            (json!({}), "missing field `table_name`"),
            (json!({ "table_name": "a b" }), "table_name must be"),
            (json!({ "table_name": "kv", "endpoint_url": "localhost:8000" }), "table_name must"),
            (json!({ "table_name": "entries", "endpoint_url": "localhost:8000" }), "endpoint_url"),
            (json!({ "table_name": "entries", "aws_access_key_id": "a" }), "need each other"),
            (json!({ "table_name": "entries", "requests_max": 0 }), "nonzero"),
            (json!({ "table_name": "entries", "table": "x" }), "unknown field `table`"),
        ] {
            let message = open(settings.clone()).err().unwrap_or_default();
            assert!(message.contains(said), "{settings}: {message:?}");
        }
    }

    #[test]
    fn a_store_tells_what_it_is_and_no_secret() {
        let settings = json!({
            "table_name": "entries", "endpoint_url": "http://localhost:8000",
            "aws_access_key_id": "hunter2", "aws_secret_access_key": "hunter2",
            "consistent_read": false,
        });
        let config: Config = serde_json::from_value(settings.clone()).expect("settings");
        assert!(!format!("{config:?}").contains("hunter2"));
        let said = open(settings).map(|store| store.to_string());
        let expected =
            "dynamodb, table entries at http://localhost:8000, eventually consistent reads";
        assert_eq!(said.as_deref(), Ok(expected));
    }
}
