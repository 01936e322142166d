//! What is made of the list of all user names: keyrings know no ranges, so each page
//! begins with the whole list.

use std::collections::BTreeMap;

use bytes::Bytes;
use kvgate_core::envelope::{self, Decoded};
use kvgate_core::name::{self, SEPARATOR};
use kvgate_core::{Kind, ListedKey, Page, PageRequest, Result};

use super::KeyringStore;
use super::items::Place;

/// What is under a user name.
enum Found {
    Entry(Decoded),
    /// Nobody can read it, but it is there.
    Unreadable,
}

impl KeyringStore {
    /// The entries' user names that begin with a prefix, in order. What has no
    /// separator is no entry: another program has stored it.
    pub(super) async fn listed(&self, prefix: &str) -> Result<Vec<(String, Place)>> {
        let mut users = self.run(|keyring| keyring.items.users()).await?;
        users.retain(|(user, _)| user.starts_with(prefix) && user.contains(SEPARATOR));
        users.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        // another program may have made a second item of the same name
        users.dedup_by(|(one, _), (other, _)| one == other);
        Ok(users)
    }

    /// A page of keys, in the order of the user names; the cursor is the last that was
    /// looked at.
    pub(super) async fn page_of_keys(
        &self,
        collection: &str,
        page: &PageRequest<'_>,
    ) -> Result<Page<ListedKey>> {
        let prefix = self.names.prefix(collection)?;
        let mut users = self.listed(&prefix).await?;
        users.retain(|(user, _)| {
            page.cursor.is_none_or(|last| user.as_str() > last)
                && may_begin(&user[prefix.len()..], page.prefix)
        });
        let mut items = Vec::new();
        let mut rest = users.as_slice();
        while !rest.is_empty() && items.len() < page.limit {
            let round = rest.len().min(self.config.threads_max.get()).min(page.limit - items.len());
            let (now, later) = rest.split_at(round);
            rest = later;
            for ((user, _), found) in now.iter().zip(self.look(now).await?) {
                let listed = found.and_then(|found| self.key_of(&user[prefix.len()..], found));
                items.extend(listed.filter(|listed| listed.key.starts_with(page.prefix)));
            }
        }
        let last = users.len() - rest.len();
        let next = (!rest.is_empty()).then(|| users[last - 1].0.clone());
        Ok(Page { items, next })
    }

    /// A key as it was put. A name that is stored otherwise leads nobody here: it is not
    /// listed.
    fn key_of(&self, stored: &str, found: Found) -> Option<ListedKey> {
        let leads_here = |key: &String| self.names.key(key).is_ok_and(|made| made == stored);
        let itself = Some(stored.to_owned()).filter(leads_here);
        let (key, expires_at) = match found {
            Found::Entry(decoded) => (itself.or(decoded.key), decoded.entry.expires_at),
            Found::Unreadable => (itself, None),
        };
        key.filter(leads_here).map(|key| ListedKey { key, expires_at })
    }

    /// A page of collections with a live entry, in the order of their stored names; the
    /// cursor is the last that was looked at.
    pub(super) async fn page_of_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let users = self.listed("").await?;
        let mut stored: BTreeMap<&str, &[(String, Place)]> = BTreeMap::new();
        for users in
            users.chunk_by(|(one, _), (other, _)| collection_of(one) == collection_of(other))
        {
            stored.insert(collection_of(&users[0].0), users);
        }
        let mut items = Vec::new();
        let mut last = None;
        for (collection, users) in stored {
            if page.cursor.is_some_and(|last| collection <= last) {
                continue;
            }
            if items.len() == page.limit {
                return Ok(Page { items, next: last.map(str::to_owned) });
            }
            last = Some(collection);
            if name::is_reserved(collection) || collection.starts_with(page.prefix) {
                let named = self.collection_name(collection, users).await?;
                items.extend(named.filter(|name| name.starts_with(page.prefix)));
            }
        }
        Ok(Page { items, next: None })
    }

    /// A collection as it was named, if it has a live entry.
    async fn collection_name(
        &self,
        stored: &str,
        users: &[(String, Place)],
    ) -> Result<Option<String>> {
        let leads_here =
            |name: &String| self.names.collection(name).is_ok_and(|made| made == stored);
        let itself = Some(stored.to_owned()).filter(leads_here);
        let now = self.keyring.clock.now();
        for round in users.chunks(self.config.threads_max.get()) {
            for found in self.look(round).await?.into_iter().flatten() {
                let name = match found {
                    Found::Entry(decoded) if !decoded.entry.is_live(now) => None,
                    Found::Entry(decoded) => itself.clone().or(decoded.collection),
                    Found::Unreadable => itself.clone(),
                };
                if let Some(name) = name.filter(leads_here) {
                    return Ok(Some(name));
                }
            }
        }
        Ok(None)
    }

    /// What is under each of these user names.
    async fn look(&self, users: &[(String, Place)]) -> Result<Vec<Option<Found>>> {
        let found = self
            .each(users.to_vec(), |keyring, user, place| keyring.items.read_listed(user, &place))
            .await?;
        found.into_iter().map(decode).collect()
    }
}

/// Whether a key that is stored so may begin with the prefix, as far as can be said
/// without its envelope.
fn may_begin(stored: &str, prefix: &str) -> bool {
    name::is_reserved(stored) || stored.starts_with(prefix)
}

fn decode(text: Result<Option<Bytes>>) -> Result<Option<Found>> {
    match text {
        Ok(None) => Ok(None),
        Ok(Some(text)) => Ok(Some(envelope::decode(&text).map_or(Found::Unreadable, Found::Entry))),
        Err(error) if error.kind() == Kind::Unreadable => Ok(Some(Found::Unreadable)),
        Err(error) => Err(error),
    }
}

/// The part of a user name before its first separator.
fn collection_of(user: &str) -> &str {
    user.split_once(SEPARATOR).map_or(user, |(collection, _)| collection)
}
