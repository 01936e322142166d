//! Entries as secrets in a KV version 2 engine of `HashiCorp` Vault.
//!
//! ```text
//! {mount_point}/data/{collection}::{key}    {"value": "the envelope"}
//! ```
//!
//! The form is py-key-value's. Vault keeps versions: a put makes a new one and leaves
//! up to nine old ones (`max_versions` of the mount) until the entry is deleted, which
//! removes them all. It has no expiry of its own, no bulk calls and no pages of
//! listings: many keys are read at once, and a listing reads what it lists.
//!
//! Vault can't remove a name on condition that nobody has just put something there.
//! A delete is exact within one server; a cull, which nobody asked to remove what is
//! new, empties the versions that it saw and leaves the name.
//!
//! `names.rs` makes paths, `entries.rs` reads and writes what is at one of them,
//! `listing.rs` finds them. Below are `requests.rs` (what is asked of Vault),
//! `login.rs` (how we get in), `connection.rs` (HTTP) and `fault.rs` (errors).

mod connection;
mod entries;
mod entry_size;
mod fault;
mod listing;
mod locks;
mod login;
mod names;
mod requests;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kvgate_core::{
    BackendUrl, Capabilities, Clock, Entry, Error, Limits, ListedKey, Page, PageRequest, Removed,
    Result, Secret, Store, duration,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::StoreConfig;
use crate::tls::TlsSettings;
use connection::{Bounds, Connection};
use fault::misconfigured;
use locks::Locks;
use login::{AppRole, Credentials, Kubernetes, Sessions};
use requests::Engine;

const DEFAULT_URL: &str = "http://localhost:8200";

/// Settings of a Vault store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where Vault is: `https://HOST:PORT`, or `http://HOST:PORT`.
    #[schemars(extend("default" = DEFAULT_URL))]
    url: BackendUrl,
    /// The token to show to Vault. It is renewed when half of its life is over; it must
    /// be allowed to look itself up and to renew itself, as Vault's policy `default` is.
    /// Instead of it there can be `token_file`, `approle` or `kubernetes`.
    token: Option<Secret>,
    /// The file with a token that another program keeps up to date, such as Vault's
    /// agent. It is read again when its token is no longer good.
    token_file: Option<PathBuf>,
    /// Gets a token by a role and its secret.
    approle: Option<AppRole>,
    /// Gets a token by the one of a Kubernetes service account. Vault's JWT method is
    /// asked the same way.
    kubernetes: Option<Kubernetes>,
    /// Where the KV version 2 engine is mounted. Listing, culling and destroying the
    /// store walk all of it: other secrets in it are left alone, but cost time.
    mount_point: String,
    /// The namespace to work in, as `X-Vault-Namespace` names it.
    namespace: Option<String>,
    /// Encryption, for a `url` that begins with `https`.
    tls: TlsSettings,
    /// How long Vault may take for one answer.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "5s"))]
    timeout: Duration,
    /// How long making a connection may take.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "2s"))]
    connect_timeout: Duration,
    /// The most requests, each on a connection of its own, that wait for an answer of
    /// Vault at once.
    requests_max: NonZeroUsize,
    /// The most bytes that an entry may have in Vault, where quotes and backslashes take
    /// two and `<`, `>`, `&` six. Vault takes 1 MiB together with what it adds, unless
    /// its `max_json_string_value_length` and the storage's `max_entry_size` are raised.
    entry_bytes_max: NonZeroUsize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: BackendUrl::from(DEFAULT_URL.to_owned()),
            token: None,
            token_file: None,
            approle: None,
            kubernetes: None,
            mount_point: "secret".to_owned(),
            namespace: None,
            tls: TlsSettings::default(),
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            requests_max: const { NonZeroUsize::new(32).unwrap() },
            entry_bytes_max: const { NonZeroUsize::new(ENTRY_BYTES_MAX).unwrap() },
        }
    }
}

/// 1 MiB less what Vault and its storage put around an entry.
const ENTRY_BYTES_MAX: usize = (1 << 20) - (1 << 10);

impl StoreConfig for Config {
    type Store = VaultStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<VaultStore> {
        let bounds = Bounds {
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            idle_connections_max: self.requests_max.get(),
        };
        let connection = Connection::new(&self.url, self.namespace, &self.tls, &bounds)?;
        let ways_in = [
            self.token.map(Credentials::Token),
            self.token_file.map(Credentials::TokenFile),
            self.approle.map(Credentials::AppRole),
            self.kubernetes.map(Credentials::Kubernetes),
        ];
        let mut ways_in = ways_in.into_iter().flatten();
        let (Some(credentials), None) = (ways_in.next(), ways_in.next()) else {
            return Err(misconfigured("set one of token, token_file, approle and kubernetes"));
        };
        let mounts = credentials.mount().into_iter().chain([self.mount_point.as_str()]);
        if !mounts.into_iter().all(names::is_plain) {
            return Err(misconfigured("a mount is a path without a slash at its ends"));
        }
        let engine = Engine {
            mount: self.mount_point,
            sessions: Sessions::new(connection, credentials),
            permits: Semaphore::new(self.requests_max.get()),
        };
        Ok(VaultStore {
            url: self.url,
            engine,
            locks: Locks::default(),
            clock,
            requests_max: self.requests_max.get(),
            entry_bytes_max: self.entry_bytes_max.get(),
        })
    }
}

/// A store in Vault.
pub struct VaultStore {
    url: BackendUrl,
    engine: Engine,
    locks: Locks,
    clock: Arc<dyn Clock>,
    requests_max: usize,
    entry_bytes_max: usize,
}

#[async_trait]
impl Store for VaultStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    fn limits(&self) -> Limits {
        Limits { value_bytes_max: Some(self.entry_bytes_max), ..Limits::default() }
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let paths = keys.iter().map(|key| names::path(collection, key)).collect();
        let found = self.each(paths, |path| self.read(path)).await;
        if let Some(error) = first_unavailable(&found) {
            return Err(error.clone());
        }
        let entry = |found: Result<Option<_>>| Ok(found?.map(|found: entries::Found| found.entry));
        Ok(found.into_iter().map(entry).collect())
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        self.put_each(collection, entries).await
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        Ok(self.delete_each(collection, keys).await)
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        self.keys_page(collection, page).await
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        self.collections_page(page).await
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        self.remove_below(&names::collection_path(collection)).await
    }

    async fn destroy(&self) -> Result<()> {
        self.remove_below("").await.map(|_| ())
    }

    async fn cull(&self) -> Result<u64> {
        self.cull_all().await
    }

    async fn check(&self) -> Result<()> {
        self.engine.check().await
    }
}

fn first_unavailable<T>(answers: &[Result<T>]) -> Option<&Error> {
    let mut errors = answers.iter().filter_map(|answer| answer.as_ref().err());
    errors.find(|error| entries::is_unavailable(error))
}

impl fmt::Display for VaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vault {}, mount {}", self.url, self.engine.mount)
    }
}
