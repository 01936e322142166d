//! The JSON Schema of the configuration, for editors and for Helm.

use kvgate_stores::{Adapter, STORE_TYPES, StoreType};
use kvgate_wrappers::WrapperType;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::server::Server;
use super::stores::{Common, NAME_CHARS_MAX, NAME_PATTERN};

/// The JSON Schema (draft 2020-12) of the whole file, with the types of store that
/// are compiled in.
pub(crate) fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let server = generator.subschema_for::<Server>();
    let stores: Vec<Value> = STORE_TYPES
        .iter()
        .filter_map(|store_type| Some(store(&mut generator, store_type, store_type.adapter?)))
        .collect();
    let defs = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kvgate configuration",
        "description": "The configuration file of kvgate, in TOML, JSON or YAML.",
        "type": "object",
        "properties": {
            "$schema": {
                "description": "Where this schema is, for editors; the server ignores it.",
                "type": "string",
            },
            "server": server,
            "stores": {
                "description": "The stores, by name.",
                "type": "object",
                "propertyNames": { "pattern": NAME_PATTERN, "maxLength": NAME_CHARS_MAX },
                "additionalProperties": { "oneOf": stores },
                "minProperties": 1,
            },
        },
        "required": ["stores"],
        "additionalProperties": false,
        "$defs": defs,
    })
}

/// Combinations of schemas, in which a list of properties is not the whole list.
const COMBINATIONS: [&str; 6] = ["$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties"];

/// The schema of the table of a store of this type: what all stores have, and the
/// type's own settings.
fn store(generator: &mut SchemaGenerator, store_type: &StoreType, adapter: Adapter) -> Value {
    let common = Common::json_schema(generator).to_value();
    let settings = (adapter.schema)(generator).to_value();
    typed_table(store_type.word, store_type.title, store_type.summary, common, settings)
}

/// The schema of the table of a wrapper of this type.
pub(super) fn wrapper(generator: &mut SchemaGenerator, wrapper_type: &WrapperType) -> Value {
    let common = json!({ "properties": { "type": {} }, "required": ["type"] });
    let settings = (wrapper_type.schema)(generator).to_value();
    typed_table(wrapper_type.word, wrapper_type.word, wrapper_type.summary, common, settings)
}

/// The schema of a table whose `type` is `word`: the fields that all such tables
/// have, and those of the type's own settings.
fn typed_table(
    word: &str,
    title: &str,
    summary: &str,
    mut common: Value,
    mut settings: Value,
) -> Value {
    common["properties"]["type"]["const"] = word.into();
    let mut schema = Map::new();
    schema.insert("title".to_owned(), title.into());
    schema.insert("description".to_owned(), summary.into());
    schema.insert("type".to_owned(), "object".into());

    let mut properties = members(&mut common, "properties");
    let mut required = elements(&mut common, "required");
    if COMBINATIONS.iter().any(|keyword| settings.get(keyword).is_some()) {
        schema.insert("allOf".to_owned(), json!([settings]));
        schema.insert("unevaluatedProperties".to_owned(), false.into());
    } else {
        properties.extend(members(&mut settings, "properties"));
        required.extend(elements(&mut settings, "required"));
        schema.insert("additionalProperties".to_owned(), false.into());
    }
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("required".to_owned(), Value::Array(required));
    Value::Object(schema)
}

fn members(schema: &mut Value, keyword: &str) -> Map<String, Value> {
    match schema.get_mut(keyword).map(Value::take) {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn elements(schema: &mut Value, keyword: &str) -> Vec<Value> {
    match schema.get_mut(keyword).map(Value::take) {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    }
}
