//! Listing: pages in order of name, from a server that has no order.
//!
//! `SCAN` walks over all keys of a database in no order and may name one of them
//! twice. A page of a listing is therefore made by a whole walk that keeps the names
//! after the page's cursor, as many of the first ones as a window holds. The pages
//! after it are taken from the window, as long as it is kept: it saves walks and is
//! never needed. `decisions/0007-listing-redis.md` has the figures.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kvgate_core::{Error, Kind, Page, PageRequest, Result};
use redis::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::connection::Connection;
use super::fault;

/// How many keys a server looks at for one `SCAN`: it does nothing else meanwhile,
/// for less than a millisecond.
const SCAN_COUNT: usize = 1_000;

/// How many walks are under way at once; others wait.
const WALKS_AT_ONCE: usize = 4;

/// The most bytes of names in a window.
const WINDOW_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The most windows that are kept; the one that was not used for the longest time goes
/// first.
const WINDOWS_MAX: usize = 32;

/// Windows that were not used for so long are dropped.
const WINDOW_IDLE_MAX: Duration = Duration::from_mins(5);

/// What a name takes in a window besides its bytes.
const NAME_OVERHEAD_BYTES: usize = 64;

/// Listings that are under way.
pub(super) struct Listings {
    windows: Mutex<Vec<Window>>,
    walks: Semaphore,
}

/// What a listing walked over last.
struct Window {
    id: u64,
    used: Instant,
    names: Arc<Names>,
}

/// The first names after a place, as many as a window holds.
pub(super) struct Names {
    after: String,
    sorted: BTreeSet<String>,
    bytes: usize,
    /// Names from this one on had no room.
    left_out_from: Option<String>,
}

impl Listings {
    pub(super) fn new() -> Self {
        Self { windows: Mutex::default(), walks: Semaphore::new(WALKS_AT_ONCE) }
    }

    /// The page, if it can be made without a walk.
    pub(super) fn kept(&self, page: &PageRequest<'_>) -> Result<Option<Page<String>>> {
        let Some(cursor) = Cursor::of(page)? else {
            return Ok(None);
        };
        Ok(self.window(&cursor).map(|names| self.cut(page, &cursor, names)))
    }

    /// The page, from what a walk has found for it.
    pub(super) fn walked(&self, page: &PageRequest<'_>, names: Names) -> Result<Page<String>> {
        let last = Cursor::of(page)?.map_or("", |cursor| cursor.last);
        Ok(self.cut(page, &Cursor { id: rand::random(), last }, Arc::new(names)))
    }

    /// Waits until there may be another walk, which must end before this is dropped.
    pub(super) async fn may_walk(&self) -> Result<SemaphorePermit<'_>> {
        let closed = |e| Error::new(Kind::Internal, "listings are closed").with_source(e);
        self.walks.acquire().await.map_err(closed)
    }

    /// The page after the cursor, and what is needed for the next one.
    fn cut(&self, page: &PageRequest<'_>, cursor: &Cursor<'_>, names: Arc<Names>) -> Page<String> {
        let id = cursor.id;
        let items: Vec<String> = names.following(cursor.last).take(page.limit).cloned().collect();
        let last = items.last().filter(|last| names.has_more(last));
        let next = last.map(|last| Cursor { id, last }.to_text());
        match next {
            Some(_) => self.keep(id, names),
            None => self.windows().retain(|window| window.id != id),
        }
        Page { items, next }
    }

    /// The window of the listing, if it is kept and has names after the cursor.
    fn window(&self, cursor: &Cursor<'_>) -> Option<Arc<Names>> {
        let windows = self.windows();
        let window = windows.iter().find(|window| window.id == cursor.id)?;
        window.names.following(cursor.last).next()?;
        Some(Arc::clone(&window.names))
    }

    fn keep(&self, id: u64, names: Arc<Names>) {
        let mut windows = self.windows();
        windows.retain(|window| window.id != id && window.used.elapsed() < WINDOW_IDLE_MAX);
        // the one that was used last is at the end
        if windows.len() >= WINDOWS_MAX {
            windows.remove(0);
        }
        windows.push(Window { id, used: Instant::now(), names });
    }

    fn windows(&self) -> MutexGuard<'_, Vec<Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    /// Those of the page and of the pages after it.
    pub(super) fn from(page: &PageRequest<'_>) -> Result<Self> {
        let after = Cursor::of(page)?.map_or("", |cursor| cursor.last).to_owned();
        Ok(Self { after, sorted: BTreeSet::new(), bytes: 0, left_out_from: None })
    }

    /// Takes a name that was found, unless it was on an earlier page, is here already
    /// or has no room.
    pub(super) fn add(&mut self, name: &str) {
        let early = name <= self.after.as_str();
        let late = self.left_out_from.as_deref().is_some_and(|from| name >= from);
        if early || late || !self.sorted.insert(name.to_owned()) {
            return;
        }
        self.bytes += size(name);
        while self.bytes > WINDOW_BYTES_MAX && self.sorted.len() > 1 {
            self.left_out_from = self.sorted.pop_last();
            self.bytes -= self.left_out_from.as_deref().map_or(0, size);
        }
    }

    fn following(&self, after: &str) -> impl Iterator<Item = &String> {
        self.sorted.range::<str, _>((Bound::Excluded(after), Bound::Unbounded))
    }

    fn has_more(&self, last: &str) -> bool {
        self.left_out_from.is_some() || self.following(last).next().is_some()
    }
}

fn size(name: &str) -> usize {
    name.len() + NAME_OVERHEAD_BYTES
}

/// Where a page begins: after a name, in a window. No name is empty, so the first page
/// is after the empty one.
struct Cursor<'a> {
    id: u64,
    last: &'a str,
}

impl<'a> Cursor<'a> {
    fn of(page: &PageRequest<'a>) -> Result<Option<Self>> {
        let Some(text) = page.cursor else {
            return Ok(None);
        };
        let parsed = text
            .split_once(':')
            .and_then(|(id, last)| Some(Self { id: u64::from_str_radix(id, 16).ok()?, last }));
        let invalid = || Error::new(Kind::InvalidCursor, "not a cursor of this store");
        Ok(Some(parsed.ok_or_else(invalid)?))
    }

    fn to_text(&self) -> String {
        format!("{:x}:{}", self.id, self.last)
    }
}

/// The keys of one server that match a pattern, some at a time. All is asked on one
/// connection: a server that was started anew would not know the cursor.
pub(super) fn keys(connection: Connection, pattern: &str) -> Keys {
    let pattern = pattern.to_owned();
    let keys = stream::try_unfold(Some(b"0".to_vec()), move |cursor| {
        let (connection, pattern) = (connection.clone(), pattern.clone());
        async move {
            let Some(cursor) = cursor else {
                return Ok(None);
            };
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_COUNT);
            let (next, keys) =
                read_scan(connection.ask(scan).await?).ok_or_else(|| fault::unexpected("SCAN"))?;
            Ok(Some((keys, Some(next).filter(|next| next != b"0"))))
        }
    });
    keys.boxed()
}

/// Stored keys, some at a time, perhaps the same one twice.
pub(super) type Keys = BoxStream<'static, Result<Vec<Vec<u8>>>>;

fn read_scan(answer: Value) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let text = |value| match value {
        Value::BulkString(text) => Some(text),
        _ => None,
    };
    let Value::Array(parts) = answer else {
        return None;
    };
    let [cursor, Value::Array(keys)] = <[_; 2]>::try_from(parts).ok()? else {
        return None;
    };
    Some((text(cursor)?, keys.into_iter().map(text).collect::<Option<_>>()?))
}
