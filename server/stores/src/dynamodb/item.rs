//! An entry as an item of the table.
//!
//! `collection` and `key` are its key, `value` is the envelope, `ttl` the second by which
//! DynamoDB may remove it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use kvgate_core::{Entry, Error, Kind, Result, Timestamp, envelope};

/// An item, or the part of one that was asked for.
pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) const COLLECTION: &str = "collection";
pub(super) const KEY: &str = "key";
pub(super) const VALUE: &str = "value";
pub(super) const TTL: &str = "ttl";

/// What DynamoDB takes of an item: its attributes' names and values.
pub(super) const ITEM_BYTES_MAX: usize = 400 * 1024;

/// What an item has beside the value, with names of a usual length; longer ones leave
/// less to the value.
pub(super) const FRAME_BYTES: usize = 1024;

/// What DynamoDB takes of a partition key.
pub(super) const COLLECTION_BYTES_MAX: usize = 2048;

/// What DynamoDB takes of a sort key.
pub(super) const KEY_BYTES_MAX: usize = 1024;

/// The key of an item.
pub(super) fn address(collection: &str, key: &str) -> Item {
    HashMap::from([
        (COLLECTION.to_owned(), AttributeValue::S(collection.to_owned())),
        (KEY.to_owned(), AttributeValue::S(key.to_owned())),
    ])
}

/// The item of an entry. It is refused if DynamoDB would refuse it.
pub(super) fn item(collection: &str, key: &str, entry: &Entry) -> Result<Item> {
    let value = envelope::encode(entry, Some((collection, key)));
    let ttl = entry.expires_at.map(|at| seconds_up(at).to_string());
    let names = COLLECTION.len() + KEY.len() + VALUE.len() + TTL.len();
    let size =
        names + collection.len() + key.len() + value.len() + ttl.as_ref().map_or(0, String::len);
    if size > ITEM_BYTES_MAX {
        let context = format!(
            "the item of the key would have {size} bytes, over DynamoDB's limit of \
             {ITEM_BYTES_MAX} bytes (item_bytes_max)"
        );
        let error = Error::new(Kind::ValueTooLarge, context);
        return Err(error.with_limit("item_bytes_max", ITEM_BYTES_MAX as u64));
    }
    let mut item = address(collection, key);
    item.insert(VALUE.to_owned(), AttributeValue::S(value));
    if let Some(ttl) = ttl {
        item.insert(TTL.to_owned(), AttributeValue::N(ttl));
    }
    Ok(item)
}

/// The entry of an item.
pub(super) fn entry(mut item: Item) -> Result<Entry> {
    let Some(AttributeValue::S(value)) = item.remove(VALUE) else {
        return Err(unreadable("the stored item has no text as its value"));
    };
    let mut entry = envelope::decode(&Bytes::from(value))?.entry;
    entry.expires_at = exact(entry.expires_at, ttl(&item)?);
    Ok(entry)
}

/// When an item ends, as far as it can be read.
pub(super) fn expires_at(item: Item) -> Option<Timestamp> {
    let ttl = ttl(&item).ok().flatten();
    entry(item).map_or(ttl.map(moment), |entry| entry.expires_at)
}

/// One of the two names of an item.
pub(super) fn take_name(item: &mut Item, attribute: &str) -> Result<String> {
    if let Some(AttributeValue::S(name)) = item.remove(attribute) {
        return Ok(name);
    }
    Err(Error::new(Kind::Internal, format!("DynamoDB answered an item without its {attribute}")))
}

/// The attribute `ttl`.
pub(super) fn ttl(item: &Item) -> Result<Option<i64>> {
    match item.get(TTL) {
        None | Some(AttributeValue::Null(_)) => Ok(None),
        Some(AttributeValue::N(number)) => match number.parse() {
            Ok(seconds) => Ok(Some(seconds)),
            Err(_) => Err(unreadable("the stored item's ttl is not a whole number")),
        },
        Some(_) => Err(unreadable("the stored item's ttl is not a number")),
    }
}

/// The moment of an attribute `ttl`.
pub(super) fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}

/// The attribute wins over the envelope, unless it is the same time without its part of a
/// second: kvgate rounds up, so that DynamoDB removes nothing too early, py-key-value down.
fn exact(written: Option<Timestamp>, ttl: Option<i64>) -> Option<Timestamp> {
    match (written, ttl) {
        (Some(at), Some(ttl)) if ttl != seconds_down(at) && ttl != seconds_up(at) => {
            Some(moment(ttl))
        }
        (None, Some(ttl)) => Some(moment(ttl)),
        (written, _) => written,
    }
}

pub(super) fn seconds_down(at: Timestamp) -> i64 {
    at.as_seconds_and_nanos().0
}

fn seconds_up(at: Timestamp) -> i64 {
    let (seconds, nanos) = at.as_seconds_and_nanos();
    seconds + i64::from(nanos > 0)
}

fn unreadable(context: &str) -> Error {
    Error::new(Kind::Unreadable, context)
}

#[cfg(test)]
mod tests {
    use kvgate_core::Value;

    use super::*;

    fn at(millis: impl Into<Option<i64>>) -> Option<Timestamp> {
        millis.into().map(|millis| Timestamp::from_micros(millis * 1000))
    }

    fn entry_of(bytes: usize, expires_at: Option<Timestamp>) -> Entry {
        let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - r#"{"a":""}"#.len()));
        let value = Value::from_checked(Bytes::from(text));
        Entry { value, created_at: None, expires_at }
    }

    #[test]
    fn the_attribute_wins_over_the_envelope() {
        for (written, ttl, expected) in [
            (at(7_300), Some(8), at(7_300)),
            (at(7_300), Some(7), at(7_300)),
            (at(7_000), Some(7), at(7_000)),
            (at(7_300), Some(6), at(6_000)),
            (at(7_300), Some(9), at(9_000)),
            (None, Some(7), at(7_000)),
            (at(7_300), None, at(7_300)),
            (None, None, None),
        ] {
            assert_eq!(exact(written, ttl), expected, "{written:?} {ttl:?}");
        }
        assert!(exact(at(1), Some(i64::MAX)) > at(1));
    }

    #[test]
    fn an_entry_comes_back() {
        let entry_in = entry_of(20, at(7_300));
        let item = item("c", "k", &entry_in).expect("an item");
        assert_eq!(item[TTL], AttributeValue::N("8".to_owned()));
        assert_eq!(entry(item.clone()).expect("an entry"), entry_in);
        assert_eq!(expires_at(item), at(7_300));
    }

    #[test]
    fn the_end_of_what_is_no_entry() {
        let mut item = address("c", "k");
        item.insert(TTL.to_owned(), AttributeValue::N("8".to_owned()));
        assert_eq!(entry(item.clone()).expect_err("no value").kind(), Kind::Unreadable);
        assert_eq!(expires_at(item.clone()), at(8_000));
        for bad in [AttributeValue::N("8.5".to_owned()), AttributeValue::S("8".to_owned())] {
            item.insert(TTL.to_owned(), bad);
            assert_eq!(ttl(&item).expect_err("no time").kind(), Kind::Unreadable);
        }
    }

    #[test]
    fn an_item_within_its_bounds() {
        let most = ITEM_BYTES_MAX - FRAME_BYTES;
        assert!(item("collection", "key", &entry_of(most, at(1))).is_ok());
        let error = item(&"c".repeat(2048), "key", &entry_of(most, None)).expect_err("too large");
        assert_eq!(error.limit().map(|limit| limit.name), Some("item_bytes_max"));
    }
}
