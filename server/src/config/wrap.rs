//! The `wrap` field of a store: the wrappers around it, innermost first.

use kvgate_core::read_settings;
use kvgate_wrappers::{WRAPPER_TYPES, Wrapper};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::part::Part;
use super::path;
use super::problem::Problem;
use super::schema;
use super::tree::Tree;
use super::wording;

/// What every wrapper has.
#[derive(Deserialize)]
struct Common {
    r#type: String,
}

/// The wrappers of the `wrap` array at `path`, in its order.
pub(super) fn read(
    tree: &Tree,
    path: &str,
    tables: Vec<Map<String, Value>>,
    problems: &mut Vec<Problem>,
) -> Vec<Box<dyn Wrapper>> {
    let tables = tables.into_iter().enumerate();
    tables
        .filter_map(|(index, table)| wrapper(tree, &path::element(path, index), table, problems))
        .collect()
}

fn wrapper(
    tree: &Tree,
    path: &str,
    mut settings: Map<String, Value>,
    problems: &mut Vec<Problem>,
) -> Option<Box<dyn Wrapper>> {
    let common = settings.remove_entry("type").into_iter().collect();
    let part = Part { tree, path, also: &["type"] };
    let common = part.read(Value::Object(common), problems, read_settings::<Common>)?;
    let Some(wrapper_type) = kvgate_wrappers::find(&common.r#type) else {
        let words: Vec<&str> = WRAPPER_TYPES.iter().map(|known| known.word).collect();
        let near = wording::did_you_mean(&common.r#type, words.iter().copied());
        let message =
            format!("unknown type of wrapper, expected one of {}{near}", words.join(", "));
        problems.push(tree.problem(&path::member(path, "type"), message));
        return None;
    };
    part.read(Value::Object(settings), problems, wrapper_type.configure)
}

/// The schema of the table of one wrapper.
pub(super) struct AnyWrapper;

impl JsonSchema for AnyWrapper {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Wrapper".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let types = WRAPPER_TYPES.iter();
        let tables: Vec<Value> = types.map(|known| schema::wrapper(generator, known)).collect();
        json_schema!({ "oneOf": tables })
    }
}
