//! Names that a backend takes, made from names that it may not take.
//!
//! A store stores a name as it is whenever it can: then py-key-value, whose
//! default passes names through, finds it. A name that the backend can't take, or
//! that could meet another one there, is stored under a made name, `S_…-hash`
//! ([`hybrid`]), and the name itself goes into the envelope.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How a store makes names that its backend takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sanitize {
    /// A name that the backend takes is stored as it is, any other under a made
    /// name; two names never meet.
    #[default]
    Auto,
    /// Exactly the `V1` strategies of py-key-value: they refuse names that begin with
    /// `S_` or `H_`, and cut long names so that two of them may meet.
    V1,
}

/// What stands between collection and key in a compound key.
pub const SEPARATOR: &str = "::";

/// How the names begin that [`hybrid`] makes.
pub const MADE_PREFIX: &str = "S_";

/// Names that begin so are made ones, and therefore never stored as they are.
const RESERVED_PREFIXES: [&str; 2] = [MADE_PREFIX, "H_"];

/// Hexadecimal digits of the hash in a made name.
#[derive(Clone, Copy, Debug)]
pub enum HashDigits {
    /// py-key-value's eight: 32 bits, so that names can meet by chance.
    V1,
    /// Thirty-two: 128 bits, for made names that must never meet.
    Auto,
}

impl HashDigits {
    const fn count(self) -> usize {
        match self {
            Self::V1 => 8,
            Self::Auto => 32,
        }
    }
}

/// Whether the name begins like a made one.
pub fn is_reserved(name: &str) -> bool {
    RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a name meets no other one where case is ignored, made names included: those
/// begin with a capital letter.
pub fn is_the_same_in_any_case(name: &str) -> bool {
    name.is_ascii()
        && !name.contains(|c: char| c.is_ascii_uppercase())
        && !is_reserved(&name.to_ascii_uppercase())
}

/// The key under which backends with one flat space of names keep an entry.
pub fn compound(collection: &str, key: &str) -> String {
    format!("{collection}{SEPARATOR}{key}")
}

/// Whether a collection can stand in a compound key: its end must be where the
/// first separator begins, so `a:` with key `b` must not be `a` with key `:b`.
fn fits_compound(collection: &str) -> bool {
    !collection.contains(SEPARATOR) && !collection.ends_with(':') && !is_reserved(collection)
}

/// The name under which a collection stands in compound keys: itself if it can,
/// else a made one.
pub fn compound_collection(collection: &str) -> String {
    if fits_compound(collection) {
        collection.to_owned()
    } else {
        hybrid(collection, MADE_COLLECTION_CHARS, is_word, HashDigits::Auto)
    }
}

/// How long a made collection may be where the backend sets no limit.
const MADE_COLLECTION_CHARS: usize = 200;

/// The smallest text that is greater, byte by byte, than every text that begins with
/// `prefix`; nothing if there is none.
pub fn after_all_with(prefix: &str) -> Option<String> {
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

/// Letters, digits and `_` of ASCII: what most made names consist of.
pub fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Makes a name from characters that are allowed: `S_`, the name with each run of
/// other characters replaced by one `_` and cut to fit, `-`, a hash of the name.
/// `chars_max` bounds the result.
pub fn hybrid(
    name: &str,
    chars_max: usize,
    allowed: impl Fn(char) -> bool,
    digits: HashDigits,
) -> String {
    let hash = sha256_hex(name);
    let hash = &hash[..digits.count()];
    let room = chars_max.saturating_sub("S_-".len() + hash.len());
    let readable: String = replace_runs(name, allowed).chars().take(room).collect();
    format!("S_{readable}-{hash}")
}

/// py-key-value's hybrid strategy of version 1 as it is; nothing if the strategy
/// refuses the name.
pub fn hybrid_v1(name: &str, chars_max: usize, allowed: impl Fn(char) -> bool) -> Option<String> {
    if is_reserved(name) {
        return None;
    }
    if replace_runs(name, &allowed) != name {
        return Some(hybrid(name, chars_max, allowed, HashDigits::V1));
    }
    if name.chars().count() <= chars_max {
        return Some(name.to_owned());
    }
    let cut: String = name.chars().take(chars_max - "S_".len()).collect();
    Some(format!("S_{cut}"))
}

/// py-key-value's name for one that is too long: `H_` and its SHA-256.
pub fn hashed(name: &str) -> String {
    format!("H_{}", sha256_hex(name))
}

/// Hexadecimal digits of the hash that [`cut_and_hashed`] puts behind a name.
pub const CUT_HASH_DIGITS: usize = 8;

/// py-key-value's name for one of more bytes than S3 leaves it: cut between two
/// characters, and behind it the beginning of its SHA-256.
pub fn cut_and_hashed(name: &str, bytes_max: usize) -> String {
    if name.len() <= bytes_max {
        return name.to_owned();
    }
    let kept = &name[..name.floor_char_boundary(bytes_max.saturating_sub(CUT_HASH_DIGITS))];
    format!("{kept}{}", &sha256_hex(name)[..CUT_HASH_DIGITS])
}

/// Each run of characters that are not allowed becomes one `_`; a name that is
/// nothing but such a run becomes empty, as in py-key-value.
fn replace_runs(name: &str, allowed: impl Fn(char) -> bool) -> String {
    let mut replaced = String::with_capacity(name.len());
    let mut in_run = false;
    for c in name.chars() {
        let keep = allowed(c);
        if keep {
            replaced.push(c);
        } else if !in_run {
            replaced.push('_');
        }
        in_run = !keep;
    }
    if replaced.len() == 1 && in_run { String::new() } else { replaced }
}

/// The SHA-256 of a name, in hexadecimal.
pub fn sha256_hex(name: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(name.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes all that is written to it");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `HybridSanitizationStrategy` of py-key-value-aio 0.5.0.
    #[test]
    fn makes_the_names_that_python_makes() {
        let make = |name| hybrid_v1(name, 245, is_word);
        assert_eq!(make("plain_1").as_deref(), Some("plain_1"));
        assert_eq!(make("a b").as_deref(), Some("S_a_b-c8687a08"));
        assert_eq!(make("S_a"), None);
        assert_eq!(make("H_a"), None);
        assert_eq!(make("é").map(|name| name.len()), Some("S_-12345678".len()));
        let long = "x".repeat(300);
        assert_eq!(make(&long), Some(format!("S_{}", "x".repeat(243))));
    }

    /// Made by `hash_excess_length` of py-key-value-aio 0.5.0.
    #[test]
    fn cuts_names_as_python_does() {
        assert_eq!(cut_and_hashed(&"k".repeat(500), 500), "k".repeat(500));
        let cut = cut_and_hashed(&"k".repeat(501), 500);
        assert_eq!(cut, format!("{}86012b63", "k".repeat(492)));
    }

    #[test]
    fn a_made_name_keeps_its_bound() {
        let long = "ü x".repeat(500);
        assert_eq!(hybrid(&long, 245, is_word, HashDigits::Auto).chars().count(), 245);
        assert_eq!(hybrid("", 245, is_word, HashDigits::V1), "S_-e3b0c442");
    }

    #[test]
    fn ends_after_everything_with_the_prefix() {
        assert_eq!(after_all_with("a").as_deref(), Some("b"));
        assert_eq!(after_all_with("c::").as_deref(), Some("c:;"));
        assert_eq!(after_all_with("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(after_all_with("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_all_with("\u{10ffff}"), None);
        assert_eq!(after_all_with(""), None);
    }

    #[test]
    fn no_two_collections_meet_in_compound_keys() {
        let pairs = [("a", ":b"), ("a:", "b"), ("a::b", "c"), ("a", "b::c"), ("S_a", "c")];
        let mut compounds: Vec<_> = pairs
            .iter()
            .map(|(collection, key)| compound(&compound_collection(collection), key))
            .collect();
        compounds.sort();
        compounds.dedup();
        assert_eq!(compounds.len(), pairs.len());
    }
}
