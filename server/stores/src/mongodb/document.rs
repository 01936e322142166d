//! Entries as MongoDB documents, in py-key-value's layout.

use ::mongodb::bson::{DateTime, Document, RawBsonRef, RawDocumentBuf, doc, raw::RawDocument};
use kvgate_core::{Entry, Error, Kind, Result, Timestamp};

use super::{to_bson, to_json};

/// The layout that is written, and the newest that can be read.
const VERSION: i32 = 1;

/// The most bytes of a value as BSON: a document may have 16 MiB, and so may the command
/// that stores it, with the names beside the value.
pub(super) const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024 - 64 * 1024;

const MICROS_PER_MILLI: i64 = 1000;

/// The statement of an `update` that stores an entry, whatever is there.
///
/// A document that is made gets the key as its `_id`, so that of writers at the same time
/// one makes it and the others are told to try again. Where other programs made several
/// with this key, all of them get the entry.
pub(super) fn upsert(collection: &str, key: &str, entry: &Entry) -> Result<RawDocumentBuf> {
    let value = to_bson::document(&entry.value)?;
    let mut set = doc! { "collection": collection, "key": key, "version": VERSION };
    let mut unset = Document::new();
    for (name, time) in [
        ("created_at", entry.created_at.map(floor_to_millis)),
        ("expires_at", entry.expires_at.map(ceil_to_millis)),
    ] {
        match time {
            Some(time) => set.insert(name, DateTime::from_millis(time)),
            None => unset.insert(name, ""),
        };
    }
    set.insert("value", doc! { "object": value });
    let mut update = doc! { "$set": set, "$setOnInsert": { "_id": key } };
    if !unset.is_empty() {
        update.insert("$unset", unset);
    }
    let statement = doc! { "q": { "key": key }, "u": update, "upsert": true, "multi": true };
    let statement = RawDocumentBuf::try_from(statement)
        .map_err(|_| Error::new(Kind::InvalidValue, "the value can't be written as BSON"))?;
    let size = statement.as_bytes().len();
    if size > VALUE_BYTES_MAX {
        return Err(Error::new(
            Kind::ValueTooLarge,
            format!(
                "the entry takes {size} bytes as BSON, which is over MongoDB's limit of \
                 {VALUE_BYTES_MAX} bytes (value_bytes_max)"
            ),
        )
        .with_limit("value_bytes_max", VALUE_BYTES_MAX as u64));
    }
    Ok(statement)
}

/// Reads an entry. The error is of kind [`Kind::Unreadable`] and shows nothing of it.
pub(super) fn entry(document: &RawDocument) -> Result<Entry> {
    let version = match member(document, "version")? {
        Some(RawBsonRef::Int32(version)) => version.into(),
        Some(RawBsonRef::Int64(version)) => version,
        _ => VERSION.into(),
    };
    if version > i64::from(VERSION) {
        return Err(unreadable("is of a newer version"));
    }
    let value = member(document, "value")?.and_then(RawBsonRef::as_document);
    let value = value.ok_or_else(|| unreadable("has no value"))?;
    let object = member(value, "object")?.and_then(RawBsonRef::as_document);
    let object = object.ok_or_else(|| unreadable("has no value.object"))?;
    Ok(Entry {
        value: to_json::value(object).map_err(unreadable)?,
        created_at: time(document, "created_at")?,
        expires_at: time(document, "expires_at")?,
    })
}

/// The key of a document; nothing if it is no entry's.
pub(super) fn key(document: &RawDocument) -> Option<&str> {
    text(document, "key")
}

/// The collection that a document names; nothing if it is no entry's.
pub(super) fn collection(document: &RawDocument) -> Option<&str> {
    text(document, "collection")
}

/// When a document was made and when it expires, as far as that can be read.
pub(super) fn times(document: &RawDocument) -> (Option<Timestamp>, Option<Timestamp>) {
    let readable = |name| time(document, name).ok().flatten();
    (readable("created_at"), readable("expires_at"))
}

/// Matches every document with a key.
pub(super) fn keyed() -> Document {
    doc! { "key": { "$type": "string" } }
}

/// Matches the entries that py-key-value or kvgate stored: both write the collection's name.
pub(super) fn ours() -> Document {
    doc! { "key": { "$type": "string" }, "collection": { "$type": "string" } }
}

/// Narrows a filter to what has not expired, whatever else may stand there for a time.
pub(super) fn live(mut filter: Document, now: Timestamp) -> Document {
    filter.insert("expires_at", doc! { "$not": ended(now) });
    filter
}

/// Narrows a filter to what was not made after a time.
pub(super) fn created_by(mut filter: Document, time: Timestamp) -> Document {
    let after = doc! { "$gt": DateTime::from_millis(floor_to_millis(time)) };
    filter.insert("created_at", doc! { "$not": after });
    filter
}

/// Narrows a filter to what has expired.
pub(super) fn expired(mut filter: Document, now: Timestamp) -> Document {
    filter.insert("expires_at", ended(now));
    filter
}

fn ended(now: Timestamp) -> Document {
    doc! { "$lte": DateTime::from_millis(floor_to_millis(now)) }
}

/// BSON keeps milliseconds. An entry must not end before its time.
fn ceil_to_millis(time: Timestamp) -> i64 {
    (time.as_micros() + (MICROS_PER_MILLI - 1)).div_euclid(MICROS_PER_MILLI)
}

fn floor_to_millis(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(MICROS_PER_MILLI)
}

fn text<'a>(document: &'a RawDocument, name: &str) -> Option<&'a str> {
    document.get(name).ok().flatten().and_then(RawBsonRef::as_str)
}

fn time(document: &RawDocument, name: &str) -> Result<Option<Timestamp>> {
    let not_a_time = || unreadable(&format!("has a member {name} that is not a time"));
    match member(document, name)? {
        None | Some(RawBsonRef::Null) => Ok(None),
        Some(RawBsonRef::DateTime(time)) => {
            let micros = time.timestamp_millis().checked_mul(MICROS_PER_MILLI);
            let time = micros.map(Timestamp::from_micros).filter(|time| *time <= Timestamp::MAX);
            time.map(Some).ok_or_else(not_a_time)
        }
        Some(_) => Err(not_a_time()),
    }
}

fn member<'a>(document: &'a RawDocument, name: &str) -> Result<Option<RawBsonRef<'a>>> {
    document.get(name).map_err(|_| unreadable("is not valid BSON"))
}

fn unreadable(what: &str) -> Error {
    Error::new(Kind::Unreadable, format!("the stored document {what}"))
}

#[cfg(test)]
mod tests {
    use ::mongodb::bson::Bson;
    use bytes::Bytes;
    use kvgate_core::Value;

    use super::*;

    fn raw(document: Document) -> RawDocumentBuf {
        RawDocumentBuf::try_from(document).expect("BSON")
    }

    fn entry_of(value: &str, micros: i64, expires_at: Option<i64>) -> Entry {
        Entry {
            value: Value::from_checked(Bytes::copy_from_slice(value.as_bytes())),
            created_at: Some(Timestamp::from_micros(micros)),
            expires_at: expires_at.map(Timestamp::from_micros),
        }
    }

    /// What a server makes of the statement where nothing is stored.
    fn inserted(statement: &RawDocumentBuf) -> Document {
        let statement = Document::try_from(statement).expect("BSON");
        let update = statement.get_document("u").expect("an update");
        let mut stored = update.get_document("$setOnInsert").expect("an _id").clone();
        stored.extend(update.get_document("$set").expect("members").clone());
        stored
    }

    #[test]
    fn reads_what_it_wrote_to_the_millisecond() {
        let entry_1 = entry_of(r#"{"b":1.0,"a":[{}]}"#, 1_234_567, Some(7_654_321));
        let stored = inserted(&upsert("c", "k", &entry_1).expect("a statement"));
        assert_eq!(stored.get("_id").and_then(Bson::as_str), Some("k"));
        let found = entry(&raw(stored)).expect("an entry");
        // created no later than it was, and gone no earlier than promised
        assert_eq!(found, entry_of(r#"{"b":1.0,"a":[{}]}"#, 1_234_000, Some(7_655_000)));
    }

    #[test]
    fn an_entry_for_ever_removes_the_time() {
        let statement = upsert("c", "k", &entry_of("{}", 0, None)).expect("a statement");
        let statement = Document::try_from(&statement).expect("BSON");
        let update = statement.get_document("u").expect("an update");
        let unset = update.get_document("$unset").expect("something to remove");
        assert_eq!(*unset, doc! { "expires_at": "" });
    }

    #[test]
    fn a_document_that_is_too_large_is_refused() {
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(VALUE_BYTES_MAX));
        let error = upsert("c", "k", &entry_of(&large, 0, None)).expect_err("17 MiB of BSON");
        assert_eq!(error.kind(), Kind::ValueTooLarge);
    }

    #[test]
    fn accepts_what_others_write_and_no_more() {
        let least = raw(doc! { "value": { "object": { "a": 1 } }, "expires_at": null });
        assert_eq!(entry(&least).expect("no times").value.as_bytes(), r#"{"a":1}"#);
        for bad in [
            doc! {},
            doc! { "value": 7 },
            doc! { "value": { "string": "{}" } },
            doc! { "value": { "object": [] } },
            doc! { "value": { "object": { "a": f64::NAN } } },
            doc! { "value": { "object": {} }, "expires_at": "soon" },
            doc! { "value": { "object": {} }, "created_at": DateTime::MAX },
            doc! { "value": { "object": {} }, "version": 2 },
        ] {
            let error = entry(&raw(bad.clone())).expect_err("no entry");
            assert_eq!(error.kind(), Kind::Unreadable, "{bad}");
        }
    }
}
