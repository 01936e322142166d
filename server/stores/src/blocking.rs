//! Stores whose operations block: each is done by a thread of a bounded pool.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kvgate_core::{
    BlockingPool, Capabilities, Entry, Limits, ListedKey, Page, PageRequest, Removed, Result, Store,
};

/// The operations of a [`Store`], each of which keeps a thread until it is done. What they
/// are displayed as is the store's description.
pub trait BlockingStore: fmt::Display + Send + Sync + 'static {
    /// See [`Store::get_many`].
    fn get_many(&self, collection: &str, keys: &[String]) -> Result<Vec<Result<Option<Entry>>>>;

    /// See [`Store::put_many`].
    fn put_many(&self, collection: &str, entries: &[(String, Entry)]) -> Result<Vec<Result<()>>>;

    /// See [`Store::delete_many`].
    fn delete_many(
        &self,
        collection: &str,
        keys: &[String],
    ) -> Result<Vec<Result<Option<Removed>>>>;

    /// See [`Store::list_keys`].
    fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>>;

    /// See [`Store::list_collections`].
    fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>>;

    /// See [`Store::delete_collection`].
    fn delete_collection(&self, collection: &str) -> Result<bool>;

    /// See [`Store::destroy`].
    fn destroy(&self) -> Result<()>;

    /// See [`Store::cull`].
    fn cull(&self) -> Result<u64>;

    /// See [`Store::check`].
    fn check(&self) -> Result<()>;
}

/// A store that sends its operations to a pool of threads.
pub struct Pooled<T> {
    pool: BlockingPool,
    store: Arc<T>,
}

impl<T: BlockingStore> Pooled<T> {
    /// `threads_max` operations are done at once, others wait.
    pub(crate) fn new(store: T, threads_max: usize) -> Self {
        Self { pool: BlockingPool::new(threads_max), store: Arc::new(store) }
    }

    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&T) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let store = Arc::clone(&self.store);
        self.pool.run(move || work(&store)).await
    }
}

#[async_trait]
impl<T: BlockingStore> Store for Pooled<T> {
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn get_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Entry>>>> {
        let (collection, keys) = (collection.to_owned(), owned(keys));
        self.run(move |store| store.get_many(&collection, &keys)).await
    }

    async fn put_many(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        let collection = collection.to_owned();
        let own = |(key, entry): &(&str, Entry)| ((*key).to_owned(), entry.clone());
        let entries: Vec<_> = entries.iter().map(own).collect();
        self.run(move |store| store.put_many(&collection, &entries)).await
    }

    async fn delete_many(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Result<Vec<Result<Option<Removed>>>> {
        let (collection, keys) = (collection.to_owned(), owned(keys));
        self.run(move |store| store.delete_many(&collection, &keys)).await
    }

    async fn list_keys(&self, collection: &str, page: &PageRequest<'_>) -> Result<Page<ListedKey>> {
        let (collection, wanted) = (collection.to_owned(), OwnedRequest::from(page));
        self.run(move |store| store.list_keys(&collection, &wanted.request())).await
    }

    async fn list_collections(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let wanted = OwnedRequest::from(page);
        self.run(move |store| store.list_collections(&wanted.request())).await
    }

    async fn delete_collection(&self, collection: &str) -> Result<bool> {
        let collection = collection.to_owned();
        self.run(move |store| store.delete_collection(&collection)).await
    }

    async fn destroy(&self) -> Result<()> {
        self.run(T::destroy).await
    }

    async fn cull(&self) -> Result<u64> {
        self.run(T::cull).await
    }

    async fn check(&self) -> Result<()> {
        self.run(T::check).await
    }
}

impl<T: BlockingStore> fmt::Display for Pooled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A page request that can go to another thread.
struct OwnedRequest {
    prefix: String,
    cursor: Option<String>,
    limit: usize,
}

impl From<&PageRequest<'_>> for OwnedRequest {
    fn from(page: &PageRequest<'_>) -> Self {
        Self {
            prefix: page.prefix.to_owned(),
            cursor: page.cursor.map(str::to_owned),
            limit: page.limit,
        }
    }
}

impl OwnedRequest {
    fn request(&self) -> PageRequest<'_> {
        PageRequest { prefix: &self.prefix, cursor: self.cursor.as_deref(), limit: self.limit }
    }
}
