//! The keys under which entries are stored, and patterns that find them.

use kvgate_core::name::{SEPARATOR, compound, compound_collection};

/// The stored keys of a collection's keys.
pub(super) fn stored(collection: &str, keys: &[&str]) -> Vec<String> {
    let collection = compound_collection(collection);
    keys.iter().map(|key| compound(&collection, key)).collect()
}

/// What the stored keys of a collection begin with.
pub(super) fn start(collection: &str) -> String {
    compound(&compound_collection(collection), "")
}

/// The name under which a collection is stored, and the key: nothing if no entry of
/// ours can be under this stored key.
pub(super) fn parse(stored: &[u8]) -> Option<(&str, &str)> {
    let (collection, key) = std::str::from_utf8(stored).ok()?.split_once(SEPARATOR)?;
    (!collection.is_empty() && !key.is_empty()).then_some((collection, key))
}

/// The pattern of every stored key.
pub(super) fn anything() -> String {
    format!("*{SEPARATOR}*")
}

/// The pattern of what begins with this text: no character of it means anything else.
pub(super) fn beginning_with(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_keys_are_read_back() {
        assert_eq!(stored("c", &["k", "::k"]), ["c::k", "c::::k"]);
        for (collection, key) in [("c", "k"), ("c", ":k"), ("c", "k::k"), ("é*", "?")] {
            let stored = stored(collection, &[key]);
            assert_eq!(parse(stored[0].as_bytes()), Some((collection, key)));
        }
        for foreign in [b"key".as_slice(), b"::key", b"c::", b"\xff::key"] {
            assert_eq!(parse(foreign), None);
        }
    }

    #[test]
    fn a_pattern_means_its_text() {
        assert_eq!(beginning_with(r"a*b?[c-d]\^"), r"a\*b\?\[c-d\]\\^*");
    }
}
