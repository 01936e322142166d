//! What a collection's key and an entry's value are called in the registry.

use kvgate_core::name::{self, HashDigits, Sanitize};
use kvgate_core::{Error, Kind, Result};

/// The longest name of a registry key.
const KEY_CHARS_MAX: usize = 255;

/// py-key-value's bound for collections.
const V1_COLLECTION_CHARS_MAX: usize = 96;

/// The longest name that is made for an entry: short enough to be read in `regedit`.
const MADE_CHARS_MAX: usize = 200;

/// The name of a collection's registry key.
pub(super) fn of_collection(collection: &str, sanitize: Sanitize) -> Result<String> {
    match sanitize {
        Sanitize::Auto if is_plain(collection) && fits_key(collection) => Ok(collection.to_owned()),
        Sanitize::Auto => Ok(made(collection, V1_COLLECTION_CHARS_MAX)),
        Sanitize::V1 => name::hybrid_v1(collection, V1_COLLECTION_CHARS_MAX, is_alphanumeric)
            .ok_or_else(|| {
                let context = "a collection that begins with S_ or H_ is refused by sanitize = \
                               \"v1\"";
                Error::new(Kind::InvalidCollection, context)
            }),
    }
}

/// The name of an entry's value.
pub(super) fn of_key(key: &str, sanitize: Sanitize) -> String {
    match sanitize {
        Sanitize::Auto if !is_plain(key) => made(key, MADE_CHARS_MAX),
        Sanitize::Auto | Sanitize::V1 => key.to_owned(),
    }
}

/// Whether the name that is stored so may begin with this, as far as that can be seen: the
/// registry shows a name in the case in which it first came.
pub(super) fn may_begin(stored: &str, prefix: &str) -> bool {
    let start = stored.as_bytes().get(..prefix.len());
    name::is_reserved(stored)
        || start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// Whether the registry takes the name for itself and for no other one.
fn is_plain(name: &str) -> bool {
    name::is_the_same_in_any_case(name) && !name::is_reserved(name)
}

/// In the name of a registry key a backslash begins the next one.
fn fits_key(plain: &str) -> bool {
    !plain.contains('\\') && plain.len() <= KEY_CHARS_MAX
}

fn is_alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn made(name: &str, chars_max: usize) -> String {
    name::hybrid(name, chars_max, name::is_word, HashDigits::Auto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_meet_though_case_is_ignored() {
        let long = "x".repeat(300);
        let names =
            ["a", "A", "s_a", "S_a", "h_a", "a b", "a\\b", "a_b", "é", "É", "ß", "ss", "", &long];
        for stored in [
            names.map(|name| of_collection(name, Sanitize::Auto).expect(name)),
            names.map(|name| of_key(name, Sanitize::Auto)),
        ] {
            let mut folded = stored.map(|name| name.to_uppercase());
            folded.sort();
            let mut unique = folded.to_vec();
            unique.dedup();
            assert_eq!(unique, folded);
        }
        assert_eq!(of_key("a b/c\\d::e", Sanitize::Auto), "a b/c\\d::e");
        assert_eq!(of_collection("a b/c::e", Sanitize::Auto).expect("plain"), "a b/c::e");
    }

    #[test]
    fn v1_is_as_python_has_it() {
        let collection = |name| of_collection(name, Sanitize::V1);
        assert_eq!(collection("plain").expect("plain"), "plain");
        assert_eq!(collection("a b").expect("made"), "S_a_b-c8687a08");
        assert_eq!(collection("S_a").expect_err("refused").kind(), Kind::InvalidCollection);
        assert_eq!(of_key("A\\b", Sanitize::V1), "A\\b");
    }
}
