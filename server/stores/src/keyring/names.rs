//! Under which user name an entry stands: its collection and its key, compound.

use kvgate_core::name::{self, HashDigits, SEPARATOR, Sanitize};
use kvgate_core::{Error, Kind, Result};

use super::items::NameLimits;

/// The longest part that py-key-value's strategies make.
const V1_CHARS_MAX: usize = 256;

/// How long a made part is, at the most.
const MADE_CHARS_MAX: usize = 200;

/// Makes the parts of user names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) sanitize: Sanitize,
    pub(super) limits: NameLimits,
}

impl Names {
    /// The user name of an entry.
    pub(super) fn user(&self, collection: &str, key: &str) -> Result<String> {
        Ok(name::compound(&self.collection(collection)?, &self.key(key)?))
    }

    /// The user names of a collection begin with this.
    pub(super) fn prefix(&self, collection: &str) -> Result<String> {
        self.collection(collection).map(|stored| stored + SEPARATOR)
    }

    /// How a collection is called in user names.
    pub(super) fn collection(&self, collection: &str) -> Result<String> {
        match self.sanitize {
            Sanitize::Auto => {
                let stored = name::compound_collection(collection);
                Ok(if self.takes(&stored) { stored } else { self.made(collection) })
            }
            Sanitize::V1 => {
                v1(collection).ok_or_else(|| refused(Kind::InvalidCollection, "a collection"))
            }
        }
    }

    /// How a key is called in user names.
    pub(super) fn key(&self, key: &str) -> Result<String> {
        match self.sanitize {
            // where keys are never made, none can be taken for a made one
            Sanitize::Auto if self.limits.part_bytes_max.is_none() => Ok(key.to_owned()),
            Sanitize::Auto if self.takes(key) && !name::is_reserved(key) => Ok(key.to_owned()),
            Sanitize::Auto => Ok(self.made(key)),
            Sanitize::V1 => v1(key).ok_or_else(|| refused(Kind::InvalidKey, "a key")),
        }
    }

    fn takes(&self, part: &str) -> bool {
        self.limits.part_bytes_max.is_none_or(|max| part.len() <= max)
            && !(self.limits.ignores_case && needs_case(part))
    }

    fn made(&self, part: &str) -> String {
        // made of ASCII, so that a character is a byte
        let max = self.limits.part_bytes_max.unwrap_or(usize::MAX).min(MADE_CHARS_MAX);
        name::hybrid(part, max, name::is_word, HashDigits::Auto)
    }
}

/// Whether a part might be taken for another one where case does not count. A
/// made one is not: its hash tells it apart.
fn needs_case(part: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && !c.is_ascii_uppercase() && c != '\\';
    let is_like_made = part.starts_with("s_") || part.starts_with("h_");
    !name::is_reserved(part) && (!part.chars().all(is_plain) || is_like_made)
}

fn v1(part: &str) -> Option<String> {
    name::hybrid_v1(part, V1_CHARS_MAX, |c| c.is_ascii_alphanumeric())
}

fn refused(kind: Kind, what: &str) -> Error {
    let context = format!("{what} that begins with S_ or H_ is refused by sanitize = \"v1\"");
    Error::new(kind, context)
}
