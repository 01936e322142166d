//! Environment variables.

use super::*;
use crate::config::load as load_file;

const FILE: &str = r#"
[server]
listen = "127.0.0.1:1"
[stores.main]
type = "memory"
[stores.side-store]
type = "simple"
max_entries = 5
"#;

fn config(environment: &[(&str, &str)]) -> Config {
    load("kvgate.toml", FILE, environment).unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[test]
fn sets_fields() {
    let config = config(&[
        ("KVGATE_SERVER__LISTEN", "0.0.0.0:2"),
        ("KVGATE_SERVER__LIMITS__VALUE_BYTES_MAX", "2048"),
        ("KVGATE_SERVER__LOG", r#"{"level": "warn"}"#),
        ("KVGATE_SERVER__LOG__FORMAT", "json"),
        ("KVGATE_SERVER__DRAIN_TIMEOUT", "5"),
        ("KVGATE_SERVER__HEALTH_INTERVAL", "1s"),
        ("KVGATE_STORES__SIDE_STORE__TYPE", "null"),
        ("KVGATE_STORES__SIDE_STORE", "{}"),
        // reads as a number, but a string is wanted
        ("KVGATE_STORES__MAIN__DEFAULT_COLLECTION", "007e2"),
        ("KVGATE_STORES__EXTRA__TYPE", "memory"),
        ("KVGATE_STORES__EXTRA__MAX_COLLECTIONS", "3"),
        ("KVGATE_STORES__EXTRA__DEFAULT_COLLECTION", "[1]"),
    ]);
    let server = &config.server;
    assert_eq!(server.listen.to_string(), "0.0.0.0:2");
    assert_eq!(server.limits.value_bytes_max(), 2048);
    assert_eq!(server.log.level, "warn");
    assert_eq!(server.log.format, crate::config::LogFormat::Json);
    assert_eq!(server.drain_timeout.as_secs(), 5);
    assert_eq!(server.health_interval.as_secs(), 1);
    assert_eq!(config.stores["side-store"].store_type.word, "null");
    assert_eq!(config.stores["main"].default_collection, "007e2");
    assert_eq!(config.stores["extra"].default_collection, "[1]");
    assert_eq!(config.default_store, "main");
}

#[test]
fn without_a_file() {
    let memory = [("KVGATE_STORES__CACHE__TYPE", "memory")];
    let config = load_file(None, pairs(&memory)).unwrap_or_else(|p| panic!("{p:?}"));
    assert_eq!(config.stores.len(), 1);
    assert_eq!(config.default_store, "cache");

    // the default store is there to be changed
    let typo = [("KVGATE_STORES__MAIN__TYPO", "x")];
    let said = said(load_file(None, pairs(&typo)));
    if kvgate_stores::find("disk").is_some_and(|disk| disk.adapter.is_some()) {
        assert!(said[0].starts_with(
            "environment variable KVGATE_STORES__MAIN__TYPO: stores.main.typo: unknown"
        ));
    }

    let config = load("kvgate.yaml", "# empty", &memory);
    assert!(config.is_ok());
}

/// Each of these is a mistake of its own, and the variable is named.
#[test]
fn mistakes() {
    for (variable, value, expected) in [
        ("SERVER__LISTN", "x", "server.listn: unknown field, expected one of"),
        (
            "SERVR__LISTEN",
            "x",
            "servr: unknown field, expected one of server, stores; did you mean server?",
        ),
        ("SERVER__LISTEN", "hunter2", "server.listen: expected an IP address and a port"),
        ("SERVER__LISTEN__PORT", "1", "server.listen is not a table"),
        ("SERVER__", "1", "not a field: a double underscore"),
        ("__SERVER", "1", "not a field: a double underscore"),
        ("SERVER____LISTEN", "1", "not a field: a double underscore"),
        (
            "SERVER__LIMITS__KEY_BYTES_MAX",
            "hunter2",
            "server.limits.key_bytes_max: wrong type: a string, expected a whole number",
        ),
        (
            "SERVER__LIMITS__KEY_BYTES_MAX",
            "1.5",
            "server.limits.key_bytes_max: wrong type: a number with a decimal point, expected a whole number",
        ),
        (
            "SERVER__LIMITS__KEY_BYTES_MAX",
            "0",
            "server.limits.key_bytes_max: outside of its range, which is 1 to 65536",
        ),
        ("SERVER__LIMITS", "5", "server.limits: wrong type: a whole number, expected a table"),
        (
            "SERVER__LIMITS",
            r#"{"key_bytes_max": "x"}"#,
            "server.limits.key_bytes_max: wrong type: a string",
        ),
        (
            "SERVER__LIMITS",
            r#"{"key_bytes_max": 1, "key_bytes_max": 2}"#,
            "server.limits: wrong type: a string, expected a table",
        ),
        (
            "STORES__MIAN__MAX_SIZE",
            "1",
            "there is no store mian; did you mean main? (a variable KVGATE_STORES__MIAN__TYPE would make one)",
        ),
        ("STORES__MAIN__TYPE", "memroy", "stores.main.type: unknown type of store"),
        ("STORES__MAIN__MAX_SIZ", "1", "stores.main.max_siz: unknown field"),
        (
            "STORES__MAIN__WRAP",
            r#"[{"type": "x"}]"#,
            "stores.main.wrap[0].type: unknown type of wrapper, expected one of read_only, \
          prefix_keys, prefix_collections",
        ),
        ("STORES__X.Y__TYPE", "null", "stores.x.y: not a name for a store"),
        ("STORES__NEW__MAX_SIZE", "1", "there is no store new"),
    ] {
        let name = format!("KVGATE_{variable}");
        let said = said(load("kvgate.toml", FILE, &[(&name, value)]));
        let start = format!("environment variable {name}: {expected}");
        assert!(said.len() == 1 && said[0].starts_with(&start), "{start}\n{said:#?}");
        assert!(!said[0].contains("hunter2"), "{}", said[0]);
    }
}

/// A text that reads as a number is a text where one is wanted, and where it is
/// not, neither of the two is shown.
#[test]
fn no_value_is_shown() {
    for value in ["hunter2", "8765309", "[8765309]", "{\"a\": \"hunter2\"}", "true"] {
        for field in ["LISTEN", "DRAIN_TIMEOUT", "LOG__FORMAT", "LOG__LEVEL", "RUNTIME_THREADS"] {
            let name = format!("KVGATE_SERVER__{field}");
            let found = said(load("kvgate.toml", FILE, &[(&name, value)]));
            let start = format!("environment variable {name}: server.");
            assert!(found.iter().all(|said| said.starts_with(&start)), "{found:?}");
            for secret in ["hunter2", "8765309"] {
                assert!(!found.concat().contains(secret), "{found:?}");
            }
        }
    }
}

#[test]
fn elements_of_arrays() {
    let file = format!("{FILE}wrap = [{{ type = 'a' }}]\n");
    let said = |variable, value| said(load("kvgate.toml", &file, &[(variable, value)]));
    let found = said("KVGATE_STORES__SIDE_STORE__WRAP__0__TYPE", "b");
    assert_eq!(
        found,
        ["environment variable KVGATE_STORES__SIDE_STORE__WRAP__0__TYPE: \
          stores.side-store.wrap[0].type: unknown type of wrapper, expected one of read_only, \
          prefix_keys, prefix_collections"]
    );
    let found = said("KVGATE_STORES__SIDE_STORE__WRAP__1__TYPE", "b");
    assert!(
        found[1].ends_with("stores.side-store.wrap has no element of this number"),
        "{found:?}"
    );
}

#[test]
fn one_field_twice() {
    let found = said(load(
        "kvgate.toml",
        FILE,
        &[("KVGATE_SERVER__LISTEN", "1.1.1.1:1"), ("KVGATE_server__listen", "1.1.1.1:2")],
    ));
    assert_eq!(
        found,
        ["environment variable KVGATE_server__listen: sets server.listen, which \
          KVGATE_SERVER__LISTEN sets too"]
    );
    let both = "stores: {a-b: {type: 'null'}, a_b: {type: 'null'}, main: {type: 'null'}}";
    let found = said(load("kvgate.yaml", both, &[("KVGATE_STORES__A_B__TYPE", "simple")]));
    assert_eq!(
        found,
        ["environment variable KVGATE_STORES__A_B__TYPE: stands for both a-b and a_b"]
    );
}
