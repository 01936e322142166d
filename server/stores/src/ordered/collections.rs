//! Collections: they are the parts of the stored keys before the first separator.

use kvgate_core::name::{self, SEPARATOR, Sanitize};
use kvgate_core::{Page, PageRequest, Result, Timestamp};

use super::range::KeyRange;

/// The most collections that are looked at for one page: most of them may not have
/// the prefix, or be empty.
const LOOKED_AT_MAX: usize = 10_000;

/// The stored keys of a database, as a listing of collections reads them.
pub(crate) trait StoredKeys {
    /// The first stored key of the range.
    fn first(&self, range: &KeyRange) -> Result<Option<String>>;

    /// Whether an entry of the range is live at `now`.
    fn has_live(&self, range: &KeyRange, now: Timestamp) -> Result<bool>;

    /// The collection that the first live envelope of the range names.
    fn live_collection(&self, range: &KeyRange, now: Timestamp) -> Result<Option<String>>;
}

/// The stored keys of a collection that is stored under `stored`.
pub(crate) fn range_of(stored: &str) -> KeyRange {
    KeyRange::with_prefix(&format!("{stored}{SEPARATOR}"))
}

/// Under which name a collection stands in stored keys.
pub(crate) fn stored_name(collection: &str, sanitize: Sanitize) -> String {
    match sanitize {
        Sanitize::Auto => name::compound_collection(collection),
        Sanitize::V1 => collection.to_owned(),
    }
}

/// A page of a listing of collections.
pub(crate) struct Listing {
    prefix: String,
    /// The first stored key that the page before did not look at.
    cursor: Option<String>,
    limit: usize,
    sanitize: Sanitize,
    now: Timestamp,
}

impl Listing {
    pub(crate) fn new(page: &PageRequest<'_>, sanitize: Sanitize, now: Timestamp) -> Self {
        Self {
            prefix: page.prefix.to_owned(),
            cursor: page.cursor.map(str::to_owned),
            limit: page.limit,
            sanitize,
            now,
        }
    }

    /// Jumps from collection to collection, in the order of the stored keys: of
    /// each it reads one key, and its rows up to the first live one.
    pub(crate) fn read(&self, keys: &impl StoredKeys) -> Result<Page<String>> {
        let mut items = Vec::new();
        let mut looked_at = 0;
        for mut range in self.ranges() {
            while let Some(key) = keys.first(&range)? {
                if items.len() >= self.limit || looked_at >= LOOKED_AT_MAX {
                    let next = Some(range.start);
                    return Ok(Page { items, next });
                }
                looked_at += 1;
                match key.split_once(SEPARATOR) {
                    Some((stored, _)) => {
                        range = range.from(end_of(stored));
                        items.extend(self.listed(keys, stored)?);
                    }
                    // no key of ours: it belongs to no collection
                    None => range = range.after(&key),
                }
            }
        }
        Ok(Page { items, next: None })
    }

    /// Where stored names with the prefix are: as they are, and among the made ones.
    fn ranges(&self) -> Vec<KeyRange> {
        let made = (self.sanitize == Sanitize::Auto).then_some(name::MADE_PREFIX);
        let mut prefixes = vec![self.prefix.as_str()];
        match made {
            Some(made) if made.starts_with(&self.prefix) => {}
            Some(made) if self.prefix.starts_with(made) => prefixes = vec![made],
            made => prefixes.extend(made),
        }
        prefixes.sort_unstable();
        let after_cursor = |range: KeyRange| match &self.cursor {
            Some(cursor) => range.from(cursor.clone()),
            None => range,
        };
        prefixes.into_iter().map(KeyRange::with_prefix).map(after_cursor).collect()
    }

    /// The collection as it was named, if it is to be listed.
    fn listed(&self, keys: &impl StoredKeys, stored: &str) -> Result<Option<String>> {
        let range = range_of(stored);
        let collection = if self.sanitize == Sanitize::Auto && name::is_reserved(stored) {
            keys.live_collection(&range, self.now)?
        } else if stored.starts_with(&self.prefix) && keys.has_live(&range, self.now)? {
            Some(stored.to_owned())
        } else {
            None
        };
        // a name that is stored otherwise leads nobody to these rows
        Ok(collection.filter(|collection| {
            collection.starts_with(&self.prefix) && stored_name(collection, self.sanitize) == stored
        }))
    }
}

/// The first key that can't belong to the collection.
fn end_of(stored: &str) -> String {
    // `;` is the character after `:`
    format!("{stored}:;")
}
