//! Pages of a listing, for stores that sort what they find by its stored name.

use std::collections::BTreeSet;
use std::ops::Bound;

use kvgate_core::{Page, PageRequest, Result};

/// A page of what `listed` makes from stored names, which are its cursors: they
/// sort the same whatever comes and goes between two pages.
pub(crate) fn page_of<T>(
    stored: &BTreeSet<String>,
    page: &PageRequest<'_>,
    mut listed: impl FnMut(&str) -> Result<Option<T>>,
) -> Result<Page<T>> {
    let start = page.cursor.map_or(Bound::Unbounded, Bound::Excluded);
    let mut items = Vec::new();
    let mut names = stored.range::<str, _>((start, Bound::Unbounded));
    while let Some(stored) = names.next() {
        items.extend(listed(stored)?);
        if items.len() == page.limit {
            let next = names.next().map(|_| stored.clone());
            return Ok(Page { items, next });
        }
    }
    Ok(Page { items, next: None })
}
