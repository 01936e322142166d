//! Paths of fields as text: `stores.main.nodes[2].port`.
//!
//! It is the form that `serde_path_to_error` writes and that problems show.

use serde_json::Value;

/// The path of member `key` of the table at `parent`.
pub(super) fn member(parent: &str, key: &str) -> String {
    match parent {
        "" => key.to_owned(),
        _ => format!("{parent}.{key}"),
    }
}

/// The path of element `index` of the array at `parent`.
pub(super) fn element(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// The path of what `serde_path_to_error` calls `inner` within the part at
/// `part`.
pub(super) fn join(part: &str, inner: &str) -> String {
    match inner {
        "" | "." => part.to_owned(),
        _ if inner.starts_with('[') => format!("{part}{inner}"),
        _ => member(part, inner),
    }
}

/// The path of the table or array that holds what is at `path`.
pub(super) fn parent(path: &str) -> &str {
    &path[..path.rfind(['.', '[']).unwrap_or(0)]
}

/// The value at `path` within `value`. Keys may hold dots: the longest key that
/// fits is taken.
pub(super) fn find<'v>(value: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return Some(value);
    }
    match value {
        Value::Object(table) => {
            let key = first_key(table.keys(), path)?.clone();
            find(table.get_mut(&key)?, &path[key.len()..])
        }
        Value::Array(elements) => {
            let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
            find(elements.get_mut(index.parse::<usize>().ok()?)?, rest)
        }
        _ => None,
    }
}

/// Takes the table member at `path` out of `value`; false if there is none.
pub(super) fn remove(value: &mut Value, path: &str) -> bool {
    let Value::Object(table) = value else {
        return match value {
            Value::Array(elements) => path
                .strip_prefix('[')
                .and_then(|path| path.split_once(']'))
                .and_then(|(index, rest)| Some((index.parse::<usize>().ok()?, rest)))
                .and_then(|(index, rest)| Some((elements.get_mut(index)?, rest)))
                .is_some_and(|(element, rest)| remove(element, rest)),
            _ => false,
        };
    };
    let path = path.strip_prefix('.').unwrap_or(path);
    let Some(key) = first_key(table.keys(), path).cloned() else {
        return false;
    };
    if key.len() == path.len() {
        return table.remove(&key).is_some();
    }
    table.get_mut(&key).is_some_and(|member| remove(member, &path[key.len()..]))
}

fn first_key<'k>(keys: impl Iterator<Item = &'k String>, path: &str) -> Option<&'k String> {
    keys.filter(|key| {
        path.strip_prefix(key.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
    .max_by_key(|key| key.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_and_removes() {
        let mut value = json!({"a": {"b.c": [{"d": 1}, 2]}, "b": 3});
        assert_eq!(find(&mut value, "a.b.c[0].d"), Some(&mut json!(1)));
        assert_eq!(find(&mut value, "a.b.c[1]"), Some(&mut json!(2)));
        assert_eq!(find(&mut value, "b"), Some(&mut json!(3)));
        for absent in ["c", "b.c", "a.b.c[2]", "a.b.c[x]", "a.b.c[0", "b[0]", "a..b"] {
            assert_eq!(find(&mut value, absent), None, "{absent}");
            assert!(!remove(&mut value, absent), "{absent}");
        }
        assert!(!remove(&mut value, "a.b.c[1]"), "elements stay: others would move");
        assert!(remove(&mut value, "a.b.c[0].d"));
        assert_eq!(value, json!({"a": {"b.c": [{}, 2]}, "b": 3}));
    }

    #[test]
    fn joins_and_splits() {
        assert_eq!(join("stores.main", "."), "stores.main");
        assert_eq!(join("stores.main", "nodes[2].port"), "stores.main.nodes[2].port");
        assert_eq!(join("wrap", "[0].type"), "wrap[0].type");
        assert_eq!(parent("stores.main.nodes[2].port"), "stores.main.nodes[2]");
        assert_eq!(parent("stores.main.nodes[2]"), "stores.main.nodes");
        assert_eq!(parent("stores"), "");
    }
}
