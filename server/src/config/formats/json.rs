//! JSON, through `serde_json`.
//!
//! Its raw values are slices of the text: where a slice begins is where the value
//! was written. Each level of nesting is looked through once more for that, which
//! the bound on the depth keeps cheap.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Map, Value};

use super::{DEPTH_MAX, Lines, Problem, Reading, path};

/// Reads JSON.
pub(super) fn read(text: &str, reading: &mut Reading) -> Result<Value, Problem> {
    let mut parser =
        Parser { text, lines: Lines::of(text), found: |path: &str, line| reading.at(path, line) };
    let read = parser.document();
    read.map_err(|(line, message)| reading.syntax(line, message))
}

/// Reads JSON of which no positions are wanted, by the same rules.
pub(in super::super) fn parse(text: &str) -> Option<Value> {
    let mut parser = Parser { text, lines: Lines::of(text), found: |_: &str, _| {} };
    parser.document().ok()
}

/// A line, and what is wrong there.
type Failure = (usize, String);

struct Parser<'t, F> {
    text: &'t str,
    lines: Lines,
    found: F,
}

impl<'t, F: FnMut(&str, usize)> Parser<'t, F> {
    fn document(&mut self) -> Result<Value, Failure> {
        // the whole first: the parts of valid JSON are valid but for what only
        // shows when they are converted
        let raw = serde_json::from_str::<&RawValue>(self.text).map_err(|e| failure(1, &e))?;
        self.value("", raw, 0)
    }

    fn value(&mut self, at: &str, raw: &'t RawValue, depth: usize) -> Result<Value, Failure> {
        let line = self.line(raw);
        if depth > DEPTH_MAX {
            return Err((line, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let mut parser = Deserializer::from_str(raw.get());
        match raw.get().as_bytes().first() {
            Some(b'{') => {
                let members = parser.deserialize_map(Members).map_err(|e| failure(line, &e))?;
                let mut table = Map::new();
                for (key, raw) in members {
                    let member = path::member(at, &key);
                    let line = self.line(raw);
                    (self.found)(&member, line);
                    if table.contains_key(&key) {
                        return Err((line, format!("duplicate key `{key}`")));
                    }
                    table.insert(key, self.value(&member, raw, depth + 1)?);
                }
                Ok(Value::Object(table))
            }
            Some(b'[') => {
                let raws = parser.deserialize_seq(Elements).map_err(|e| failure(line, &e))?;
                let mut elements = Vec::new();
                for (index, raw) in raws.into_iter().enumerate() {
                    let element = path::element(at, index);
                    let line = self.line(raw);
                    (self.found)(&element, line);
                    elements.push(self.value(&element, raw, depth + 1)?);
                }
                Ok(Value::Array(elements))
            }
            _ => serde_json::from_str(raw.get()).map_err(|e| failure(line, &e)),
        }
    }

    fn line(&self, raw: &RawValue) -> usize {
        let offset = raw.get().as_ptr().addr() - self.text.as_ptr().addr();
        self.lines.line(offset)
    }
}

/// An error within text that begins at `first_line`.
fn failure(first_line: usize, error: &serde_json::Error) -> Failure {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    let message = text.strip_suffix(&place).unwrap_or(&text);
    (first_line + error.line().saturating_sub(1), message.to_owned())
}

struct Members;

impl<'t> Visitor<'t> for Members {
    type Value = Vec<(String, &'t RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

struct Elements;

impl<'t> Visitor<'t> for Elements {
    type Value = Vec<&'t RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = array.next_element()? {
            elements.push(element);
        }
        Ok(elements)
    }
}
