//! Names with `*` in them.

/// A name in which each `*` stands for any characters, none included; all other
/// characters stand for themselves.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// What stands between the `*`, at least one part.
    parts: Vec<String>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self { parts: text.split('*').map(str::to_owned).collect() }
    }

    /// Whether this is one of the names. The time is at most the product of the lengths.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|only| only == name);
        };
        let inner = name.strip_prefix(first.as_str());
        let Some(mut rest) = inner.and_then(|rest| rest.strip_suffix(last.as_str())) else {
            return false;
        };
        // the first place where a part fits leaves the most for those after it
        middle.iter().all(|part| match rest.find(part.as_str()) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    }

    /// Whether every name is one of them.
    pub(crate) fn matches_all(&self) -> bool {
        self.parts.len() > 1 && self.parts.iter().all(String::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn names() {
        for (pattern, fits, does_not) in [
            ("main", &["main"][..], &["", "mai", "mains", "MAIN"][..]),
            ("*", &["", "a", "a*b"], &[]),
            ("**", &["", "a"], &[]),
            ("a*", &["a", "ab"], &["", "ba"]),
            ("*a", &["a", "ba"], &["ab"]),
            ("a*a", &["aa", "aba"], &["a", "ab"]),
            ("a*b*c", &["abc", "a-b-c", "abbcc"], &["ac", "acb", "abcd"]),
            ("*ab*ab*", &["abab", "xab-abx"], &["ab", "aba"]),
            ("", &[""], &["a"]),
            ("a?[b]", &["a?[b]"], &["axb"]),
        ] {
            let made = Pattern::new(pattern);
            for name in fits {
                assert!(made.matches(name), "{pattern} {name}");
            }
            for name in does_not {
                assert!(!made.matches(name), "{pattern} {name}");
            }
        }
        assert!(Pattern::new("*").matches_all() && Pattern::new("**").matches_all());
        assert!(!Pattern::new("").matches_all() && !Pattern::new("a*").matches_all());
    }
}
