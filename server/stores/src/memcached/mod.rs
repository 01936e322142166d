//! Entries as items in memcached, on one host or several.
//!
//! An item's name is the compound key, its value is the envelope (`item.rs`). Several
//! hosts share the items by consistent hashing (`ring.rs`); when one is down its keys
//! are unavailable, and no other host is asked for them: what it holds may be old.
//!
//! All keys of a call that are on one host go there in one round trip: `commands.rs`
//! writes commands in a row and says how their answers read, `reader.rs` reads them,
//! `connection.rs` is what they go through, `host.rs` keeps the connections.
//! `server/decisions/0008-memcached-client.md` says why no library does this.
//!
//! memcached forgets when it is restarted, and drops what was used least when it is
//! full. It can't list; nor is everything removed when a store is destroyed: its
//! `flush_all` would remove what others keep on the same host.

mod address;
mod commands;
mod connection;
mod host;
mod item;
mod reader;
mod ring;
mod settings;
mod tls;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use kvgate_core::name::Sanitize;
use kvgate_core::{
    Capabilities, Clock, Entry, Error, Kind, Limits, ListedKey, Operation, Outcome, Page,
    PageRequest, Removed, Result, Store, envelope,
};

use crate::StoreConfig;
use commands::{Batch, Delete, Get, Set, Version};
use connection::Connecting;
use host::Host;
use item::{Item, Items};
use ring::Ring;
pub use settings::Config;

impl StoreConfig for Config {
    type Store = MemcachedStore;

    fn open(self, clock: Arc<dyn Clock>) -> Result<MemcachedStore> {
        let connecting = Arc::new(Connecting {
            credentials: self.credentials,
            tls: self.tls.as_ref().map(tls::connector).transpose()?,
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
        });
        let hosts: Vec<_> = self
            .addresses
            .into_iter()
            .map(|address| Host::new(address, Arc::clone(&connecting), self.connections.get()))
            .collect();
        Ok(MemcachedStore {
            ring: Ring::new(hosts.iter().map(Host::address)),
            hosts,
            sanitize: self.sanitize,
            item_bytes_max: self.item_bytes_max,
            clock,
        })
    }
}

/// A store in memcached.
pub struct MemcachedStore {
    hosts: Vec<Host>,
    ring: Ring,
    sanitize: Sanitize,
    item_bytes_max: usize,
    clock: Arc<dyn Clock>,
}

impl MemcachedStore {
    /// Asks each host about the items that are on it, all hosts at once; `batch` makes
    /// the question about some of the names. A name that could not be made is answered
    /// with its error.
    async fn ask<'a, B: Batch + Send>(
        &self,
        names: &'a [Result<String>],
        batch: impl Fn(&[Place<'a>]) -> B,
    ) -> Result<Vec<Result<B::Answer>>> {
        let mut places = vec![Vec::new(); self.hosts.len()];
        for (index, name) in names.iter().enumerate() {
            if let Ok(name) = name {
                places[self.ring.host_of(name)].push(Place { index, name });
            }
        }
        let asked = self.hosts.iter().zip(&places).filter(|(_, places)| !places.is_empty());
        let asking = asked.map(|(host, places)| {
            let batch = batch(places);
            async move { (places, host.ask(&batch).await) }
        });
        let asked = join_all(asking).await;
        if let Some(error) = of_all(asked.iter().map(|(_, answers)| answers.as_ref().err())) {
            return Err(error);
        }
        let error_of = |name: &Result<String>| match name {
            Ok(_) => Error::new(Kind::Internal, "memcached did not answer for each key"),
            Err(error) => error.clone(),
        };
        let mut answers: Vec<_> = names.iter().map(|name| Err(error_of(name))).collect();
        for (places, answered) in asked {
            match answered {
                Ok(answered) => {
                    for (place, answer) in places.iter().zip(answered) {
                        answers[place.index] = answer;
                    }
                }
                Err(error) => places.iter().for_each(|it| answers[it.index] = Err(error.clone())),
            }
        }
        Ok(answers)
    }

    fn names(&self, collection: &str, keys: &[&str]) -> Vec<Result<String>> {
        let items = Items::of(collection, self.sanitize);
        keys.iter().map(|key| items.name(key)).collect()
    }
}

/// A name, and its place among those of the call.
#[derive(Clone, Copy)]
struct Place<'a> {
    index: usize,
    name: &'a str,
}

fn names_of<'a>(places: &[Place<'a>]) -> Vec<&'a str> {
    places.iter().map(|place| place.name).collect()
}

/// The error of a call that has no answer at all, if every host failed.
fn of_all<'a>(errors: impl Iterator<Item = Option<&'a Error>>) -> Option<Error> {
    let errors: Vec<&Error> = errors.collect::<Option<_>>()?;
    let first = (*errors.first()?).clone();
    let uncertain = errors.iter().any(|error| error.outcome() == Outcome::MayHaveHappened);
    Some(if uncertain { first.may_have_happened() } else { first })
}

#[async_trait]
impl Store for MemcachedStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            list_keys: false,
            list_collections: false,
            delete_collection: false,
            destroy: false,
            cull: false,
            evicts: true,
            ..Capabilities::FULL
        }
    }

    fn limits(&self) -> Limits {
        let value_bytes_max = Some(item::value_bytes_max(self.item_bytes_max));
        Limits { value_bytes_max, ..Limits::default() }
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let names = self.names(collection, keys);
        let item_bytes_max = self.item_bytes_max;
        let get = self.ask(&names, |places| Get { names: names_of(places), item_bytes_max });
        let values = get.await?;
        let decode = |value: Bytes| envelope::decode(&value).map(|decoded| decoded.entry);
        Ok(values.into_iter().map(|value| value?.map(decode).transpose()).collect())
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let (items, now) = (Items::of(collection, self.sanitize), self.clock.now());
        let item = |(key, entry): &(&str, Entry)| items.item(key, entry, now, self.item_bytes_max);
        // one that can't be stored is found before any is
        let items = entries.iter().map(item).collect::<Result<Vec<Item>>>()?;
        let names: Vec<_> = items.iter().map(|item| Ok(item.name.clone())).collect();
        let items_at = |places: &[Place<'_>]| places.iter().map(|it| &items[it.index]).collect();
        self.ask(&names, |places| Set { items: items_at(places) }).await
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let names = self.names(collection, keys);
        let item_bytes_max = self.item_bytes_max;
        self.ask(&names, |places| Delete { names: names_of(places), item_bytes_max }).await
    }

    async fn list_keys(&self, _: &str, _: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        Err(Error::unsupported(Operation::ListKeys))
    }

    async fn list_collections(&self, _: &PageRequest<'_>) -> Result<Page<String>> {
        Err(Error::unsupported(Operation::ListCollections))
    }

    async fn delete_collection(&self, _: &str) -> Result<bool> {
        Err(Error::unsupported(Operation::DeleteCollection))
    }

    async fn destroy(&self) -> Result<()> {
        Err(Error::unsupported(Operation::Destroy))
    }

    async fn cull(&self) -> Result<u64> {
        Err(Error::unsupported(Operation::Cull))
    }

    async fn check(&self) -> Result<()> {
        let checks = join_all(self.hosts.iter().map(|host| host.ask(&Version))).await;
        checks.into_iter().flat_map(|answers| answers.unwrap_or_else(|e| vec![Err(e)])).collect()
    }
}

impl fmt::Display for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.hosts.iter().map(|host| host.address().to_string()).collect();
        write!(f, "memcached at {}", hosts.join(", "))
    }
}
