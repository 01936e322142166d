//! The `[stores]` table: a table for each store.

use std::collections::BTreeMap;

use kvgate_core::read_settings;
use kvgate_stores::{Adapter, Configured, STORE_TYPES, StoreType};
use kvgate_wrappers::Wrapper;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::limits::Limits;
use super::part::Part;
use super::path;
use super::problem::Problem;
use super::tree::{Tree, kind};
use super::wording;
use super::wrap;

/// The longest name of a store: names are labels of metrics and of Kubernetes.
pub(super) const NAME_CHARS_MAX: usize = 63;

/// What [`is_name`] checks, for the schema.
pub(super) const NAME_PATTERN: &str = "^[a-z0-9]+([_-][a-z0-9]+)*$";

/// The fields of a store's table that are not its adapter's.
pub(super) const COMMON: [&str; 3] = ["type", "default_collection", "wrap"];

/// A store as it is configured.
pub(crate) struct StoreEntry {
    /// The collection of calls that name none.
    pub(crate) default_collection: String,
    /// The wrappers around it, innermost first.
    pub(crate) wrap: Vec<Box<dyn Wrapper>>,
    /// Its type.
    pub(crate) store_type: &'static StoreType,
    /// The settings of that type, ready to open the store.
    pub(crate) settings: Box<dyn Configured>,
}

/// What every store has, whatever its type.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Common {
    /// The type of the store.
    r#type: String,
    /// The collection of calls that name none.
    #[serde(default = "default_collection")]
    default_collection: String,
    /// Wrappers around the store, innermost first.
    #[serde(default)]
    #[schemars(with = "Vec<wrap::AnyWrapper>")]
    wrap: Vec<Map<String, Value>>,
}

fn default_collection() -> String {
    // py-key-value's name for it: its users find their entries
    "default_collection".to_owned()
}

/// The names of all configured stores, those with mistakes included.
pub(super) fn names(tree: &Tree) -> Vec<&str> {
    let stores = tree.root.get("stores").and_then(Value::as_object);
    stores.map_or_else(Vec::new, |stores| stores.keys().map(String::as_str).collect())
}

/// Reads the `[stores]` table of `tree`. `limits` are those of the server, if they
/// could be read.
pub(super) fn read(
    tree: &Tree,
    limits: Option<&Limits>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, StoreEntry> {
    let empty = Map::new();
    let tables = match tree.root.get("stores") {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(tables)) => tables,
        Some(other) => {
            let message = format!("wrong type: {}, expected a table", kind(other));
            problems.push(tree.problem("stores", message));
            return BTreeMap::new();
        }
    };
    if tables.is_empty() {
        let message = "no store: at least one is needed, such as stores.main with type \"memory\"";
        problems.push(tree.problem("stores", message));
    }
    let mut stores = BTreeMap::new();
    for (name, table) in tables {
        let path = path::member("stores", name);
        if !is_name(name) {
            let message = format!(
                "not a name for a store: lower-case letters and digits, parts joined by one - or \
                 _, up to {NAME_CHARS_MAX} characters"
            );
            problems.push(tree.problem(&path, message));
        }
        if let Some(entry) = store(tree, &path, table, limits, problems) {
            stores.insert(name.clone(), entry);
        }
    }
    stores
}

/// Whether a store may have this name. A single `-` or `_` between parts, so that
/// environment variables can name it.
fn is_name(name: &str) -> bool {
    name.len() <= NAME_CHARS_MAX
        && name.split(['-', '_']).all(|part| {
            let mut bytes = part.bytes();
            !part.is_empty() && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}

fn store(
    tree: &Tree,
    path: &str,
    table: &Value,
    limits: Option<&Limits>,
    problems: &mut Vec<Problem>,
) -> Option<StoreEntry> {
    let Value::Object(table) = table else {
        let message = format!("wrong type: {}, expected a table", kind(table));
        problems.push(tree.problem(path, message));
        return None;
    };
    let is_common = |(key, _): &(String, Value)| COMMON.contains(&key.as_str());
    let (common, settings): (Map<_, _>, Map<_, _>) = table.clone().into_iter().partition(is_common);
    let part = Part { tree, path, also: &COMMON };
    let common = part.read(Value::Object(common), problems, read_settings::<Common>);
    // a mistake beside the type must not hide those in the settings
    let written = table.get("type").and_then(Value::as_str);
    let word = common.as_ref().map_or(written, |common| Some(common.r#type.as_str()));
    let found = find(word?)
        .map_err(|message| problems.push(tree.problem(&path::member(path, "type"), message)));
    let settings = found.ok().and_then(|(store_type, adapter)| {
        let settings = part.read(Value::Object(settings), problems, adapter.configure)?;
        Some((store_type, settings))
    });
    let common = common?;
    check_collection(tree, path, &common.default_collection, limits, problems);
    let wrap = wrap::read(tree, &path::member(path, "wrap"), common.wrap, problems);
    let (store_type, settings) = settings?;
    Some(StoreEntry { default_collection: common.default_collection, wrap, store_type, settings })
}

/// The type that the configuration calls `word`, with its adapter.
fn find(word: &str) -> Result<(&'static StoreType, Adapter), String> {
    let Some(store_type) = kvgate_stores::find(word) else {
        let words: Vec<&str> = STORE_TYPES.iter().map(|store_type| store_type.word).collect();
        let near = wording::did_you_mean(word, words.iter().copied());
        return Err(format!("unknown type of store, expected one of {}{near}", words.join(", ")));
    };
    Ok((store_type, adapter(store_type)?))
}

fn adapter(store_type: &StoreType) -> Result<Adapter, String> {
    store_type.adapter.ok_or_else(|| {
        format!(
            "compiled without feature `{feature}`: rebuild with `--features {feature}`, or use a \
             release binary",
            feature = store_type.word
        )
    })
}

fn check_collection(
    tree: &Tree,
    path: &str,
    collection: &str,
    limits: Option<&Limits>,
    problems: &mut Vec<Problem>,
) {
    let bytes_max = limits.map_or(usize::MAX, |limits| limits.collection_bytes_max);
    let message = if collection.is_empty() {
        "empty: it is what an empty name stands for".to_owned()
    } else if collection.contains('\0') {
        "a collection has no NUL in its name".to_owned()
    } else if collection.len() > bytes_max {
        format!("longer than server.limits.collection_bytes_max ({bytes_max})")
    } else {
        return;
    };
    let path = path::member(path, "default_collection");
    problems.push(tree.problem(&path, message));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_stores() {
        for name in ["main", "a", "0", "a-b_c-9", &"x".repeat(63)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-a", "a-", "a__b", "a-_b", "A", "a.b", "a b", "ä", &"x".repeat(64)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn says_which_feature_is_missing() {
        let known = kvgate_stores::find("rocksdb").expect("a type");
        let error = adapter(&StoreType { adapter: None, ..*known }).expect_err("not compiled in");
        assert!(error.starts_with("compiled without feature `rocksdb`: "), "{error}");
    }
}
