//! All keys of a store, a page at a time, in a way that can be gone on with.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{self, BoxStream};
use kvgate_client::{Client, ErrorKind, KeyResult};
use serde::{Deserialize, Serialize};

use super::failure::Usage;

/// Which keys of a store.
#[derive(Clone, Debug, clap::Args, Deserialize, Serialize, PartialEq, Eq)]
pub(super) struct Selection {
    /// Only this collection; it can be given several times, and '' is the store's default
    /// one. All that the store can list without it.
    #[arg(long = "collection", value_name = "COLLECTION")]
    pub(super) collections: Vec<String>,
    /// Only keys that begin with this.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) prefix: String,
}

/// Where a reading of all keys has got to.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub(super) struct Position {
    /// The page of collections.
    collections_token: String,
    /// Those of it that are done.
    done: BTreeSet<String>,
    /// The one that is not, and its page of keys.
    current: Option<(String, String)>,
    /// Whether it was counted.
    counted: bool,
    /// How many collections had keys.
    pub(super) collections: u64,
}

/// Reads all keys of a store.
pub(super) struct Pages {
    client: Client,
    selection: Selection,
    position: Position,
    /// The page of collections, once it is here, and the token of the next.
    listed: Option<(Vec<String>, Option<String>)>,
}

/// A page of keys.
pub(super) struct PageOfKeys {
    pub(super) collection: Arc<str>,
    pub(super) keys: Vec<String>,
    /// Where to go on once these are dealt with.
    pub(super) after: Position,
}

impl Pages {
    pub(super) fn new(client: Client, selection: Selection, position: Position) -> Self {
        Self { client, selection, position, listed: None }
    }

    /// The next page; nothing at the end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<PageOfKeys>> {
        while let Some((collection, token)) = self.current().await? {
            let here = self.client.collection(collection.as_str());
            let page = here.key_page(&self.selection.prefix, 0, &token).await?;
            let position = &mut self.position;
            if !page.names.is_empty() && !position.counted {
                position.collections += 1;
                position.counted = true;
            }
            position.current = page.next_page_token.map(|token| (collection.clone(), token));
            if position.current.is_none() {
                position.counted = false;
                position.done.insert(collection.clone());
            }
            if !page.names.is_empty() {
                let after = position.clone();
                return Ok(Some(PageOfKeys {
                    collection: collection.into(),
                    keys: page.names,
                    after,
                }));
            }
        }
        Ok(None)
    }

    /// The collection that is not done, and its page of keys.
    async fn current(&mut self) -> anyhow::Result<Option<(String, String)>> {
        loop {
            if let Some(current) = &self.position.current {
                return Ok(Some(current.clone()));
            }
            let (names, next) = match self.listed.take() {
                Some(listed) => listed,
                None => self.list().await?,
            };
            let left = names.iter().find(|name| !self.position.done.contains(*name)).cloned();
            match (left, next) {
                (Some(name), next) => {
                    self.listed = Some((names, next));
                    return Ok(Some((name, String::new())));
                }
                (None, Some(token)) => {
                    self.position.collections_token = token;
                    self.position.done.clear();
                }
                (None, None) => {
                    self.listed = Some((names, None));
                    return Ok(None);
                }
            }
        }
    }

    async fn list(&self) -> anyhow::Result<(Vec<String>, Option<String>)> {
        if !self.selection.collections.is_empty() {
            return Ok((self.selection.collections.clone(), None));
        }
        match self.client.collection_page("", 0, &self.position.collections_token).await {
            Ok(page) => Ok((page.names, page.next_page_token)),
            Err(error) if error.kind() == ErrorKind::NotSupported => {
                let hint = "name its collections by --collection; '' is the default one";
                Err(Usage::new("the store can't list its collections", hint).into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads the entries of a page, as fast as they are taken.
pub(super) fn entries(
    client: &Client,
    collection: &str,
    keys: Vec<String>,
) -> BoxStream<'static, kvgate_client::Result<KeyResult>> {
    client.collection(collection).stream_get_many(stream::iter(keys))
}

/// Counts all keys, for the length of a bar.
pub(super) async fn count(client: Client, selection: Selection) -> anyhow::Result<u64> {
    let mut pages = Pages::new(client, selection, Position::default());
    let mut count = 0;
    while let Some(page) = pages.next().await? {
        count += page.keys.len() as u64;
    }
    Ok(count)
}
