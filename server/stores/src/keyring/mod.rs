//! Entries in the keyring of the system: the same items that py-key-value's
//! `KeyringStore` keeps through Python's keyring library. Both update one item.
//!
//! - this file: settings and the store. Keyrings block, and may wait for a person:
//!   everything is done on a bounded pool, item by item, each with a deadline.
//! - `names.rs`: under which user name an entry stands
//! - `listing.rs`: what is made of the list of all user names
//! - `items.rs`: what is asked of a keyring. `secret_service.rs` does it on Linux,
//!   `credential_manager.rs` on Windows, `keychain.rs` on macOS; `keyutils.rs` is the
//!   kernel's keyring. The last three go through keyring-core: `credential.rs`.

#[cfg(any(target_os = "linux", target_os = "macos", windows))]
mod credential;
#[cfg(windows)]
mod credential_manager;
mod items;
#[cfg(target_os = "macos")]
mod keychain;
#[cfg(target_os = "linux")]
mod keyutils;
mod listing;
mod names;
mod rounds;
#[cfg(all(unix, not(target_os = "macos")))]
mod secret_service;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kvgate_core::name::Sanitize;
use kvgate_core::{
    BlockingPool, Capabilities, Clock, Entry, Error, Kind, Limits, ListedKey, Page, PageRequest,
    Removed, Result, Store, duration, envelope,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StoreConfig;
use items::Items;
use names::Names;

/// Settings of a Keyring store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The service whose items in the keyring the entries are.
    service_name: String,
    /// Which keyring.
    backend: Backend,
    /// Where the D-Bus session bus of the Secret Service is, such as
    /// `unix:path=/run/user/1000/bus`. If it is not set, `DBUS_SESSION_BUS_ADDRESS` says.
    dbus_address: Option<String>,
    /// How a user name in the keyring is made from a name that the keyring can't take.
    sanitize: Sanitize,
    /// How long the keyring may take for one entry, or to let another caller's thread go:
    /// it may be waiting for a person.
    #[serde(deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "5s"))]
    timeout: Duration,
    /// The most threads that wait for the keyring at once.
    threads_max: NonZeroUsize,
}

/// Which keyring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// The system's: the Secret Service (such as gnome-keyring) on Linux, the Credential
    /// Manager on Windows, which takes entries of 2,560 bytes at most with their names, in
    /// UTF-16, and the keychain on macOS.
    #[default]
    System,
    /// The keys of the Linux kernel, of 32,767 bytes at most. They are gone when the machine restarts, and some days
    /// after they were last used; they can't be listed, and Python does not see them.
    Keyutils,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            service_name: "py-key-value".to_owned(),
            backend: Backend::default(),
            dbus_address: None,
            sanitize: Sanitize::default(),
            timeout: Duration::from_secs(5),
            threads_max: const { NonZeroUsize::new(4).unwrap() },
        }
    }
}

/// The longest service: it is a part of names that some systems bound.
const SERVICE_BYTES_MAX: usize = 200;

impl StoreConfig for Config {
    type Store = KeyringStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<KeyringStore> {
        let service = &self.service_name;
        if service.is_empty() || service.contains('\0') || service.len() > SERVICE_BYTES_MAX {
            let context = format!(
                "service_name must have 1 to {SERVICE_BYTES_MAX} bytes and no NUL: give another one"
            );
            return Err(Error::new(Kind::Misconfigured, context));
        }
        let items = items::open(&self)?;
        Ok(KeyringStore {
            names: Names { sanitize: self.sanitize, limits: items.names() },
            pool: BlockingPool::new(self.threads_max.get()),
            keyring: Arc::new(Keyring {
                items,
                clock,
                culling: RwLock::new(()),
                answers: AtomicU64::new(0),
            }),
            config: self,
        })
    }
}

/// A store in the system's keyring.
pub struct KeyringStore {
    config: Config,
    names: Names,
    pool: BlockingPool,
    keyring: Arc<Keyring>,
}

/// What the pool's threads work with.
struct Keyring {
    items: Box<dyn Items>,
    clock: Arc<dyn Clock>,
    /// Held shared by a put and alone by a cull: between seeing that an entry has expired
    /// and removing it, none of our puts may take its place. Keyrings have no way to
    /// remove an item only if it is still the same, so a put of another program at that
    /// very moment may go with it.
    culling: RwLock<()>,
    /// How often it has answered.
    answers: AtomicU64,
}

impl Keyring {
    fn read(&self, user: &str) -> Result<Option<Entry>> {
        let Some(text) = self.items.read(user)? else {
            return Ok(None);
        };
        Ok(Some(envelope::decode(&text)?.entry))
    }

    fn write(&self, user: &str, text: &str) -> Result<()> {
        let _shared = self.culling.read().unwrap_or_else(PoisonError::into_inner);
        self.items.write(user, text)
    }

    fn remove(&self, user: &str) -> Result<Option<Removed>> {
        Ok(self.items.remove(user)?.map(|text| removed(&text)))
    }

    /// Removes an entry if it has expired; answers whether it had.
    fn cull(&self, user: &str) -> Result<bool> {
        if !self.has_expired(user)? {
            return Ok(false);
        }
        let _alone = self.culling.write().unwrap_or_else(PoisonError::into_inner);
        Ok(self.has_expired(user)? && self.items.remove(user)?.is_some())
    }

    fn has_expired(&self, user: &str) -> Result<bool> {
        match self.read(user) {
            Ok(entry) => Ok(entry.is_some_and(|entry| !entry.is_live(self.clock.now()))),
            // nobody knows when it ends
            Err(error) if error.kind() == Kind::Unreadable => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What a text that is gone says of its expiry: an unreadable one never ended.
fn removed(text: &Bytes) -> Removed {
    let entry = envelope::decode(text).map(|decoded| decoded.entry);
    Removed { expires_at: entry.ok().and_then(|entry| entry.expires_at) }
}

impl KeyringStore {
    fn users<T: Clone>(&self, collection: &str, keys: &[(&str, T)]) -> Result<Vec<(String, T)>> {
        let user = |(key, with): &(&str, T)| Ok((self.names.user(collection, key)?, with.clone()));
        keys.iter().map(user).collect()
    }
}

fn alone<'a>(keys: &[&'a str]) -> Vec<(&'a str, ())> {
    keys.iter().map(|key| (*key, ())).collect()
}

#[async_trait]
impl Store for KeyringStore {
    fn capabilities(&self) -> Capabilities {
        let listed = self.keyring.items.are_listed();
        Capabilities {
            list_keys: listed,
            list_collections: listed,
            delete_collection: listed,
            destroy: listed,
            cull: listed,
            ..Capabilities::FULL
        }
    }

    fn limits(&self) -> Limits {
        let limit = self.keyring.items.text_limit();
        Limits { value_bytes_max: limit.map(|limit| limit.bytes_max), ..Limits::default() }
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let users = self.users(collection, &alone(keys))?;
        self.each(users, |keyring, user, ()| keyring.read(user)).await
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let limit = self.keyring.items.text_limit();
        let mut texts = Vec::with_capacity(entries.len());
        for (key, entry) in entries {
            let text = envelope::encode(entry, Some((collection, key)));
            limit.map_or(Ok(()), |limit| limit.check(&text))?;
            texts.push((self.names.user(collection, key)?, text));
        }
        self.each(texts, |keyring, user, text| keyring.write(user, &text)).await
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let users = self.users(collection, &alone(keys))?;
        self.each(users, |keyring, user, ()| keyring.remove(user)).await
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        self.page_of_keys(collection, page).await
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        self.page_of_collections(page).await
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        let prefix = self.names.prefix(collection)?;
        let users = self.listed(&prefix).await?;
        let now = self.keyring.clock.now();
        let mut held = false;
        for removed in self.each(users, |keyring, user, _| keyring.remove(user)).await? {
            held |= removed?.is_some_and(|removed| kvgate_core::is_live(removed.expires_at, now));
        }
        Ok(held)
    }

    async fn destroy(&self) -> Result<()> {
        let users = self.listed("").await?;
        let removed = self.each(users, |keyring, user, _| keyring.remove(user)).await?;
        removed.into_iter().try_for_each(|removed| removed.map(drop))
    }

    async fn cull(&self) -> Result<u64> {
        let users = self.listed("").await?;
        let mut culled = 0;
        for expired in self.each(users, |keyring, user, _| keyring.cull(user)).await? {
            culled += u64::from(expired?);
        }
        Ok(culled)
    }

    async fn check(&self) -> Result<()> {
        self.run(|keyring| keyring.items.check()).await
    }
}

impl fmt::Display for KeyringStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keyring, service {} in {}", self.config.service_name, self.keyring.items)
    }
}
