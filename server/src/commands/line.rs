//! An entry as a line of JSON.
//!
//! `{"collection":"sessions","key":"user-7","value":{"name":"Ada"},"created_at":"…","expires_at":"…"}`.
//! The value stands there letter for letter. One that has line breaks can't, and is a text
//! then: `"text":"{\n}"`.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvgate_client::{Entry, PutEntry, RawJson};
use kvgate_core::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::output::moment;

/// What becomes of a value with line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaks {
    /// It is written as a text, letter for letter.
    AsText,
    /// They become spaces, for whoever reads it with other programs.
    AsSpaces,
}

/// Writes an entry as a line. A collection without a name is left out.
pub(super) fn write(
    out: &mut impl Write,
    collection: &str,
    entry: &Entry,
    breaks: Breaks,
) -> io::Result<()> {
    out.write_all(b"{")?;
    if !collection.is_empty() {
        out.write_all(b"\"collection\":")?;
        serde_json::to_writer(&mut *out, collection)?;
        out.write_all(b",")?;
    }
    out.write_all(b"\"key\":")?;
    serde_json::to_writer(&mut *out, &entry.key)?;
    let value = entry.value.as_bytes();
    if !value.iter().any(|byte| is_break(*byte)) {
        out.write_all(b",\"value\":")?;
        out.write_all(value)?;
    } else if breaks == Breaks::AsText {
        out.write_all(b",\"text\":")?;
        serde_json::to_writer(&mut *out, entry.value.as_str())?;
    } else {
        // in JSON they stand between its parts alone, where a space means the same
        let spaced: Vec<u8> =
            value.iter().map(|byte| if is_break(*byte) { b' ' } else { *byte }).collect();
        out.write_all(b",\"value\":")?;
        out.write_all(&spaced)?;
    }
    for (name, at) in [("created_at", entry.created_at), ("expires_at", entry.expires_at)] {
        if let Some(at) = at {
            write!(out, ",\"{name}\":\"{}\"", moment(at))?;
        }
    }
    out.write_all(b"}\n")
}

fn is_break(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// A line that was read.
pub(super) struct Line {
    /// The collection, if it says one.
    pub(super) collection: Option<String>,
    /// What is to be stored; nothing if it has expired.
    pub(super) entry: Option<PutEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    #[serde(borrow)]
    collection: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    /// The server notes the time of each put itself.
    #[serde(rename = "created_at")]
    _created_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    expires_at: Option<Cow<'a, str>>,
    /// In seconds, for lines that people write.
    ttl: Option<f64>,
}

/// Reads a line. What is wrong with it is said without its value.
pub(super) fn read(line: &[u8], now: SystemTime) -> Result<Line, String> {
    let written: Written<'_> = serde_json::from_slice(line).map_err(|error| explain(&error))?;
    let value = match (written.value, written.text) {
        (Some(value), None) => Bytes::copy_from_slice(value.get().as_bytes()),
        (None, Some(text)) => Bytes::from(text.into_owned()),
        _ => return Err("it has not one of `value` and `text`".to_owned()),
    };
    let ttl = match (written.expires_at, written.ttl) {
        (None, None) => None,
        (None, Some(seconds)) => {
            let ttl = Duration::try_from_secs_f64(seconds);
            Some(ttl.map_err(|_| "`ttl` is not a number of seconds".to_owned())?)
        }
        (Some(at), None) => {
            let at = Timestamp::parse(&at).ok_or("`expires_at` is not a time")?;
            Some(at.saturating_since(Timestamp::from(now)))
        }
        (Some(_), Some(_)) => return Err("it has both `expires_at` and `ttl`".to_owned()),
    };
    let collection = written.collection.map(Cow::into_owned);
    if ttl == Some(Duration::ZERO) {
        return Ok(Line { collection, entry: None });
    }
    let entry = PutEntry::new(written.key.into_owned(), RawJson::from(value)).ttl(ttl);
    Ok(Line { collection, entry: Some(entry) })
}

/// serde's message names fields and types, but for wrong types also what it has found.
fn explain(error: &serde_json::Error) -> String {
    let column = error.column();
    if error.is_data() {
        let text = error.to_string();
        let shows_names_only =
            text.starts_with("unknown field") || text.starts_with("missing field");
        if shows_names_only {
            return text.split(" at line ").next().unwrap_or_default().to_owned();
        }
        return format!("a field is not of its type, before column {column}");
    }
    format!("it is not JSON, at column {column}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: &str) -> String {
        read(line.as_bytes(), SystemTime::now()).map(|_| ()).expect_err(line)
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        for (line, says) in [
            ("", "not JSON"),
            (r#"{"key":"a""#, "not JSON"),
            (r#"{"value":{}}"#, "missing field `key`"),
            (r#"{"key":"a","value":{},"expires":"secret"}"#, "unknown field `expires`"),
            (r#"{"key":7,"value":{"secret":1}}"#, "not of its type"),
            (r#"{"key":"a"}"#, "`value` and `text`"),
            (r#"{"key":"a","value":{},"text":"{}"}"#, "`value` and `text`"),
            (r#"{"key":"a","value":{},"expires_at":"secret"}"#, "not a time"),
            (r#"{"key":"a","value":{},"ttl":-1}"#, "`ttl`"),
            (r#"{"key":"a","value":{},"ttl":1,"expires_at":""}"#, "both"),
        ] {
            let problem = problem(line);
            assert!(problem.contains(says) && !problem.contains("secret"), "{line}: {problem}");
        }
    }

    #[test]
    fn what_has_expired_is_left_out() {
        let past = r#"{"key":"a","value":{},"expires_at":"2001-01-01T00:00:00Z"}"#;
        assert!(read(past.as_bytes(), SystemTime::now()).expect("a line").entry.is_none());
        let future =
            r#"{"collection":"c","key":"a","value":{},"expires_at":"9999-01-01T00:00:00Z"}"#;
        let line = read(future.as_bytes(), SystemTime::now()).expect("a line");
        assert_eq!(line.collection.as_deref(), Some("c"));
        assert!(line.entry.is_some());
    }
}
