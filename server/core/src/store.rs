use std::fmt;
use std::ops::Bound;

use async_trait::async_trait;

use crate::{Entry, Error, Kind, Result, Timestamp};

/// A key-value store: what an adapter or a wrapper implements.
///
/// Many keys are the primitive; calls for one key are [`StoreExt`]. There are no
/// default methods on purpose: with one, a wrapper would lose an operation
/// without anybody noticing.
///
/// Keys and collections are not empty, have no NUL and are within the server's
/// limits when they get here. An adapter need not think of expiry when it reads:
/// it hands out what is there with its `expires_at`, and [`LiveStore`] around it
/// hides what has expired. It must not block: blocking work goes to a
/// [`BlockingPool`].
///
/// Answers of the many-key operations have one element a key, in order. An outer
/// error means that nothing is known of any key; an inner one concerns its key
/// alone.
///
/// `Display` prints the stack for a person: type and settings, no secrets.
///
/// [`LiveStore`]: crate::LiveStore
/// [`BlockingPool`]: crate::BlockingPool
#[async_trait]
pub trait Store: fmt::Display + Send + Sync + 'static {
    /// What the store can do. The same for the whole life of the store.
    fn capabilities(&self) -> Capabilities;

    /// The largest things the store takes.
    fn limits(&self) -> Limits;

    /// Reads entries. Duplicate keys are answered each.
    async fn get_many(&self, collection: &str, keys: &[&str])
    -> Result<Vec<Result<Option<Entry>>>>;

    /// Stores entries, each replacing what was under its key. An `Ok` is an
    /// acknowledgement: the entry survives what the store promises to survive.
    /// Of duplicate keys the last one stays.
    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>>;

    /// Removes entries and says of each whether it was there. Of duplicate keys
    /// the first finds it, the others don't.
    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>>;

    /// Lists a page of a collection's keys that begin with the prefix. A key that
    /// lives from the first page to the last is on exactly one of them.
    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>>;

    /// Lists a page of the collections that begin with the prefix and hold a live
    /// entry.
    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>>;

    /// Removes a collection; answers whether it held anything.
    async fn delete_collection(&self, collection: &str) -> Result<bool>;

    /// Removes everything. The store stays usable.
    async fn destroy(&self) -> Result<()>;

    /// Removes what has expired and answers how many entries that were.
    async fn cull(&self) -> Result<u64>;

    /// Tries whether the backend answers, for health and `kvgate check --connect`.
    async fn check(&self) -> Result<()>;
}

/// Calls for one key, for every [`Store`].
#[async_trait]
pub trait StoreExt: Store {
    /// Reads the entry of one key.
    async fn get(&self, collection: &str, key: &str) -> Result<Option<Entry>> {
        only(self.get_many(collection, &[key]).await?)
    }

    /// Stores one entry.
    async fn put(&self, collection: &str, key: &str, entry: Entry) -> Result<()> {
        only(self.put_many(collection, &[(key, entry)]).await?)
    }

    /// Removes one entry; answers whether it was there.
    async fn delete(&self, collection: &str, key: &str) -> Result<bool> {
        Ok(only(self.delete_many(collection, &[key]).await?)?.is_some())
    }
}

impl<S: Store + ?Sized> StoreExt for S {}

fn only<T>(mut answers: Vec<Result<T>>) -> Result<T> {
    match answers.pop() {
        Some(answer) if answers.is_empty() => answer,
        _ => Err(Error::new(Kind::Internal, "the store did not answer one key with one answer")),
    }
}

/// What a delete removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The expiry of what was removed, as far as the store knows it: an entry
    /// that had expired was not there for the caller.
    pub expires_at: Option<Timestamp>,
}

/// A key in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// The key as it was put.
    pub key: String,
    /// The entry's expiry, as far as the store knows it: what has expired is not
    /// listed.
    pub expires_at: Option<Timestamp>,
}

/// Which page of a listing.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// Only names that begin with this.
    pub prefix: &'a str,
    /// The `next` of the page before; nothing for the first page.
    pub cursor: Option<&'a str>,
    /// The most names to return; at least 1.
    pub limit: usize,
}

impl<'a> PageRequest<'a> {
    /// Where an ordered listing whose cursors are the last names listed begins.
    pub fn start(&self) -> Bound<&'a str> {
        match self.cursor {
            Some(last) if last >= self.prefix => Bound::Excluded(last),
            _ => Bound::Included(self.prefix),
        }
    }
}

/// A page of a listing. It may be short, even empty, before the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The cursor of the next page, in the store's own words; nothing at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The last page, with nothing on it.
    pub fn empty() -> Self {
        Self { items: Vec::new(), next: None }
    }

    /// The page that an ordered listing begins: `limit` of the `items`, and as
    /// cursor the last one's name if more follow.
    pub fn of_ordered(
        items: impl IntoIterator<Item = T>,
        limit: usize,
        name: impl FnOnce(&T) -> &str,
    ) -> Self {
        let mut items = items.into_iter();
        let listed: Vec<T> = items.by_ref().take(limit).collect();
        let next = match listed.last() {
            Some(last) if items.next().is_some() => Some(name(last).to_owned()),
            _ => None,
        };
        Self { items: listed, next }
    }
}

/// What a store can do; see `keyvalue.v1.Capabilities`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a list of independent facts")]
pub struct Capabilities {
    /// Lists keys.
    pub list_keys: bool,
    /// Lists collections.
    pub list_collections: bool,
    /// Removes a collection.
    pub delete_collection: bool,
    /// Removes everything.
    pub destroy: bool,
    /// Removes expired entries when asked.
    pub cull: bool,
    /// Values come back letter for letter.
    pub exact_values: bool,
    /// Entries outlive the process.
    pub persistent: bool,
    /// Other processes see the same entries.
    pub shared: bool,
    /// What was put can be read again: only Null says no.
    pub retains: bool,
    /// Live entries may be dropped when the store is full.
    pub evicts: bool,
}

impl Capabilities {
    /// What a store can do that has every operation, keeps all it is given, and is
    /// persistent and shared: the others say how they differ.
    pub const FULL: Self = Self {
        list_keys: true,
        list_collections: true,
        delete_collection: true,
        destroy: true,
        cull: true,
        exact_values: true,
        persistent: true,
        shared: true,
        retains: true,
        evicts: false,
    };
}

/// The largest things a store takes, in bytes; nothing: no limit of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// A key.
    pub key_bytes_max: Option<usize>,
    /// A collection.
    pub collection_bytes_max: Option<usize>,
    /// A value.
    pub value_bytes_max: Option<usize>,
}

/// What is promised about the stored form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// Later versions read what this one stored.
    Stable,
    /// The form may change between minor versions.
    Unstable,
    /// Nothing outlives the process.
    NotApplicable,
}

/// What can be asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Store::get_many`]
    Get,
    /// [`Store::put_many`]
    Put,
    /// [`Store::delete_many`]
    Delete,
    /// [`Store::list_keys`]
    ListKeys,
    /// [`Store::list_collections`]
    ListCollections,
    /// [`Store::delete_collection`]
    DeleteCollection,
    /// [`Store::destroy`]
    Destroy,
    /// [`Store::cull`]
    Cull,
    /// [`Store::check`]
    Check,
}

impl Operation {
    /// How many there are.
    pub const COUNT: usize = Self::Check as usize + 1;

    /// The operation as a word for metadata and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::ListKeys => "list_keys",
            Self::ListCollections => "list_collections",
            Self::DeleteCollection => "delete_collection",
            Self::Destroy => "destroy",
            Self::Cull => "cull",
            Self::Check => "check",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ListKeys => "list keys",
            Self::ListCollections => "list collections",
            Self::DeleteCollection => "delete a collection",
            Self::Destroy => "be destroyed",
            other => other.word(),
        })
    }
}
