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

/// The smallest text that is greater than every text that begins with `prefix`.
fn after_all_with(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // the next character; a range of `char` steps over the surrogates
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_after_everything_with_the_prefix() {
        let end = |prefix| KeyRange::with_prefix(prefix).end;
        assert_eq!(end("a").as_deref(), Some("b"));
        assert_eq!(end("c::").as_deref(), Some("c:;"));
        assert_eq!(end("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(end("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end("\u{10ffff}"), None);
        assert_eq!(end(""), None);
    }

    #[test]
    fn a_cursor_before_the_range_changes_nothing() {
        let range = KeyRange::with_prefix("m");
        assert_eq!(range.clone().after("a"), range);
        assert_eq!(range.after("ma").start, "ma\0");
    }
}
