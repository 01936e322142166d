//! The JSON object in which every persistent store keeps an entry.
//!
//! It is shared with py-key-value: what one side writes the other reads. Members
//! are sorted by name when written; when read, any order, unknown members and
//! missing ones are accepted.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Entry, Error, Kind, Result, Timestamp, Value};

/// The layout that is written, and the newest that can be read.
const VERSION: u64 = 1;

/// An envelope that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The entry in it.
    pub entry: Entry,
    /// The key as it was put, if it was written down.
    pub key: Option<String>,
    /// The collection as it was named, if it was written down.
    pub collection: Option<String>,
}

/// Writes an envelope; `names` are the collection and the key, for every store
/// but `FileTree`. The value goes in letter for letter.
pub fn encode(entry: &Entry, names: Option<(&str, &str)>) -> String {
    // the value was checked to be UTF-8 when it became a Value
    let value = String::from_utf8_lossy(entry.value.as_bytes());
    let mut text = String::with_capacity(value.len() + 200);
    text.push('{');
    let mut member = |name: &str, json: &str| {
        let comma = if text.len() > 1 { ", " } else { "" };
        write!(text, "{comma}\"{name}\": {json}")
            .expect("a String takes all that is written to it");
    };
    if let Some((collection, _)) = names {
        member("collection", &quote(collection));
    }
    if let Some(created_at) = entry.created_at {
        member("created_at", &format!("\"{created_at}\""));
    }
    if let Some(expires_at) = entry.expires_at {
        member("expires_at", &format!("\"{expires_at}\""));
    }
    if let Some((_, key)) = names {
        member("key", &quote(key));
    }
    member("value", &value);
    member("version", "1");
    text.push('}');
    text
}

/// Reads an envelope. Only the value is kept of `text`, as a slice of it.
///
/// The error is of kind [`Kind::Unreadable`] and shows nothing of the text.
pub fn decode(text: &Bytes) -> Result<Decoded> {
    let envelope = read(text)?;
    let created_at = time("created_at", envelope.created_at.as_deref())?;
    let expires_at = time("expires_at", envelope.expires_at.as_deref())?;
    Ok(Decoded {
        entry: Entry { value: read_value(text, envelope.value)?, created_at, expires_at },
        key: envelope.key.map(Cow::into_owned),
        collection: envelope.collection.map(Cow::into_owned),
    })
}

/// When the entry of an envelope expires, for those who need no more of it: the
/// value is not copied.
pub fn expires_at(text: &[u8]) -> Result<Option<Timestamp>> {
    time("expires_at", read(text)?.expires_at.as_deref())
}

fn read(text: &[u8]) -> Result<Envelope<'_>> {
    let envelope: Envelope<'_> = serde_json::from_slice(text).map_err(|e| {
        let (line, column) = (e.line(), e.column());
        unreadable(format!("the stored envelope is not valid at line {line}, column {column}"))
    })?;
    if envelope.version.is_some_and(|version| version > VERSION) {
        return Err(unreadable("the stored envelope is of a newer version".to_owned()));
    }
    Ok(envelope)
}

fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let time = Timestamp::parse(text);
    time.map(Some).ok_or_else(|| unreadable(format!("the stored envelope's {name} is not a time")))
}

/// The value is an object, or a string that holds one.
fn read_value(text: &Bytes, raw: &RawValue) -> Result<Value> {
    let json = raw.get();
    if json.starts_with('{') {
        return Ok(Value::from_checked(text.slice_ref(json.as_bytes())));
    }
    let unreadable = || unreadable("the stored envelope's value is not a JSON object".to_owned());
    let inner: String = serde_json::from_str(json).map_err(|_| unreadable())?;
    Value::parse(&Bytes::from(inner), usize::MAX).map_err(|_| unreadable())
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
    #[serde(borrow, default)]
    created_at: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    expires_at: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    collection: Option<Cow<'a, str>>,
    #[serde(default)]
    version: Option<u64>,
}

fn unreadable(context: String) -> Error {
    Error::new(Kind::Unreadable, context)
}

/// The name as a JSON string in ASCII, as Python writes it.
fn quote(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for unit in name.encode_utf16() {
        match u8::try_from(unit) {
            Ok(c @ (b'"' | b'\\')) => quoted.extend(['\\', char::from(c)]),
            Ok(c @ b' '..=b'~') => quoted.push(char::from(c)),
            _ => write!(quoted, "\\u{unit:04x}").expect("a String takes all that is written to it"),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &str, expires_at: Option<i64>) -> Entry {
        Entry {
            value: Value::from_checked(Bytes::copy_from_slice(value.as_bytes())),
            created_at: Some(Timestamp::from_micros(1_735_689_600_123_456)),
            expires_at: expires_at.map(Timestamp::from_micros),
        }
    }

    fn decode_text(text: &str) -> Result<Decoded> {
        decode(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn the_stored_form() {
        let entry = entry(r#"{"b":1.0, "a":12345678901234567890123}"#, Some(1_735_689_660_000_000));
        assert_eq!(
            encode(&entry, Some(("caf\u{e9}", "\u{1f600}\"\n"))),
            "{\"collection\": \"caf\\u00e9\", \
             \"created_at\": \"2025-01-01T00:00:00.123456+00:00\", \
             \"expires_at\": \"2025-01-01T00:01:00.000000+00:00\", \
             \"key\": \"\\ud83d\\ude00\\\"\\u000a\", \
             \"value\": {\"b\":1.0, \"a\":12345678901234567890123}, \"version\": 1}"
        );
    }

    #[test]
    fn reads_what_it_wrote() {
        let entry = entry(r#"{"a": "\ud800\u0000", "a": [1e300]}"#, Some(77));
        let text = encode(&entry, Some(("c", "😀::\u{1}")));
        let decoded = decode_text(&text).expect("an envelope");
        assert_eq!(decoded.entry, entry);
        assert_eq!(expires_at(text.as_bytes()).expect("an envelope"), entry.expires_at);
        assert_eq!(decoded.key.as_deref(), Some("😀::\u{1}"));
        assert_eq!(decoded.collection.as_deref(), Some("c"));
    }

    #[test]
    fn accepts_what_others_write() {
        let least = decode_text(r#"{"value": {"a": 1}}"#).expect("no version, no times");
        assert_eq!(least.entry.value.as_bytes(), r#"{"a": 1}"#);
        assert_eq!(least.entry.created_at, None);
        let text = r#"{"version": 1, "extra": [1], "value": "{\"a\": 1}", "expires_at": null}"#;
        assert_eq!(decode_text(text).expect("a string value").entry, least.entry);
    }

    #[test]
    fn refuses_what_is_no_entry() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"value": [1]}"#,
            r#"{"value": "[1]"}"#,
            r#"{"value": {"a": NaN}}"#,
            r#"{"value": {}, "expires_at": "soon"}"#,
            r#"{"value": {}, "version": 2}"#,
        ] {
            let error = decode_text(text).expect_err(text);
            assert_eq!(error.kind(), Kind::Unreadable, "{text}");
        }
    }
}
