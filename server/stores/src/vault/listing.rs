//! Finding what is there.
//!
//! Vault lists a directory at a time, whole, and a directory for each slash in a name.
//! A listing opens directories in the order of their names, only as far as its page
//! needs, and reads the entries of the page: their expiry and the names behind made
//! ones are in the envelopes alone.

use std::collections::{BTreeMap, BTreeSet};

use kvgate_core::{Error, Kind, ListedKey, Page, PageRequest, Result};

use super::{VaultStore, names};

/// The most names that one listing holds in memory.
const NAMES_MAX: usize = 1_000_000;

/// How many paths of a collection are looked at at a time, at most, for an entry that lives.
const LIVE_BATCH: usize = 32;

/// Which paths are wanted.
struct Wanted<'a> {
    /// They begin with it.
    base: &'a str,
    /// Behind it comes this, or a made name.
    prefix: &'a str,
    /// They come after it.
    after: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn all(base: &'a str) -> Self {
        Self { base, prefix: "", after: None }
    }

    /// Whether a path is wanted, or a directory may hold one that is.
    fn has(&self, path: &str) -> bool {
        let Some(key) = path.strip_prefix(self.base) else { return false };
        let directory = path.ends_with('/');
        let named = key.starts_with(self.prefix)
            || names::is_made(key)
            || (directory && self.prefix.starts_with(key));
        let later =
            self.after.is_none_or(|after| path > after || (directory && after.starts_with(path)));
        // whatever is no entry of ours belongs to others
        named && later && (directory || names::split(path).is_some())
    }

    /// The directory that holds all of them.
    fn root(&self) -> &'a str {
        self.base.rfind('/').map_or("", |slash| &self.base[..=slash])
    }
}

impl VaultStore {
    pub(super) async fn keys_page(
        &self,
        collection: &str,
        page: &PageRequest<'_>,
    ) -> Result<Page<ListedKey>> {
        let base = names::collection_path(collection);
        let wanted = Wanted { base: &base, prefix: page.prefix, after: page.cursor };
        let paths = self.paths_page(&wanted, page.limit).await?;
        let listed = self.each(paths.items, |path| self.listed_key(collection, path)).await;
        let listed: Vec<Option<ListedKey>> = listed.into_iter().collect::<Result<_>>()?;
        let items = listed.into_iter().flatten();
        let items = items.filter(|listed| listed.key.starts_with(page.prefix)).collect();
        Ok(Page { items, next: paths.next })
    }

    /// The key whose entry is at a path; nothing if no key leads there.
    async fn listed_key(&self, collection: &str, path: String) -> Result<Option<ListedKey>> {
        let stored = names::split(&path).map(|(_, key)| key.to_owned());
        let known = stored.filter(|key| !names::is_made(key));
        let (key, expires_at) = match self.read(path.clone()).await {
            Ok(Some(found)) => (known.or(found.key), found.entry.expires_at),
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == Kind::Unreadable => (known, None),
            Err(error) => return Err(error),
        };
        let key = key.filter(|key| names::path(collection, key) == path);
        Ok(key.map(|key| ListedKey { key, expires_at }))
    }

    pub(super) async fn collections_page(&self, page: &PageRequest<'_>) -> Result<Page<String>> {
        let stored = self.stored_collections(page).await?;
        let stored = Page::of_ordered(stored, page.limit, |(stored, _)| stored);
        let live = |(stored, paths)| self.live_collection(stored, paths);
        let found = self.each(stored.items, live).await;
        let found: Vec<Option<String>> = found.into_iter().collect::<Result<_>>()?;
        let items = found.into_iter().flatten();
        let items = items.filter(|name| name.starts_with(page.prefix)).collect();
        Ok(Page { items, next: stored.next })
    }

    /// The collections of a page and at least one more, if there is one, as they are
    /// stored: each with the paths that were met on the way to it. Empty ones are among
    /// them.
    async fn stored_collections(
        &self,
        page: &PageRequest<'_>,
    ) -> Result<BTreeMap<String, Vec<String>>> {
        let wanted = |stored: &str| {
            page.cursor.is_none_or(|after| stored > after)
                && (stored.starts_with(page.prefix) || names::is_made(stored))
        };
        let may_hold = |directory: &str| {
            page.cursor.is_none_or(|after| directory > after || after.starts_with(directory))
                && (directory.starts_with(page.prefix) || page.prefix.starts_with(directory))
        };
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let (mut closed, mut names) = (vec![String::new()], 0);
        loop {
            let last = found.keys().nth(page.limit);
            let on_page = |directory: &String| last.is_none_or(|last| directory < last);
            let (near, behind): (Vec<_>, Vec<_>) = closed.into_iter().partition(on_page);
            if near.is_empty() {
                return Ok(found);
            }
            closed = behind;
            for path in self.open(near).await? {
                names += 1;
                match names::split(&path) {
                    Some((stored, _)) if wanted(stored) => {
                        found.entry(stored.to_owned()).or_default().push(path);
                    }
                    None if path.ends_with('/') && may_hold(&path) => closed.push(path),
                    _ => {}
                }
            }
            check_count(names)?;
        }
    }

    /// The name of a stored collection, if an entry lives at or below one of the paths.
    async fn live_collection(
        &self,
        stored: String,
        mut paths: Vec<String>,
    ) -> Result<Option<String>> {
        // mostly the first one lives
        let mut count = 1;
        while !paths.is_empty() {
            let behind = paths.split_off(paths.len().min(count));
            let (closed, entries): (Vec<_>, Vec<_>) =
                paths.into_iter().partition(|path| path.ends_with('/'));
            for name in self.each(entries, |path| self.live_entry(&stored, path)).await {
                if let Some(name) = name? {
                    return Ok(Some(name));
                }
            }
            paths = behind;
            paths.extend(self.open(closed).await?);
            check_count(paths.len())?;
            count = LIVE_BATCH.min(2 * count);
        }
        Ok(None)
    }

    /// The collection's name, if the entry at the path lives.
    async fn live_entry(&self, stored: &str, path: String) -> Result<Option<String>> {
        let known = Some(stored).filter(|stored| !names::is_made(stored)).map(str::to_owned);
        let name = match self.read(path).await {
            Ok(Some(found)) if found.entry.is_live(self.clock.now()) => known.or(found.collection),
            Ok(_) => None,
            Err(error) if error.kind() == Kind::Unreadable => known,
            Err(error) => return Err(error),
        };
        Ok(name.filter(|name| names::stored_collection(name) == stored))
    }

    /// Removes every entry whose path begins so; answers whether there was one.
    pub(super) async fn remove_below(&self, base: &str) -> Result<bool> {
        let paths = self.paths(&Wanted::all(base), usize::MAX).await?;
        let removed = self.each(paths.into_iter().collect(), |path| self.remove(path)).await;
        Ok(count(removed)? > 0)
    }

    /// Empties every entry that has expired.
    pub(super) async fn cull_all(&self) -> Result<u64> {
        let paths = self.paths(&Wanted::all(""), usize::MAX).await?;
        let culled = self.each(paths.into_iter().collect(), |path| self.cull_one(path)).await;
        count(culled)
    }

    async fn paths_page(&self, wanted: &Wanted<'_>, limit: usize) -> Result<Page<String>> {
        let paths = self.paths(wanted, limit.saturating_add(1)).await?;
        Ok(Page::of_ordered(paths, limit, |path| path))
    }

    /// The paths that are wanted, at least the first `limit` of them; directories behind
    /// those may still be closed.
    async fn paths(&self, wanted: &Wanted<'_>, limit: usize) -> Result<BTreeSet<String>> {
        let mut paths = BTreeSet::from([wanted.root().to_owned()]);
        loop {
            let is_closed = |path: &&String| path.is_empty() || path.ends_with('/');
            let closed: Vec<String> = paths.iter().take(limit).filter(is_closed).cloned().collect();
            if closed.is_empty() {
                return Ok(paths);
            }
            for path in &closed {
                paths.remove(path);
            }
            paths.extend(self.open(closed).await?.into_iter().filter(|path| wanted.has(path)));
            check_count(paths.len())?;
        }
    }

    /// The paths of what is in some directories.
    async fn open(&self, directories: Vec<String>) -> Result<Vec<String>> {
        let open = |directory: String| async move {
            let names = self.engine.list(&directory).await?;
            Ok(names.into_iter().map(|name| format!("{directory}{name}")).collect::<Vec<_>>())
        };
        let opened: Vec<Vec<String>> =
            self.each(directories, open).await.into_iter().collect::<Result<_>>()?;
        Ok(opened.into_iter().flatten().collect())
    }
}

/// How many answers are yes. What fails has not stopped what was done before it.
fn count(answers: Vec<Result<bool>>) -> Result<u64> {
    let mut count = 0;
    for answer in answers {
        count += u64::from(answer.map_err(Error::may_have_happened)?);
    }
    Ok(count)
}

fn check_count(names: usize) -> Result<()> {
    if names <= NAMES_MAX {
        return Ok(());
    }
    let context = format!("the mount holds more than {NAMES_MAX} names to list (NAMES_MAX)");
    Err(Error::new(Kind::Full, context).with_limit("names_max", NAMES_MAX as u64))
}
