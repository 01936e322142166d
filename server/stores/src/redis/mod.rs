//! Entries in Redis or in what speaks its protocol: one server, a cluster, or a
//! primary that Sentinels watch.
//!
//! An entry is a string under `collection::key`, as py-key-value stores it. Redis
//! removes it by itself when it expires; the envelope says when that is, too.
//! `servers.rs` is what commands are sent to, `cluster.rs` finds the node of a key,
//! `connection.rs` is one connection and `renewed.rs` how it is kept, `listing.rs` makes
//! pages.

mod cluster;
mod connection;
mod fault;
mod listing;
mod names;
mod renewed;
mod sentinel;
mod servers;
mod settings;
mod slots;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use kvgate_core::{
    Capabilities, Clock, Entry, Error, Limits, ListedKey, Page, PageRequest, Removed, Result,
    Store, Timestamp, envelope, name,
};
use redis::{Cmd, TlsCertificates, Value};

use crate::StoreConfig;
use crate::tls::{TlsSettings, install_cryptography};
use connection::{Access, Dialer};
use listing::{Listings, Names};
use servers::Servers;
pub use settings::Config;

/// How many entries are read at once to learn the names of their collections.
const SAMPLES_AT_ONCE: usize = 16;

/// How many collections with made names a listing remembers to have looked at. Over it
/// they are looked at again.
const LOOKED_AT_MAX: usize = 100_000;

impl StoreConfig for Config {
    type Store = RedisStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<RedisStore> {
        RedisStore::open(self, "redis", clock)
    }
}

/// A store in Redis.
pub struct RedisStore {
    servers: Servers,
    listings: Listings,
    clock: Arc<dyn Clock>,
    /// What it is and where, for a person.
    about: String,
}

impl RedisStore {
    /// A store in a product that speaks Redis's protocol.
    pub(crate) fn open(
        config: Config,
        product: &'static str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let Config { place, login, tls, connections, timeout, connect_timeout } = config;
        let database = if login.db() == 0 { String::new() } else { format!("/{}", login.db()) };
        let with_tls = if tls.is_some() { ", TLS" } else { "" };
        let about = format!("{product} {place}{database}{with_tls}");
        let tls = tls.as_ref().map(certificates).transpose()?;
        let dialer = Dialer { product, login, tls, timeout, connect_timeout };
        let servers = Servers::open(place, dialer, connections)?;
        Ok(Self { servers, listings: Listings::new(), clock, about })
    }

    /// The keys of a collection, for a page and those after it.
    async fn key_names(&self, collection: &str, page: &PageRequest<'_>) -> Result<Names> {
        let mut found = Names::from(page)?;
        let _walking = self.listings.may_walk().await?;
        let start = names::start(collection);
        let pattern = names::beginning_with(&format!("{start}{}", page.prefix));
        let mut keys = self.servers.keys(&pattern).await?;
        while let Some(keys) = keys.try_next().await? {
            for (_, key) in keys.iter().filter_map(|stored| names::parse(stored)) {
                found.add(key);
            }
        }
        Ok(found)
    }

    /// The collections, for a page and those after it.
    async fn collection_names(&self, page: &PageRequest<'_>) -> Result<Names> {
        let mut found = Names::from(page)?;
        let _walking = self.listings.may_walk().await?;
        let mut looked_at = HashSet::new();
        let mut keys = self.servers.keys(&names::anything()).await?;
        while let Some(keys) = keys.try_next().await? {
            self.add_collections(keys, page.prefix, &mut looked_at, &mut found).await?;
        }
        Ok(found)
    }

    /// Removes every entry whose stored key matches; answers whether there was one.
    async fn remove_matching(&self, pattern: &str) -> Result<bool> {
        let mut any = false;
        let mut keys = self.servers.keys(pattern).await?;
        while let Some(mut keys) = keys.try_next().await? {
            keys.retain(|stored| names::parse(stored).is_some());
            any |= self.remove_all(keys).await?;
        }
        Ok(any)
    }

    /// Removes the stored keys; answers whether any of them was there.
    async fn remove_all(&self, keys: Vec<Vec<u8>>) -> Result<bool> {
        let removed = self.servers.run(keys.iter().map(unlink).collect(), Access::Write).await?;
        removed.into_iter().try_fold(false, |any, removed| Ok(any | was_there(&removed?)?))
    }

    /// Adds the collections that these keys are in. Those with made names are read
    /// from an entry of theirs.
    async fn add_collections(
        &self,
        keys: Vec<Vec<u8>>,
        prefix: &str,
        looked_at: &mut HashSet<String>,
        names: &mut Names,
    ) -> Result<()> {
        let mut samples = Vec::new();
        for (stored, (collection, _)) in
            keys.iter().filter_map(|stored| Some((stored, names::parse(stored)?)))
        {
            if !name::is_reserved(collection) {
                if collection.starts_with(prefix) {
                    names.add(collection);
                }
            } else if !looked_at.contains(collection)
                && samples.last().is_none_or(|(_, last)| *last != collection)
            {
                samples.push((stored, collection));
            }
        }
        for samples in samples.chunks(SAMPLES_AT_ONCE) {
            let reading = samples.iter().map(|(stored, _)| servers::get(stored)).collect();
            let found = self.servers.run(reading, Access::Read).await?;
            for ((_, stored_as), found) in samples.iter().zip(found) {
                // one that can't be read says nothing of the others in its collection
                let Some(collection) = found.ok().and_then(original_collection) else {
                    continue;
                };
                if looked_at.len() >= LOOKED_AT_MAX {
                    looked_at.clear();
                }
                looked_at.insert((*stored_as).to_owned());
                // listed is what can be read by its name
                if collection.starts_with(prefix)
                    && name::compound_collection(&collection) == *stored_as
                {
                    names.add(&collection);
                }
            }
        }
        Ok(())
    }
}

/// The certificates of a connection. They are read now, so that a mistake is told now.
fn certificates(tls: &TlsSettings) -> Result<TlsCertificates> {
    install_cryptography();
    let files = tls.read()?;
    let client_tls = files
        .identity
        .map(|(client_cert, client_key)| redis::ClientTlsConfig { client_cert, client_key });
    Ok(TlsCertificates { client_tls, root_cert: files.authorities })
}

fn set(key: &str, text: &str, expires_at: Option<Timestamp>, now: Timestamp) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(key).arg(text);
    if let Some(expires_at) = expires_at {
        // from now on, so that the server's clock need not agree with ours; rounded
        // up, because 0 is refused and the envelope is exact
        let micros = expires_at.saturating_since(now).as_micros();
        command.arg("PX").arg(u64::try_from(micros.div_ceil(1000)).unwrap_or(u64::MAX).max(1));
    }
    command
}

fn unlink(key: impl AsRef<[u8]>) -> Cmd {
    let mut command = redis::cmd("UNLINK");
    command.arg(key.as_ref());
    command
}

fn was_there(answer: &Value) -> Result<bool> {
    match answer {
        Value::Int(removed) => Ok(*removed > 0),
        _ => Err(fault::unexpected("UNLINK")),
    }
}

fn read_entry(answer: Value) -> Result<Option<Entry>> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(text) => Ok(Some(envelope::decode(&Bytes::from(text))?.entry)),
        _ => Err(fault::unexpected("GET")),
    }
}

fn original_collection(answer: Value) -> Option<String> {
    match answer {
        Value::BulkString(text) => envelope::decode(&Bytes::from(text)).ok()?.collection,
        _ => None,
    }
}

#[async_trait]
impl Store for RedisStore {
    /// As a server is that nobody has configured otherwise: it keeps entries on disk
    /// and drops none. Both are settings of the server, which kvgate does not see.
    fn capabilities(&self) -> Capabilities {
        // the server removes what has expired by itself
        Capabilities { cull: false, ..Capabilities::FULL }
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let found = self.servers.read(&names::stored(collection, keys)).await?;
        Ok(found.into_iter().map(|found| read_entry(found?)).collect())
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let keys: Vec<&str> = entries.iter().map(|(key, _)| *key).collect();
        let stored = names::stored(collection, &keys);
        let now = self.clock.now();
        let commands = stored.iter().zip(entries).map(|(stored, (key, entry))| {
            let text = envelope::encode(entry, Some((collection, key)));
            set(stored, &text, entry.expires_at, now)
        });
        let answers = self.servers.run(commands.collect(), Access::Write).await?;
        let answers = answers.into_iter().map(|answer| match answer? {
            Value::Okay => Ok(()),
            _ => Err(fault::unexpected("SET")),
        });
        Ok(answers.collect())
    }

    /// The expiry of what was removed is not read: that would cost as much as reading
    /// the entries. What has expired the server has removed.
    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let commands = names::stored(collection, keys).iter().map(unlink).collect();
        let answers = self.servers.run(commands, Access::Write).await?;
        let removed = answers
            .into_iter()
            .map(|answer| Ok(was_there(&answer?)?.then_some(Removed { expires_at: None })));
        Ok(removed.collect())
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let Page { items, next } = match self.listings.kept(page)? {
            Some(kept) => kept,
            None => self.listings.walked(page, self.key_names(collection, page).await?)?,
        };
        let items = items.into_iter().map(|key| ListedKey { key, expires_at: None }).collect();
        Ok(Page { items, next })
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        match self.listings.kept(page)? {
            Some(kept) => Ok(kept),
            None => self.listings.walked(page, self.collection_names(page).await?),
        }
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        let pattern = names::beginning_with(&names::start(collection));
        self.remove_matching(&pattern).await.map_err(Error::may_have_happened)
    }

    /// Removes every `collection::key`, and leaves alone what others keep in the same
    /// database: py-key-value would empty it.
    async fn destroy(&self) -> Result<()> {
        let removed = self.remove_matching(&names::anything()).await;
        removed.map(drop).map_err(Error::may_have_happened)
    }

    async fn cull(&self) -> Result<u64> {
        Err(Error::unsupported(kvgate_core::Operation::Cull))
    }

    async fn check(&self) -> Result<()> {
        self.servers.check().await
    }
}

impl fmt::Display for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.about)
    }
}
