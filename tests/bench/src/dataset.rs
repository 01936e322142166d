//! The entries that every side is asked for.

use bytes::Bytes;

/// The store of the requests, and of kvgate's configuration.
pub(crate) const STORE: &str = "main";
/// Where the entries to get are.
pub(crate) const COLLECTION: &str = "bench";
/// Where puts go, so that they don't replace what gets expect.
pub(crate) const PUT_COLLECTION: &str = "bench-put";
/// Entries in the store, and keys in one `StreamGetMany`.
pub(crate) const ENTRY_COUNT: usize = 100_000;
/// The length of every value.
pub(crate) const VALUE_BYTES: usize = 200;

/// How far apart the keys of two calls in a row are: a prime, so that all keys
/// have their turn, and far enough that no two share a cache line of a store.
const STRIDE: usize = 7919;

/// The keys, shared by all connections.
///
/// They live as long as the process, so that taking one is no atomic counting
/// in the load generator.
#[derive(Clone, Copy)]
pub(crate) struct Dataset {
    keys: &'static [Bytes],
}

impl Dataset {
    pub(crate) fn new() -> Self {
        let keys = (0..ENTRY_COUNT)
            .map(|n| Bytes::from_static(format!("key-{n:06}").leak().as_bytes()))
            .collect::<Vec<_>>();
        Self { keys: keys.leak() }
    }

    pub(crate) fn keys(self) -> &'static [Bytes] {
        self.keys
    }

    /// The keys that one caller asks for, without end.
    pub(crate) fn walk(self, caller: usize) -> impl Iterator<Item = &'static Bytes> {
        let first = caller * 101;
        (0..).map(move |n| &self.keys[(first + n * STRIDE) % ENTRY_COUNT])
    }
}

/// The value of every entry: a JSON object of `VALUE_BYTES`.
pub(crate) fn value() -> Bytes {
    let frame = r#"{"padding":""}"#.len();
    let padding = "x".repeat(VALUE_BYTES - frame);
    Bytes::from_static(format!(r#"{{"padding":"{padding}"}}"#).leak().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_value_is_a_json_object_of_the_stated_length() {
        let value = value();
        assert_eq!(value.len(), VALUE_BYTES);
        let object: serde_json::Value = serde_json::from_slice(&value).unwrap();
        assert!(object.is_object());
    }

    #[test]
    fn a_walk_comes_by_every_key() {
        let seen: HashSet<_> = Dataset::new().walk(3).take(ENTRY_COUNT).collect();
        assert_eq!(seen.len(), ENTRY_COUNT);
    }
}
