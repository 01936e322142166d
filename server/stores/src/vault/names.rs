//! Where in Vault an entry is: which names are part of a path as they are.
//!
//! Vault cleans paths (`a//b` is `a/b`, `a/../b` is `b`) and refuses what is not
//! printable. A name that could be cleaned or refused never gets into a path.

use kvgate_core::name::{
    HashDigits, MADE_PREFIX, SEPARATOR, compound, compound_collection, hybrid, is_reserved, is_word,
};

/// How long a made name may be.
const MADE_NAME_CHARS: usize = 200;

/// The most parts that slashes make of a name that is stored as it is: a listing
/// opens directory after directory, and what stores a path may bound its length.
const NAME_PARTS_MAX: usize = 32;

/// The path of an entry below the mount.
pub(super) fn path(collection: &str, key: &str) -> String {
    compound(&stored_collection(collection), &stored_key(key))
}

/// The path up to the key of every entry of a collection.
pub(super) fn collection_path(collection: &str) -> String {
    compound(&stored_collection(collection), "")
}

/// The collection and the key, as they are stored, of a path that is an entry's.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    path.split_once(SEPARATOR).filter(|(collection, _)| !collection.is_empty())
}

/// Whether a stored name was made, so that the name itself is in the envelope alone.
pub(super) fn is_made(stored: &str) -> bool {
    stored.starts_with(MADE_PREFIX)
}

/// The name under which a collection is stored.
pub(super) fn stored_collection(collection: &str) -> String {
    let stored = compound_collection(collection);
    if is_made(&stored) || is_plain(&compound(&stored, "key")) { stored } else { made(collection) }
}

fn stored_key(key: &str) -> String {
    let plain = !is_reserved(key) && is_plain(&compound("collection", key));
    if plain { key.to_owned() } else { made(key) }
}

fn made(name: &str) -> String {
    hybrid(name, MADE_NAME_CHARS, is_word, HashDigits::Auto)
}

/// Whether Vault takes a path as it is.
pub(super) fn is_plain(path: &str) -> bool {
    let mut parts = 0;
    path.chars().all(is_printable)
        && path.split('/').all(|part| {
            parts += 1;
            parts <= NAME_PARTS_MAX && !matches!(part, "" | "." | "..")
        })
}

/// Whether Vault finds a character printable: no control, format or private one, no
/// white space but the space. The table is fixed: a newer version of Unicode must
/// not move entries. A character that Vault does not know (yet) is refused by it.
fn is_printable(c: char) -> bool {
    let code = u32::from(c);
    // the last two of each plane are no characters
    let assignable = code & 0xfffe != 0xfffe;
    assignable && !UNPRINTABLE.iter().any(|(first, last)| (*first..=*last).contains(&code))
}

/// Unicode's categories Cc, Cf, Co, Zl, Zp, Zs without the space, and noncharacters.
const UNPRINTABLE: [(u32, u32); 28] = [
    (0x0, 0x1f),
    (0x7f, 0xa0),
    (0xad, 0xad),
    (0x600, 0x605),
    (0x61c, 0x61c),
    (0x6dd, 0x6dd),
    (0x70f, 0x70f),
    (0x890, 0x891),
    (0x8e2, 0x8e2),
    (0x1680, 0x1680),
    (0x180e, 0x180e),
    (0x2000, 0x200f),
    (0x2028, 0x202f),
    (0x205f, 0x206f),
    (0x3000, 0x3000),
    (0xe000, 0xf8ff),
    (0xfdd0, 0xfdef),
    (0xfeff, 0xfeff),
    (0xfff0, 0xfffb),
    (0x110bd, 0x110bd),
    (0x110cd, 0x110cd),
    (0x13430, 0x1343f),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0xe00ff),
    (0xe01f0, 0xe0fff),
    (0xf0000, 0xffffd),
    (0x0010_0000, 0x0010_fffd),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_stored_as_they_are() {
        for name in ["a", "a b", "é", "e\u{301}", "中文", "😀", "a/b", "a/b/c", "..a", "..."] {
            assert_eq!(path(name, name), format!("{name}::{name}"));
        }
        // in a path, these stand between other characters
        for key in [".", "..", "%2e%2e", "%2F", "/a", "::", "a::b", "?", "#", "a;b", " "] {
            assert_eq!(path("c", key), format!("c::{key}"));
        }
    }

    #[test]
    fn no_name_climbs_or_is_cleaned_or_refused() {
        let odd = ["a//b", "a/", "/", "a/./b", "a/../b", "../..", "a/..", "S_a", "H_a"];
        let unprintable = ["a\nb", "\u{1}", "\u{7f}", "\u{a0}", "\u{200d}", "\u{e000}", "\u{fffe}"];
        let deep = "a/".repeat(NAME_PARTS_MAX) + "a";
        for key in odd.into_iter().chain(unprintable).chain([deep.as_str()]) {
            let path = path("c", key);
            assert!(path.starts_with("c::S_") && path[3..].chars().all(is_made_char), "{path}");
        }
        for collection in ["/a", "a//b", "a/../b", "../b", "./b", "..", "a::b", "a:", "\u{1}"] {
            let stored = stored_collection(collection);
            let made = is_made(&stored) && stored.chars().all(is_made_char);
            // as part of a path `..::key` is not `..`
            assert!(made || collection == "..", "{stored}");
        }
    }

    fn is_made_char(c: char) -> bool {
        is_word(c) || c == '-'
    }

    #[test]
    fn a_path_says_where_its_collection_ends() {
        assert_eq!(split("a/b::c::d"), Some(("a/b", "c::d")));
        assert_eq!(split("::a"), None);
        assert_eq!(split("another program's"), None);
    }
}
