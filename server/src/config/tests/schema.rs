//! The JSON Schema accepts what the server accepts.

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::config::{default_stores, schema};

fn validator() -> Validator {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).expect("a schema")
}

#[test]
fn accepts() {
    let validator = validator();
    let mut right = vec![
        json!({ "stores": { "main": { "type": "memory" } } }),
        json!({
            "$schema": "x",
            "server": {
                "listen": "127.0.0.1:1", "drain_timeout": "30s", "health_interval": 0.5,
                "limits": { "value_bytes_max": 1000 }, "log": { "format": "json" },
            },
            "stores": {
                "a-b": { "type": "simple", "default_collection": "x", "wrap": [{ "type": "prefix_keys", "prefix": "p" }] },
                "b": { "type": "null" },
                "c": { "type": "memory", "max_collections": 2 },
            },
        }),
    ];
    if kvgate_stores::find("disk").is_some_and(|disk| disk.adapter.is_some()) {
        right.push(json!({ "stores": default_stores() }));
    }
    for config in right {
        let errors: Vec<_> = validator.iter_errors(&config).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{config}: {errors:?}");
    }
}

#[test]
fn refuses() {
    let validator = validator();
    let store = |store: Value| json!({ "stores": { "main": store } });
    let server =
        |server: Value| json!({ "server": server, "stores": { "main": { "type": "null" } } });
    for config in [
        json!({}),
        json!({ "stores": {} }),
        json!({ "stores": { "Main": { "type": "null" } } }),
        json!({ "stores": { "a--b": { "type": "null" } } }),
        json!({ "stores": { "main": { "type": "null" } }, "store": {} }),
        store(json!({})),
        store(json!({ "type": "nothing" })),
        store(json!({ "type": "null", "directry": "x" })),
        store(json!({ "type": "memory", "max_collections": 0 })),
        store(json!({ "type": "memory", "wrap": {} })),
        store(json!({ "type": "memory", "wrap": [{}] })),
        store(json!({ "type": "memory", "wrap": [{ "type": "read_only", "x": 1 }] })),
        server(json!({ "listn": "x" })),
        server(json!({ "limits": { "x": 1 } })),
        server(json!({ "limits": { "page_size_max": 0 } })),
        server(json!({ "log": { "format": "xml" } })),
        server(json!({ "drain_timeout": -1 })),
        server(json!({ "drain_timeout": [] })),
    ] {
        assert!(!validator.is_valid(&config), "{config}");
    }
}

#[test]
fn every_compiled_type_of_store_refuses_unknown_fields() {
    let schema = schema();
    let stores = &schema["properties"]["stores"]["additionalProperties"]["oneOf"];
    let stores = stores.as_array().expect("a list");
    let compiled = kvgate_stores::STORE_TYPES.iter().filter(|t| t.adapter.is_some());
    assert_eq!(stores.len(), compiled.count());
    for store in stores {
        let word = &store["properties"]["type"]["const"];
        let open = ["additionalProperties", "unevaluatedProperties"];
        assert!(open.iter().any(|keyword| store[keyword] == json!(false)), "{word}");
        assert!(store["description"].is_string(), "{word}");
    }
    for (name, field) in schema["$defs"]["Limits"]["properties"].as_object().expect("limits") {
        assert!(field["description"].is_string(), "{name}");
    }
}
