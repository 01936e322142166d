//! Which MongoDB collection a collection is in.

use kvgate_core::name::{self, HashDigits, Sanitize};
use kvgate_core::{Error, Kind, Result};

/// The longest name of a database and a collection in it, with the dot between them.
const NAMESPACE_BYTES_MAX: usize = 255;

/// How long py-key-value's strategy lets a name be.
const V1_CHARS_MAX: usize = 200;

/// The longest name that is made: short enough for every server and database.
const MADE_CHARS_MAX: usize = 100;

/// Makes the names of MongoDB collections.
#[derive(Debug)]
pub(super) struct Names {
    sanitize: Sanitize,
    plain_bytes_max: usize,
}

impl Names {
    /// Names within a database.
    pub(super) fn new(sanitize: Sanitize, db_name: &str) -> Self {
        let plain_bytes_max = NAMESPACE_BYTES_MAX.saturating_sub(db_name.len() + 1);
        Self { sanitize, plain_bytes_max }
    }

    /// The MongoDB collection in which a collection is.
    pub(super) fn stored(&self, collection: &str) -> Result<String> {
        match self.sanitize {
            Sanitize::Auto if self.is_plain(collection) => Ok(collection.to_owned()),
            Sanitize::Auto => {
                Ok(name::hybrid(collection, MADE_CHARS_MAX, name::is_word, HashDigits::Auto))
            }
            Sanitize::V1 => {
                name::hybrid_v1(collection, V1_CHARS_MAX, name::is_word).ok_or_else(|| {
                    let context = "a collection's name may not begin with `S_` or `H_` with \
                                   `sanitize = \"v1\"`";
                    Error::new(Kind::InvalidCollection, context)
                })
            }
        }
    }

    /// Whether what is in a MongoDB collection may be of a collection that begins with
    /// the prefix. A made name doesn't tell.
    pub(super) fn may_begin_with(&self, stored: &str, prefix: &str) -> bool {
        self.sanitize == Sanitize::V1 || name::is_reserved(stored) || stored.starts_with(prefix)
    }

    /// Whether a collection is looked for in this MongoDB collection.
    pub(super) fn leads_to(&self, collection: &str, stored: &str) -> bool {
        self.stored(collection).is_ok_and(|name| name == stored)
    }

    /// What every server and every driver takes.
    fn is_plain(&self, collection: &str) -> bool {
        let is_dotted_oddly =
            collection.starts_with('.') || collection.ends_with('.') || collection.contains("..");
        !collection.is_empty()
            && collection.len() <= self.plain_bytes_max
            && !collection.contains(['$', '\0'])
            && !is_dotted_oddly
            && !collection.starts_with("system.")
            && !name::is_reserved(collection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_where_that_is_possible() {
        let names = Names::new(Sanitize::Auto, "kv-store-adapter");
        let longest = "c".repeat(255 - "kv-store-adapter.".len());
        for name in ["a", "A", "a.b", "a/b", "é", " ", "systems", &longest] {
            assert_eq!(names.stored(name).expect(name), name);
            assert!(names.leads_to(name, name));
        }
        let too_long = format!("{longest}c");
        for name in ["a$", ".a", "a.", "a..b", "system.users", "S_a", "H_a", &too_long] {
            let stored = names.stored(name).expect(name);
            assert!(stored.starts_with("S_") && stored.len() <= MADE_CHARS_MAX, "{name}: {stored}");
            assert!(!names.leads_to(&stored, &stored));
        }
    }

    /// Made by `MongoDBV1CollectionSanitizationStrategy` of py-key-value-aio 0.5.0.
    #[test]
    fn v1_is_as_python_does_it() {
        let names = Names::new(Sanitize::V1, "db");
        assert_eq!(names.stored("plain_1").expect("plain"), "plain_1");
        assert_eq!(names.stored("a b").expect("a space"), "S_a_b-c8687a08");
        assert_eq!(names.stored("a.b").expect("a dot"), "S_a_b-2e7336dc");
        assert_eq!(names.stored(&"c".repeat(300)).expect("long"), format!("S_{}", "c".repeat(198)));
        let error = names.stored("S_a").expect_err("a name that looks like a made one");
        assert_eq!(error.kind(), Kind::InvalidCollection);
    }
}
