//! Configurations that are right, in each format.

use std::time::Duration;

use super::*;
use crate::config::{LogFormat, Origin, load as load_file};

const TOML: &str = r#"
[server]
listen = "[::1]:7000"
admin_listen = "127.0.0.1:9090"
default_store = "cache"
runtime_threads = 3
drain_timeout = "1m 30s"
health_interval = 2.5
limits = { value_bytes_max = 1_000, page_size_max = 5000 }
log.level = "debug,h2=warn"
log.format = "json"

[stores.main]
type = "simple"
default_collection = "things"

[stores.cache]
type = "memory"
max_entries_per_collection = 0x10
"#;

const JSON: &str = r#"{
  "$schema": "https://example.org/kvgate.json",
  "server": {
    "listen": "[::1]:7000", "admin_listen": "127.0.0.1:9090", "default_store": "cache",
    "runtime_threads": 3, "drain_timeout": "1m 30s", "health_interval": 2.5,
    "limits": { "value_bytes_max": 1000, "page_size_max": 5000 },
    "log": { "level": "debug,h2\u003dwarn", "format": "json" }
  },
  "stores": {
    "main": { "type": "simple", "default_collection": "things" },
    "cache": { "type": "memory", "max_entries_per_collection": 16 }
  }
}"#;

const YAML: &str = r#"
# as Helm writes it
server:
  listen: "[::1]:7000"
  admin_listen: 127.0.0.1:9090
  default_store: cache
  runtime_threads: 3
  drain_timeout: 1m 30s
  health_interval: 2.5
  limits: {value_bytes_max: 1000, page_size_max: 5000}
  log:
    level: debug,h2=warn
    format: json
stores:
  main: {type: simple, default_collection: things}
  cache:
    type: memory
    max_entries_per_collection: 0x10
"#;

#[test]
fn every_format() {
    for (file, text) in [
        ("kvgate.toml", TOML),
        ("kvgate.json", JSON),
        ("kvgate.yaml", YAML),
        ("kvgate.yml", YAML),
        ("kvgate.toml", &format!("\u{feff}{}", TOML.replace('\n', "\r\n"))),
        ("kvgate.json", &format!("\u{feff}{}", JSON.replace("  ", "\t"))),
        ("kvgate.yaml", &format!("\u{feff}{}", YAML.replace('\n', "\r\n"))),
    ] {
        let config = match load(file, text, &[]) {
            Ok(config) => config,
            Err(problems) => panic!("{file}: {problems:?}"),
        };
        let server = &config.server;
        assert_eq!(server.listen.to_string(), "[::1]:7000");
        assert_eq!(server.admin_listen.map(|a| a.port()), Some(9090));
        assert_eq!(server.runtime_threads.map(std::num::NonZero::get), Some(3));
        assert_eq!(server.drain_timeout, Duration::from_secs(90));
        assert_eq!(server.health_interval, Duration::from_millis(2500));
        assert_eq!(server.limits.value_bytes_max(), 1000);
        assert_eq!(server.limits.page_size_max, 5000);
        assert_eq!(server.limits.page_size_default, 1000);
        assert_eq!(server.log.level, "debug,h2=warn");
        assert_eq!(server.log.format, LogFormat::Json);
        assert_eq!(config.default_store, "cache");
        let stores: Vec<_> = config.stores.iter().collect();
        assert_eq!(stores[0].0, "cache");
        assert_eq!(stores[0].1.store_type.word, "memory");
        assert_eq!(stores[0].1.default_collection, "default_collection");
        assert_eq!(stores[1].0, "main");
        assert_eq!(stores[1].1.default_collection, "things");
    }
}

#[test]
fn the_defaults() {
    let loaded =
        load_file(None, pairs(&[("PATH", "/bin"), ("KVGATE_CONFIG", "x"), ("KVGATE_PORT", "1")]));
    let disk = kvgate_stores::find("disk").expect("a type");
    if disk.adapter.is_none() {
        let message = "default configuration: stores.main.type: compiled without feature `disk`: \
                       rebuild with `--features disk`, or use a release binary";
        assert_eq!(said(loaded), [message]);
        return;
    }
    let config = loaded.unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(config.server, crate::config::Server::default());
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.default_store, "main");
    assert_eq!(config.stores["main"].store_type.word, "disk");
}

#[test]
fn the_default_store() {
    let one = "[stores.cache]\ntype = 'null'\n";
    let two = format!("{one}[stores.main]\ntype = 'null'\n");
    let named = format!("{two}[server]\ndefault_store = 'cache'");
    for (text, default) in [(one, "cache"), (&two, "main"), (&named, "cache")] {
        let config = load("kvgate.toml", text, &[]).unwrap_or_else(|p| panic!("{p:?}"));
        assert_eq!(config.default_store, default);
    }
}

#[test]
fn yaml_of_people() {
    let yaml = "
server: # nothing yet
stores:
  a: &shared
    type: memory
    max_collections: 7
  b: *shared
  \"main\": {\"type\":\"null\",}
";
    let config = load("kvgate.yaml", yaml, &[]).unwrap_or_else(|p| panic!("{p:?}"));
    assert_eq!(config.stores.len(), 3);
    assert_eq!(config.stores["b"].store_type.word, "memory");
}

#[test]
fn a_file_on_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("kvgate.toml");
    std::fs::write(&path, TOML).expect("written");
    assert!(load_file(Some(&path), pairs(&[])).is_ok());

    let absent = directory.path().join("absent.toml");
    let problems = load_file(Some(&absent), pairs(&[])).err().expect("no file");
    assert_eq!(problems.0.len(), 1);
    assert!(matches!(&problems.0[0].origin, Origin::File(file) if file.ends_with("absent.toml")));
    assert!(problems.0[0].message.starts_with("can't be read: "), "{}", problems.0[0]);

    std::fs::write(&path, "#".repeat(1024 * 1024 + 1)).expect("written");
    let problems = load_file(Some(&path), pairs(&[])).err().expect("too large");
    assert_eq!(problems.0[0].message, "larger than 1048576 bytes");
}
