//! What is made of the documents that a query found.

use std::collections::HashMap;

use ::mongodb::bson::RawDocumentBuf;
use kvgate_core::{ListedKey, Page, PageRequest};

use super::document;

/// Of documents with the same key, which only other programs make, the newest counts.
pub(super) fn newest_of_each_key(found: &[RawDocumentBuf]) -> HashMap<&str, &RawDocumentBuf> {
    let mut newest: HashMap<&str, &RawDocumentBuf> = HashMap::with_capacity(found.len());
    for document in found {
        let Some(key) = document::key(document) else { continue };
        let created_at = |document| document::times(document).0;
        newest
            .entry(key)
            .and_modify(|other| {
                if created_at(document) > created_at(other) {
                    *other = document;
                }
            })
            .or_insert(document);
    }
    newest
}

/// A page of the listing whose documents, and one more if there is one, were found in the
/// order of their keys.
pub(super) fn page_of(found: &[RawDocumentBuf], page: &PageRequest<'_>) -> Page<ListedKey> {
    let listed = &found[..found.len().min(page.limit)];
    let mut items: Vec<ListedKey> = Vec::with_capacity(listed.len());
    for document in listed {
        let Some(key) = document::key(document) else { continue };
        // documents with the same key stand beside each other
        if key.starts_with(page.prefix) && items.last().is_none_or(|last| last.key != key) {
            // what can't be read is listed: reading it says so
            let (_, expires_at) = document::times(document);
            items.push(ListedKey { key: key.to_owned(), expires_at });
        }
    }
    let last = listed.iter().rev().find_map(|document| document::key(document));
    let next = if found.len() > page.limit { last.map(str::to_owned) } else { None };
    Page { items, next }
}
