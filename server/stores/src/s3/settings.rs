//! The settings.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use kvgate_core::name::Sanitize;
use kvgate_core::{BackendUrl, Clock, Error, Kind, Result, Secret, duration};
use schemars::JsonSchema;
use serde::Deserialize;

use super::S3Store;
use super::bucket::Bucket;
use super::names::Names;
use super::turns::Turns;
use crate::StoreConfig;
use crate::aws::{self, Requests, Service};

/// What an object may have beside the value: the longest names, in ASCII, and the times.
pub(super) const FRAME_BYTES: usize = 50 * 1024;

/// The least that `object_bytes_max` may be.
const OBJECT_BYTES_MAX_LEAST: usize = 64 * 1024;

/// The longest name of a bucket: an ARN.
const BUCKET_NAME_BYTES_MAX: usize = 1024;

/// Settings of an S3 store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The bucket. It should hold nothing but what kvgate and py-key-value store.
    bucket_name: String,
    /// Makes the bucket if it is not there.
    #[serde(default = "default_auto_create")]
    auto_create: bool,
    /// The region of AWS; that of the environment, the profile or the machine if it is not
    /// set.
    region_name: Option<String>,
    /// Where the service is, for one that is not in AWS.
    endpoint_url: Option<BackendUrl>,
    /// Whether the bucket stands in the path of URLs and not in the host's name; if it is
    /// not set, it does where `endpoint_url` is set.
    path_style: Option<bool>,
    /// The access key; without it credentials come from the standard chain: environment,
    /// profile, web identity, container, machine. It must be allowed to list the bucket:
    /// who is not hears of an object that is not there that access is denied.
    aws_access_key_id: Option<Secret>,
    /// The secret of the access key.
    aws_secret_access_key: Option<Secret>,
    /// The token that goes with a temporary access key.
    aws_session_token: Option<Secret>,
    /// How long S3 may take for one answer, with further attempts.
    #[serde(default = "default_timeout", deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "5s"))]
    timeout: Duration,
    /// How long it may take to connect.
    #[serde(default = "default_connect_timeout", deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "2s"))]
    connect_timeout: Duration,
    /// The most requests to S3 at once, each on a connection of its own. Others wait.
    #[serde(default = "default_requests_max")]
    requests_max: NonZeroUsize,
    /// The largest object that is read or written, in bytes. Names, times and value of an
    /// entry must fit in it together.
    #[serde(default = "default_object_bytes_max")]
    #[schemars(range(min = OBJECT_BYTES_MAX_LEAST))]
    object_bytes_max: usize,
    /// How objects are called whose collection or key can't stand in their names.
    #[serde(default)]
    sanitize: Sanitize,
    /// Whether a key with a `/` stands in its object's name as it is, as py-key-value has
    /// it; otherwise its object has a made name. If it is not set, it does in AWS, and not
    /// where `endpoint_url` is set: a server that keeps objects as files has no room for
    /// `p/q` beside `p`, and `MinIO` leaves it out when it lists.
    plain_slashes: Option<bool>,
}

fn default_auto_create() -> bool {
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

fn default_object_bytes_max() -> usize {
    64 * 1024 * 1024
}

impl StoreConfig for Config {
    type Store = S3Store;

    fn open(self, clock: Arc<dyn Clock>) -> Result<S3Store> {
        check_bucket_name(&self.bucket_name)?;
        if self.object_bytes_max < OBJECT_BYTES_MAX_LEAST {
            let context = format!("object_bytes_max must be at least {OBJECT_BYTES_MAX_LEAST}");
            return Err(Error::new(Kind::Misconfigured, context));
        }
        let service = Service {
            name: "S3",
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
        let plain_slashes = self.plain_slashes.unwrap_or(service.endpoint_url.is_none());
        let requests = Requests::new(self.requests_max, self.timeout);
        let bucket =
            Bucket::new(self.bucket_name, self.auto_create, self.path_style, service, requests);
        Ok(S3Store {
            bucket,
            names: Names { sanitize: self.sanitize, plain_slashes },
            object_bytes_max: self.object_bytes_max,
            turns: Turns::new(),
            clock,
        })
    }
}

/// A name, or the ARN of an access point.
fn check_bucket_name(name: &str) -> Result<()> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
    if (3..=BUCKET_NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_taken) {
        return Ok(());
    }
    let context = "bucket_name must be 3 to 63 letters, digits, `-` and `.`, or an ARN";
    Err(Error::new(Kind::Misconfigured, context))
}

#[cfg(test)]
mod tests {
    use kvgate_core::SystemClock;
    use serde_json::{Value, json};

    use super::*;

    fn open(settings: Value) -> Result<S3Store, String> {
        let config: Config = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        config.open(Arc::new(SystemClock)).map_err(|error| error.to_string())
    }

    #[test]
    fn mistakes_are_told_before_anything_is_sent() {
        for (settings, said) in [
            (json!({}), "missing field `bucket_name`"),
            (json!({ "bucket_name": "a b" }), "bucket_name must be"),
            (json!({ "bucket_name": "entries", "endpoint_url": "minio:9000" }), "endpoint_url"),
            (json!({ "bucket_name": "entries", "aws_access_key_id": "a" }), "need each other"),
            (json!({ "bucket_name": "entries", "object_bytes_max": 1000 }), "at least 65536"),
            (json!({ "bucket_name": "entries", "bucket": "x" }), "unknown field `bucket`"),
        ] {
            let message = open(settings.clone()).err().unwrap_or_default();
            assert!(message.contains(said), "{settings}: {message:?}");
        }
    }

    #[test]
    fn a_store_tells_what_it_is_and_no_secret() {
        let settings = json!({
            "bucket_name": "entries", "endpoint_url": "http://localhost:9000",
            "aws_access_key_id": "hunter2", "aws_secret_access_key": "hunter2",
        });
        let config: Config = serde_json::from_value(settings.clone()).expect("settings");
        assert!(!format!("{config:?}").contains("hunter2"));
        let said = open(settings).map(|store| store.to_string());
        assert_eq!(said.as_deref(), Ok("s3, bucket entries at http://localhost:9000"));
    }
}
