//! The settings, and what they come to.

use std::num::NonZeroUsize;
use std::time::Duration;

use kvgate_core::name::Sanitize;
use kvgate_core::{BackendUrl, Secret, duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::names;
use crate::tls::TlsSettings;

const DEFAULT_URL: &str = "http://localhost:9200";

/// Settings as they are written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// Where the cluster is: `https://user:password@host:9200`. A path in it stays.
    #[schemars(extend("default" = DEFAULT_URL))]
    url: Option<BackendUrl>,
    /// Several nodes of the cluster, instead of `url`. They are asked in turn; one that
    /// can't be reached is left out for a while.
    urls: Vec<BackendUrl>,
    /// An API key, encoded as the cluster gives it out.
    api_key: Option<Secret>,
    /// The user that the password is of, if there is no API key.
    username: Option<String>,
    /// The user's password.
    password: Option<Secret>,
    /// How the names of the indices begin, in lower case: a collection is in the index
    /// `{index_prefix}-{collection}`. If it is not set it is `kv_store`, or
    /// `opensearch_kv_store` in OpenSearch. No prefix may be that of another store with `-`
    /// and something behind it.
    index_prefix: Option<String>,
    /// The same as `index_prefix`.
    index: Option<String>,
    /// How names are made that an index or a document can't have.
    sanitize: Sanitize,
    /// When listings see what was written. Reading by key sees it at once, always.
    refresh: Refresh,
    /// The certificates of TLS, for URLs that begin with `https`. Public authorities are
    /// trusted beside those of `ca_file`.
    tls: TlsSettings,
    /// How many requests may be on their way at once. Others wait for their turn.
    requests_max: NonZeroUsize,
    /// How long the cluster may take to answer a request, the time to connect and the
    /// time to wait for a turn among it.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "5s"))]
    timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: None,
            urls: Vec::new(),
            api_key: None,
            username: None,
            password: None,
            index_prefix: None,
            index: None,
            sanitize: Sanitize::default(),
            refresh: Refresh::OnList,
            tls: TlsSettings::default(),
            requests_max: const { NonZeroUsize::new(64).unwrap() },
            timeout: Duration::from_secs(5),
        }
    }
}

/// When listings see what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Refresh {
    /// A listing first refreshes what it lists: it sees all that was written, and writes
    /// cost nothing more.
    OnList,
    /// Every write refreshes, as py-key-value's puts do: every reader's listings see it.
    OnWrite,
    /// Every write waits until the index is refreshed by itself, about a second.
    WaitFor,
    /// Listings see what was written when the index is refreshed by itself.
    Never,
}

/// Settings of an Elasticsearch or OpenSearch store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Settings")]
#[schemars(with = "Settings")]
pub struct Config {
    pub(super) urls: Vec<BackendUrl>,
    /// Nothing: those of each URL, if it has any.
    pub(super) login: Option<Login>,
    /// Nothing: the product's own.
    pub(super) index_prefix: Option<String>,
    pub(super) sanitize: Sanitize,
    pub(super) refresh: Refresh,
    pub(super) tls: TlsSettings,
    pub(super) requests_max: NonZeroUsize,
    pub(super) timeout: Duration,
}

impl TryFrom<Settings> for Config {
    type Error = String;

    fn try_from(settings: Settings) -> Result<Self, String> {
        let Settings { url, urls, api_key, username, password, index_prefix, index, .. } = settings;
        let urls = match (url, urls) {
            (Some(_), urls) if !urls.is_empty() => return Err("expected url or urls".to_owned()),
            (Some(url), _) => vec![url],
            (None, urls) if urls.is_empty() => vec![DEFAULT_URL.to_owned().into()],
            (None, urls) => urls,
        };
        let index_prefix = match (index_prefix, index) {
            (Some(_), Some(_)) => return Err("expected index_prefix or index".to_owned()),
            (prefix, other) => prefix.or(other).map(|prefix| prefix.to_lowercase()),
        };
        index_prefix.as_deref().map(names::check_prefix).transpose()?;
        Ok(Self {
            urls,
            login: login(api_key, username, password)?,
            index_prefix,
            sanitize: settings.sanitize,
            refresh: settings.refresh,
            tls: settings.tls,
            requests_max: settings.requests_max,
            timeout: settings.timeout,
        })
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) enum Login {
    /// Whoever an encoded API key was made for.
    ApiKey(Secret),
    /// A user with a password.
    Password(String, Secret),
}

fn login(
    api_key: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
) -> Result<Option<Login>, String> {
    match (api_key, username, password) {
        (None, None, None) => Ok(None),
        (Some(key), None, None) => {
            // it becomes a header as it is
            if !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err("api_key has characters that no API key has".to_owned());
            }
            Ok(Some(Login::ApiKey(key)))
        }
        (None, Some(user), Some(password)) => Ok(Some(Login::Password(user, password))),
        (Some(_), ..) => Err("expected api_key, or username and password".to_owned()),
        (None, ..) => Err("username and password need each other".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(settings: Value) -> Result<Config, String> {
        serde_json::from_value(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_that_belong_together() {
        let config = read(json!({})).expect("defaults");
        assert_eq!(config.urls, [BackendUrl::from(DEFAULT_URL.to_owned())]);
        assert_eq!(config.index_prefix, None);
        let config = read(json!({ "urls": ["http://a", "http://b"], "index": "App" }));
        let config = config.expect("two nodes");
        assert_eq!((config.urls.len(), config.index_prefix.as_deref()), (2, Some("app")));
    }

    #[test]
    fn mistakes() {
        for (settings, said) in [
            (json!({ "url": "http://a", "urls": ["http://b"] }), "url or urls"),
            (json!({ "index": "a", "index_prefix": "a" }), "index_prefix or index"),
            (json!({ "index": "_a" }), "index_prefix"),
            (json!({ "index": "a*" }), "index_prefix"),
            (json!({ "username": "u" }), "need each other"),
            (json!({ "api_key": "k", "password": "p" }), "api_key, or"),
            (json!({ "api_key": "line\n" }), "no API key has"),
        ] {
            let message = read(settings.clone()).expect_err("a mistake");
            assert!(message.contains(said), "{settings}: {message}");
        }
    }
}
