//! The index of a collection and the document of a key.

use std::borrow::Cow;

use kvgate_core::name::{self, HashDigits, Sanitize};
use kvgate_core::{Error, Kind, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest name of an index.
const INDEX_BYTES_MAX: usize = 255;
/// The longest name that is made; with the longest prefix it fits an index.
const MADE_CHARS_MAX: usize = 200;
const PREFIX_BYTES_MAX: usize = INDEX_BYTES_MAX - MADE_CHARS_MAX - "-".len();
/// How made names of indices begin.
const MADE_START: &str = "s_";
/// The longest name of a document.
const ID_BYTES_MAX: usize = 512;

/// How the indices and documents of a store are named.
pub(super) struct Names {
    prefix: String,
    sanitize: Sanitize,
}

impl Names {
    /// The names that begin with this prefix, which was checked.
    pub(super) fn new(prefix: String, sanitize: Sanitize) -> Self {
        Self { prefix, sanitize }
    }

    /// Patterns of the indices of all collections that begin so, as a segment of a path.
    pub(super) fn patterns_path(&self, prefix: &str) -> String {
        let pattern = |start: &str| format!("{}*", segment(&format!("{}-{start}", self.prefix)));
        let made = pattern(MADE_START);
        match self.sanitize {
            Sanitize::Auto if prefix.is_empty() => pattern(""),
            Sanitize::Auto if self.takes_start(prefix) => format!("{},{made}", pattern(prefix)),
            Sanitize::Auto | Sanitize::V1 => made,
        }
    }

    /// The index of a collection.
    pub(super) fn index(&self, collection: &str) -> Result<String> {
        let made =
            |digits| name::hybrid(collection, MADE_CHARS_MAX, is_kept, digits).to_lowercase();
        let name = match self.sanitize {
            Sanitize::Auto if self.takes(collection) => Cow::Borrowed(collection),
            Sanitize::Auto => Cow::Owned(made(HashDigits::Auto)),
            Sanitize::V1 if name::is_reserved(collection) => {
                return Err(Error::new(
                    Kind::InvalidCollection,
                    "`sanitize = \"v1\"` refuses collections that begin with `S_` or `H_`",
                ));
            }
            Sanitize::V1 => Cow::Owned(made(HashDigits::V1)),
        };
        Ok(format!("{}-{name}", self.prefix))
    }

    /// The document of a key.
    pub(super) fn id<'a>(&self, key: &'a str) -> Cow<'a, str> {
        match self.sanitize {
            Sanitize::V1 => Cow::Owned(name::sha256_hex(key)),
            Sanitize::Auto if is_plain_id(key) => Cow::Borrowed(key),
            Sanitize::Auto => {
                Cow::Owned(name::hybrid(key, MADE_CHARS_MAX, name::is_word, HashDigits::Auto))
            }
        }
    }

    /// Whether an index can have the collection's name, and none but its own. Indices
    /// are in lower case, and so are made names there.
    fn takes(&self, collection: &str) -> bool {
        self.takes_start(collection) && !name::is_reserved(&collection.to_ascii_uppercase())
    }

    /// Whether the name of an index can begin so.
    fn takes_start(&self, start: &str) -> bool {
        self.prefix.len() + "-".len() + start.len() <= INDEX_BYTES_MAX
            && start.chars().all(is_index_char)
    }
}

/// Whether a document can have the key's name. `.` and `..` would be lost in a URL.
fn is_plain_id(key: &str) -> bool {
    key.len() <= ID_BYTES_MAX && !matches!(key, "." | "..") && !name::is_reserved(key)
}

/// What py-key-value keeps of a collection in a made name, before it is in lower case.
fn is_kept(c: char) -> bool {
    name::is_word(c) || matches!(c, '.' | '-')
}

/// Whether the name of an index may have it.
fn is_index_char(c: char) -> bool {
    !c.is_whitespace()
        && !c.is_control()
        && !r#"\/*?"<>|,#:"#.contains(c)
        && c.to_lowercase().eq(std::iter::once(c))
}

/// Checks that names of indices can begin so.
pub(super) fn check_prefix(prefix: &str) -> Result<(), String> {
    let begins_well = prefix.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && prefix.len() <= PREFIX_BYTES_MAX && prefix.chars().all(is_index_char) {
        return Ok(());
    }
    Err(format!(
        "no index can be named so: expected index_prefix to begin with a letter or digit, to be \
         without white space and without \\ / * ? \" < > | , # : and of at most \
         {PREFIX_BYTES_MAX} bytes"
    ))
}

/// The name as a segment of a path.
pub(super) fn segment(name: &str) -> impl std::fmt::Display {
    utf8_percent_encode(name, NON_ALPHANUMERIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sanitize: Sanitize) -> Names {
        Names::new("kv_store".to_owned(), sanitize)
    }

    #[test]
    fn plain_names_stay() {
        let names = names(Sanitize::Auto);
        for name in ["a", "a.b", "a-b", "é", "😀", "中文", "%2e", "a'b", "_x", "-", "."] {
            assert_eq!(names.index(name).expect(name), format!("kv_store-{name}"));
        }
        for key in ["a", "A", "a/b", " ", "::", "_mapping", &"k".repeat(512)] {
            assert_eq!(names.id(key), key);
        }
    }

    #[test]
    fn no_two_names_meet() {
        let names = names(Sanitize::Auto);
        let made = names.index("S_a").expect("a made name");
        assert!(made.starts_with(&format!("kv_store-{MADE_START}")), "{made}");
        let made = made.strip_prefix("kv_store-").expect("the prefix").to_owned();
        let long = "x".repeat(300);
        let all = ["a", "A", "a b", "a_b", "S_a", "s_a", &made, "É", "é", &long, &long[..299], ":"];
        let unique = |mut stored: Vec<String>| {
            stored.sort();
            stored.dedup();
            stored.len()
        };
        let indices = all.iter().map(|name| names.index(name).expect("every name"));
        let indices: Vec<String> = indices.collect();
        assert!(indices.iter().all(|index| index.len() <= INDEX_BYTES_MAX));
        assert_eq!(unique(indices), all.len());
        let long = "k".repeat(513);
        let made = names.id(&long).into_owned();
        let all = [".", "..", &long, &made, "S_a", "k"];
        assert_eq!(unique(all.iter().map(|key| names.id(key).into_owned()).collect()), all.len());
    }

    /// Made by the strategies of py-key-value-aio 0.5.0.
    #[test]
    fn v1_names_are_those_of_python() {
        let names = names(Sanitize::V1);
        assert_eq!(names.index("a B/c").expect("a name"), "kv_store-s_a_b_c-9a276ab0");
        assert_eq!(names.index("plain").expect("a name"), "kv_store-s_plain-a116c9ed");
        assert_eq!(
            names.id("key"),
            "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"
        );
        assert_eq!(names.index("H_a").expect_err("refused").kind(), Kind::InvalidCollection);
    }

    #[test]
    fn patterns_have_all_that_begin_so() {
        let all = names(Sanitize::Auto);
        assert_eq!(all.patterns_path(""), "kv%5Fstore%2D*");
        assert_eq!(all.patterns_path("a."), "kv%5Fstore%2Da%2E*,kv%5Fstore%2Ds%5F*");
        for made in ["A", "a*", "a,b", &"a".repeat(300)] {
            assert_eq!(all.patterns_path(made), "kv%5Fstore%2Ds%5F*", "{made}");
        }
        assert_eq!(names(Sanitize::V1).patterns_path("a"), "kv%5Fstore%2Ds%5F*");
    }

    #[test]
    fn segments_hold_anything() {
        assert_eq!(segment("kv_store-a%/é").to_string(), "kv%5Fstore%2Da%25%2F%C3%A9");
    }
}
