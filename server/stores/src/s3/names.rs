//! What the objects are called: `{collection}/{key}`, where no name may meet another one,
//! whichever server keeps them. Some keep objects as files.

use kvgate_core::name::{self, HashDigits, Sanitize};
use kvgate_core::{Error, Kind, Result};

/// What ends the collection in the name of an object.
pub(super) const SEPARATOR: char = '/';

/// The longest part between two `/`: AWS takes longer ones, a file system does not.
const SEGMENT_BYTES_MAX: usize = 255;

/// The longest key that is stored as it is: S3 takes 1,024 bytes for all of a name.
const KEY_BYTES_MAX: usize = 1024 - SEGMENT_BYTES_MAX - SEPARATOR.len_utf8();

/// The longest name that is made.
const MADE_CHARS_MAX: usize = 100;

/// How long py-key-value's strategies let a collection and a key be.
const V1_BYTES_MAX: usize = 500;

/// What they leave at least of a name that they cut: they cut between characters.
const V1_KEPT_BYTES_MIN: usize = V1_BYTES_MAX - name::CUT_HASH_DIGITS - 3;

/// What servers keep under these names beside the objects.
const TAKEN_SEGMENTS: [&str; 2] = ["xl.meta", ".sgwtmp"];

/// How `MinIO` tells objects that end with a `/` from others.
const TAKEN_END: &str = "__XLDIR__";

/// Makes the names of objects.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) sanitize: Sanitize,
    /// Whether a key with a `/` can be stored as it is.
    pub(super) plain_slashes: bool,
}

impl Names {
    /// What the names of a collection's objects begin with.
    pub(super) fn folder(&self, collection: &str) -> Result<String> {
        let is_segment = !collection.contains(SEPARATOR);
        let mut folder = match self.sanitize {
            Sanitize::Auto
                if is_segment && is_plain(collection) && !name::is_reserved(collection) =>
            {
                collection.to_owned()
            }
            Sanitize::Auto => made(collection),
            Sanitize::V1 if is_segment && is_storable(collection) => {
                name::cut_and_hashed(collection, V1_BYTES_MAX)
            }
            Sanitize::V1 => return Err(refused(Kind::InvalidCollection, "collection")),
        };
        folder.push(SEPARATOR);
        Ok(folder)
    }

    /// The name of a key's object in a folder.
    pub(super) fn object(&self, folder: &str, key: &str) -> Result<String> {
        Ok(format!("{folder}{}", self.key(key)?))
    }

    fn key(&self, key: &str) -> Result<String> {
        match self.sanitize {
            Sanitize::Auto if self.is_plain_key(key) => Ok(key.to_owned()),
            Sanitize::Auto => Ok(made(key)),
            Sanitize::V1 if key.split(SEPARATOR).all(is_storable) => {
                Ok(name::cut_and_hashed(key, V1_BYTES_MAX))
            }
            Sanitize::V1 => Err(refused(Kind::InvalidKey, "key")),
        }
    }

    fn is_plain_key(&self, key: &str) -> bool {
        key.len() <= KEY_BYTES_MAX
            && !name::is_reserved(key)
            && (self.plain_slashes || !key.contains(SEPARATOR))
            && key.split(SEPARATOR).all(is_plain)
    }

    /// Whether only the object tells whose name this stored collection or key is.
    pub(super) fn is_made(&self, stored: &str) -> bool {
        match self.sanitize {
            Sanitize::Auto => name::is_reserved(stored),
            Sanitize::V1 => stored.len() >= V1_KEPT_BYTES_MIN,
        }
    }

    /// Whether this collection's objects are in this folder.
    pub(super) fn collection_leads_to(&self, collection: &str, folder: &str) -> bool {
        !collection.is_empty() && self.folder(collection).is_ok_and(|found| found == folder)
    }

    /// Whether this key's object is called so in its folder.
    pub(super) fn key_leads_to(&self, key: &str, stored: &str) -> bool {
        !key.is_empty() && self.key(key).is_ok_and(|found| found == stored)
    }

    /// Whether a stored name that was listed is of this range, and of no other one.
    pub(super) fn is_of(&self, range: &Range, stored: &str) -> bool {
        match range {
            Range::Plain(_) => self.sanitize == Sanitize::V1 || !self.is_made(stored),
            Range::Made => true,
        }
    }

    /// The stored names among which all are whose own names begin with the prefix. They
    /// have no name in common.
    pub(super) fn ranges(&self, prefix: &str) -> Vec<Range> {
        match self.sanitize {
            Sanitize::Auto => listable(prefix, is_plain)
                .map(Range::Plain)
                .into_iter()
                .chain([Range::Made])
                .collect(),
            // a name that was cut begins as the whole one does
            Sanitize::V1 => {
                let cut = &prefix[..prefix.floor_char_boundary(V1_KEPT_BYTES_MIN)];
                listable(cut, is_storable).map(Range::Plain).into_iter().collect()
            }
        }
    }
}

/// Stored names that are listed one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Those that begin as the names themselves do.
    Plain(String),
    /// Those that are made.
    Made,
}

impl Range {
    /// What all of the range begin with.
    pub(super) fn prefix(&self) -> &str {
        match self {
            Self::Plain(prefix) => prefix,
            Self::Made => name::MADE_PREFIX,
        }
    }
}

/// The longest part of a prefix that every server takes for one; nothing if no name that
/// is stored as it is begins with it.
fn listable(prefix: &str, takes: fn(&str) -> bool) -> Option<String> {
    let begun = prefix.rfind(SEPARATOR).map_or(0, |end| end + SEPARATOR.len_utf8());
    let (whole, last) = prefix.split_at(begun);
    let is_whole = whole.strip_suffix(SEPARATOR).is_none_or(|it| it.split(SEPARATOR).all(takes));
    if !is_whole || prefix.len() > KEY_BYTES_MAX || !last.chars().all(is_plain_char) {
        return None;
    }
    if last.is_empty() || takes(last) {
        return Some(prefix.to_owned());
    }
    // what is no name by itself, such as a dot, may be the beginning of one
    (last.len() < SEGMENT_BYTES_MAX).then(|| whole.to_owned())
}

/// Whether every server takes this between two `/`, and for nothing else.
fn is_plain(segment: &str) -> bool {
    segment.len() <= SEGMENT_BYTES_MAX && is_storable(segment)
}

/// The same where segments of any length are taken.
fn is_storable(segment: &str) -> bool {
    !segment.is_empty()
        && !segment.split('\\').any(|part| matches!(part.trim(), "." | ".."))
        && !TAKEN_SEGMENTS.contains(&segment)
        && !segment.ends_with(TAKEN_END)
        && segment.chars().all(is_plain_char)
}

/// Whether XML has a form for it, in which names are listed and removed.
fn is_plain_char(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

fn made(name: &str) -> String {
    name::hybrid(name, MADE_CHARS_MAX, name::is_word, HashDigits::Auto)
}

fn refused(kind: Kind, what: &str) -> Error {
    let context = format!(
        "S3 can't keep this {what} under its own name, which sanitize = \"v1\" wants: it has an \
         empty part, one of dots, a control character, or what a server keeps for itself"
    );
    Error::new(kind, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTO: Names = Names { sanitize: Sanitize::Auto, plain_slashes: true };
    const V1: Names = Names { sanitize: Sanitize::V1, plain_slashes: true };

    #[test]
    fn a_name_that_every_server_takes_stays_as_it_is() {
        let longest = format!("{0}/{0}/{0}", "k".repeat(255));
        for key in ["a", "A b", "a/b", ".a", "...", "é", " ", "a::b", "%2e%2e", "*?", &longest] {
            assert_eq!(AUTO.object("c/", key).expect(key), format!("c/{key}"));
            assert!(AUTO.key_leads_to(key, key) && !AUTO.is_made(key), "{key}");
        }
        let longest = "c".repeat(255);
        for collection in ["a", "A b", ".a", "a::b", &longest] {
            assert_eq!(AUTO.folder(collection).expect(collection), format!("{collection}/"));
        }
    }

    #[test]
    fn no_other_name_climbs_or_meets_one() {
        let (long, longer) = ("k".repeat(256), "k/".repeat(384) + "k");
        let keys = ["/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", " .. /a", "..\\a"];
        let odd =
            ["a\nb", "\u{7f}", "a\u{ffff}", "S_a", "H_a", "xl.meta", "a/xl.meta", "a__XLDIR__"];
        for key in keys.iter().chain(&odd).copied().chain([long.as_str(), &longer]) {
            let stored = AUTO.key(key).expect(key);
            assert!(stored.starts_with("S_") && stored.len() <= MADE_CHARS_MAX, "{key}: {stored}");
            assert!(!stored.contains(SEPARATOR) && AUTO.is_made(&stored), "{key}: {stored}");
            assert!(!AUTO.key_leads_to(&stored, &stored));
        }
        for collection in ["a/b", "/", ".", "..", ".sgwtmp", "S_a", long.as_str()] {
            let folder = AUTO.folder(collection).expect(collection);
            assert!(folder.starts_with("S_") && folder.find(SEPARATOR) == Some(folder.len() - 1));
        }
        let files = Names { plain_slashes: false, ..AUTO };
        assert!(files.key("a/b").expect("made").starts_with("S_a_b-"));
    }

    /// Made by `S3KeySanitizationStrategy` of py-key-value-aio 0.5.0.
    #[test]
    fn v1_is_as_python_does_it() {
        assert_eq!(V1.key("S_a/b").expect("fine"), "S_a/b");
        assert_eq!(V1.key(&"k".repeat(500)).expect("fits"), "k".repeat(500));
        let cut = V1.key(&"é".repeat(251)).expect("cut");
        assert_eq!(cut, format!("{}c616d5ad", "é".repeat(246)));
        assert!(V1.is_made(&cut) && V1.key_leads_to(&"é".repeat(251), &cut));
        for key in ["/a", "a/../b", "..", "a\n"] {
            assert_eq!(V1.key(key).expect_err(key).kind(), Kind::InvalidKey);
        }
        assert_eq!(V1.folder("a/b").expect_err("a /").kind(), Kind::InvalidCollection);
    }

    #[test]
    fn lists_with_what_servers_take() {
        let plain = |prefix: &str| {
            AUTO.ranges(prefix).into_iter().find_map(|range| match range {
                Range::Plain(prefix) => Some(prefix),
                Range::Made => None,
            })
        };
        for (prefix, asked) in
            [("", ""), ("a", "a"), ("a/", "a/"), ("a/b", "a/b"), ("..", ""), ("a/.", "a/")]
        {
            assert_eq!(plain(prefix).as_deref(), Some(asked), "{prefix}");
        }
        for prefix in ["/", "a//", "../", "a\n", &"k".repeat(256)] {
            assert_eq!(plain(prefix), None, "{prefix}");
        }
        assert_eq!(V1.ranges(&"k".repeat(600)), [Range::Plain("k".repeat(489))]);
    }
}
