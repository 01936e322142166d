use kvgate_core::name::after_all_with;

/// A range of stored keys, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRange {
    /// The first key that may be in it.
    pub(crate) start: String,
    /// The first key after it; nothing: every key of text from `start` on.
    pub(crate) end: Option<String>,
}

impl KeyRange {
    /// The keys that begin with `prefix`.
    pub(crate) fn with_prefix(prefix: &str) -> Self {
        Self { start: prefix.to_owned(), end: after_all_with(prefix) }
    }

    /// The keys of this range that come after `key`.
    #[must_use]
    pub(crate) fn after(self, key: &str) -> Self {
        // nothing lies between a text and the same text with a NUL behind it
        self.from(format!("{key}\0"))
    }

    /// The keys of this range from `key` on.
    #[must_use]
    pub(crate) fn from(mut self, key: String) -> Self {
        if key > self.start {
            self.start = key;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_before_the_range_changes_nothing() {
        let range = KeyRange::with_prefix("m");
        assert_eq!(range.clone().after("a"), range);
        assert_eq!(range.after("ma").start, "ma\0");
    }
}
