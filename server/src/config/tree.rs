//! The configuration before it is typed: one tree, whatever it was read from.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::path;
use super::problem::{Origin, Problem};

/// How deep a configuration may be nested: far deeper than any setting, far from
/// the end of the stack.
pub(super) const DEPTH_MAX: usize = 64;

/// What is configured, and where each part of it was written.
pub(super) struct Tree {
    /// The tree itself, an object.
    pub(super) root: Value,
    /// Where the whole comes from.
    pub(super) whole: Origin,
    /// Where the parts come from, by path.
    origins: BTreeMap<String, Origin>,
    /// What environment variables said, letter for letter, by the path that they
    /// set: it is taken when the value that it reads as does not fit.
    texts: BTreeMap<String, String>,
}

impl Tree {
    /// An empty tree.
    pub(super) fn new(whole: Origin) -> Self {
        Self {
            root: Value::Object(Map::new()),
            whole,
            origins: BTreeMap::new(),
            texts: BTreeMap::new(),
        }
    }

    /// Says where the part at `path` was written.
    pub(super) fn set_origin(&mut self, path: &str, origin: Origin) {
        self.origins.insert(path.to_owned(), origin);
    }

    /// Says that the part at `path` is from the environment variable `name`, and
    /// nothing of it from elsewhere any more.
    pub(super) fn set_from_variable(&mut self, path: &str, name: &str, text: String) {
        self.origins.retain(|of, _| !is_below(of, path));
        self.texts.retain(|of, _| !is_below(of, path));
        self.set_origin(path, Origin::Variable(name.to_owned()));
        self.texts.insert(path.to_owned(), text);
    }

    /// Whether the part at `path` was written at all.
    pub(super) fn has(&self, path: &str) -> bool {
        self.origins.contains_key(path)
    }

    /// Where the part at `path` was written: the innermost table around it that
    /// is known, if it was not written itself.
    pub(super) fn origin(&self, mut path: &str) -> &Origin {
        while !path.is_empty() {
            if let Some(origin) = self.origins.get(path) {
                return origin;
            }
            path = path::parent(path);
        }
        &self.whole
    }

    /// What an environment variable says for exactly this path.
    pub(super) fn text(&self, path: &str) -> Option<&String> {
        self.texts.get(path)
    }

    /// A problem of the part at `path`.
    pub(super) fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        Problem {
            origin: self.origin(path).clone(),
            path: path.to_owned(),
            message: message.into(),
        }
    }
}

fn is_below(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// What a value is, in prose.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a decimal point",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "a table",
    }
}
