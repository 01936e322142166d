use std::fmt;

use bytes::Bytes;
use serde_json::value::RawValue;

/// A JSON object as UTF-8 text, kept letter for letter.
///
/// Its `Debug` shows its length only: values never reach a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Bytes);

/// Why some bytes are not a [`Value`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueProblem {
    /// Not UTF-8, from this byte on.
    NotUtf8(usize),
    /// Not JSON; where, without what stands there.
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// JSON, but an array, a string, a number, …
    NotAnObject,
    /// Objects and arrays within each other more than this many levels.
    TooDeep(usize),
}

impl fmt::Display for ValueProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8(at) => write!(f, "value is not UTF-8 at byte {at}"),
            Self::NotJson { line, column } => {
                write!(f, "value is not valid JSON at line {line}, column {column}")
            }
            Self::NotAnObject => write!(f, "value is JSON, but not an object"),
            Self::TooDeep(max) => write!(f, "value is nested more than {max} levels deep"),
        }
    }
}

impl std::error::Error for ValueProblem {}

impl Value {
    /// How deep objects and arrays may be nested by default.
    pub const DEPTH_MAX: usize = 128;

    /// Takes a JSON object as it is, but for white space around it.
    ///
    /// The value is a slice of `text`: nothing is copied.
    pub fn parse(text: &Bytes, depth_max: usize) -> Result<Self, ValueProblem> {
        let utf8 = std::str::from_utf8(text).map_err(|e| ValueProblem::NotUtf8(e.valid_up_to()))?;
        let json: &RawValue = serde_json::from_str(utf8)
            .map_err(|e| ValueProblem::NotJson { line: e.line(), column: e.column() })?;
        if !json.get().starts_with('{') {
            return Err(ValueProblem::NotAnObject);
        }
        if depth(json.get().as_bytes()) > depth_max {
            return Err(ValueProblem::TooDeep(depth_max));
        }
        let object = text.slice_ref(json.get().as_bytes());
        Ok(Self(object))
    }

    /// Takes text that is known to be a JSON object: it was checked when it was
    /// put, or by the parser that has just read it from a store.
    pub fn from_checked(text: Bytes) -> Self {
        Self(text)
    }

    /// The value in memory of its own. As it comes from a request it is a slice of
    /// the message it came in, and keeps all of that: a store that holds on to
    /// values must not hold on to messages.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// The text.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The text.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.0.len())
    }
}

/// How deep valid JSON is nested.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Value, ValueProblem> {
        Value::parse(&Bytes::copy_from_slice(text.as_bytes()), 3)
    }

    #[test]
    fn keeps_the_text() {
        for text in [
            "{}",
            r#"{"a": 1.0, "a" :1e300,"b":123456789012345678901234567890}"#,
            r#"{"lone": "\ud800", "nul": "\u0000", "brackets": "[[[[{{{{\"["}"#,
            r#"{"a": {"b": []}}"#,
        ] {
            assert_eq!(parse(text).expect(text).as_bytes(), text);
        }
        assert_eq!(parse(" \n{ }\t").expect("white space").as_bytes(), "{ }");
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["[]", "1", "null", "\"{}\""] {
            assert_eq!(parse(text), Err(ValueProblem::NotAnObject), "{text}");
        }
        for text in ["", "{", "{}{}", r#"{"a":NaN}"#, r#"{"a":01}"#, "{'a':1}", "{\"a\":\"\n\"}"] {
            assert!(matches!(parse(text), Err(ValueProblem::NotJson { .. })), "{text}");
        }
        assert_eq!(parse(r#"{"a":[[[]]]}"#), Err(ValueProblem::TooDeep(3)));
        let bytes = Bytes::from_static(b"{\"a\":\"\xff\"}");
        assert_eq!(Value::parse(&bytes, 3), Err(ValueProblem::NotUtf8(6)));
    }

    #[test]
    fn a_million_brackets_overflow_no_stack() {
        let text = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(parse(&text), Err(ValueProblem::TooDeep(3)));
    }

    #[test]
    fn debug_shows_no_value() {
        let value = parse(r#"{"password":"secret"}"#).expect("an object");
        assert_eq!(format!("{value:?}"), "Value(21 bytes)");
    }
}
