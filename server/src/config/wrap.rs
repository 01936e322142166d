//! The `wrap` field of a store: the wrappers around it, innermost first.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::part::{self, Part};
use super::path;
use super::problem::Problem;
use super::tree::Tree;
use super::wording;

/// A wrapper around a store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WrapEntry {
    /// The one word for its type.
    pub(crate) word: String,
    /// Its own settings, a table.
    pub(crate) settings: Value,
    /// Where it is configured, such as `stores.main.wrap[0]`.
    pub(crate) path: String,
}

/// What every wrapper has.
#[derive(Deserialize)]
struct Common {
    r#type: String,
}

/// The tables of the `wrap` array at `path`, typed as far as all wrappers are.
pub(super) fn read(
    tree: &Tree,
    path: &str,
    tables: Vec<Map<String, Value>>,
    problems: &mut Vec<Problem>,
) -> Vec<WrapEntry> {
    let mut entries = Vec::new();
    for (index, mut settings) in tables.into_iter().enumerate() {
        let path = path::element(path, index);
        let common = settings.remove_entry("type").into_iter().collect();
        let part = Part {
            tree,
            path: &path,
            also: &[],
        };
        let common = part.read(Value::Object(common), problems, part::deserialize::<Common>);
        if let Some(Common { r#type }) = common {
            entries.push(WrapEntry {
                word: r#type,
                settings: Value::Object(settings),
                path,
            });
        }
    }
    entries
}

/// Finds the wrapper that an entry names and has it read its settings.
///
/// There is no registry of wrappers yet, so there is nothing that an entry could
/// name: it is refused rather than left out in silence.
pub(super) fn resolve(tree: &Tree, entry: &WrapEntry, problems: &mut Vec<Problem>) {
    let words: [&str; 0] = [];
    if !words.contains(&entry.word.as_str()) {
        let near = wording::did_you_mean(&entry.word, words.into_iter());
        let message = format!("unknown type of wrapper{near}");
        problems.push(tree.problem(&path::member(&entry.path, "type"), message));
    }
}

/// The schema of the table of one wrapper.
pub(super) struct AnyWrapper;

impl JsonSchema for AnyWrapper {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Wrapper".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": { "type": { "type": "string" } },
            "required": ["type"],
        })
    }
}
