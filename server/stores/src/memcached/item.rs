//! What an entry becomes in memcached: an item's name, its time and its value.

use kvgate_core::name::{self, HashDigits, Sanitize};
use kvgate_core::{Entry, Error, Kind, Result, Timestamp, envelope};

/// How long a name may be.
const NAME_BYTES_MAX: usize = 250;

/// How long a name may be, in characters, before py-key-value's strategy hashes it.
const NAME_CHARS_MAX_V1: usize = 240;

/// What memcached keeps beside an item's name and value, as it counts them against
/// the largest item that it takes.
const HEADER_BYTES: usize = 59;

/// What is left for names, times and the rest of the envelope when the largest value
/// is promised: an entry whose names are longer than usual must have a smaller one.
const ENVELOPE_BYTES: usize = 512;

/// An item as it is sent.
pub(super) struct Item {
    pub(super) name: String,
    pub(super) exptime: u32,
    pub(super) value: String,
}

/// Makes the items of one collection.
pub(super) struct Items<'a> {
    collection: &'a str,
    prefix: String,
    sanitize: Sanitize,
}

impl<'a> Items<'a> {
    pub(super) fn of(collection: &'a str, sanitize: Sanitize) -> Self {
        let prefix = match sanitize {
            Sanitize::Auto => name::compound_collection(collection),
            Sanitize::V1 => collection.to_owned(),
        };
        Self { collection, prefix, sanitize }
    }

    /// The name of the item that holds a key's entry.
    pub(super) fn name(&self, key: &str) -> Result<String> {
        let compound = name::compound(&self.prefix, key);
        match self.sanitize {
            Sanitize::Auto if is_taken(&compound) => Ok(compound),
            // it has no `::`, so that it can't be a name that is stored as it is
            Sanitize::Auto => {
                Ok(name::hybrid(&compound, NAME_BYTES_MAX, name::is_word, HashDigits::Auto))
            }
            Sanitize::V1 => v1(&compound),
        }
    }

    /// The item that an entry becomes, unless it is larger than `bytes_max`.
    pub(super) fn item(
        &self,
        key: &str,
        entry: &Entry,
        now: Timestamp,
        bytes_max: usize,
    ) -> Result<Item> {
        let name = self.name(key)?;
        let value = envelope::encode(entry, Some((self.collection, key)));
        let bytes = HEADER_BYTES + name.len() + value.len();
        if bytes > bytes_max {
            let context = format!(
                "entry makes an item of {bytes} bytes, over the limit of {bytes_max} bytes \
                 (item_bytes_max)"
            );
            let error = Error::new(Kind::ValueTooLarge, context);
            return Err(error.with_limit("item_bytes_max", bytes_max as u64));
        }
        Ok(Item { name, exptime: exptime(entry.expires_at, now), value })
    }
}

/// The largest value that is sure to fit in an item of `bytes_max`, if its names are no
/// longer than usual.
pub(super) fn value_bytes_max(bytes_max: usize) -> usize {
    bytes_max.saturating_sub(HEADER_BYTES + ENVELOPE_BYTES)
}

/// Whether memcached takes the name, and only for itself: a space ends a name, and
/// its protocol forbids control characters, though some of them get through.
fn is_taken(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && !name.bytes().any(|byte| byte <= b' ' || byte == 0x7f)
}

/// py-key-value's strategy of version 1, then what its client and memcached take.
fn v1(compound: &str) -> Result<String> {
    let refused = |what| Err(Error::new(Kind::InvalidKey, format!("{what} (sanitize = \"v1\")")));
    if name::is_reserved(compound) {
        return refused("a collection that begins with S_ or H_ is refused");
    }
    if compound.chars().count() > NAME_CHARS_MAX_V1 {
        return Ok(name::hashed(compound));
    }
    if compound.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return refused("a name with white space or control characters is refused");
    }
    if compound.len() > NAME_BYTES_MAX {
        return refused("collection and key are longer than memcached takes");
    }
    Ok(compound.to_owned())
}

/// The value of `exptime` that means never.
const NEVER: u32 = 0;

/// The largest `exptime` that memcached takes for seconds from now; larger ones are
/// moments of Unix time.
const RELATIVE_SECONDS_MAX: u64 = 30 * 24 * 60 * 60;

/// When memcached may drop the item: never before its entry has expired. memcached
/// counts whole seconds and drops an item up to one early, so it gets one more; the
/// envelope ends the entry to the microsecond.
fn exptime(expires_at: Option<Timestamp>, now: Timestamp) -> u32 {
    const MICROS_PER_SECOND: u128 = 1_000_000;
    let Some(at) = expires_at else {
        return NEVER;
    };
    let seconds_since = |earlier| {
        let seconds = at.saturating_since(earlier).as_micros().div_ceil(MICROS_PER_SECOND);
        u64::try_from(seconds).unwrap_or(u64::MAX).saturating_add(1)
    };
    let left = seconds_since(now);
    let exptime =
        if left <= RELATIVE_SECONDS_MAX { left } else { seconds_since(Timestamp::from_micros(0)) };
    // memcached reads a signed number of 32 bits, so that it can't tell a moment after
    // January 2038: such an item is kept until there is no more room for it
    i32::try_from(exptime).ok().and_then(|seconds| seconds.try_into().ok()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use kvgate_core::Value;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_250_000);

    fn name(sanitize: Sanitize, collection: &str, key: &str) -> Result<String, Kind> {
        Items::of(collection, sanitize).name(key).map_err(|error| error.kind())
    }

    #[test]
    fn a_name_that_memcached_takes_stays_as_it_is() {
        for key in ["a", "a::b", "S_a", "é", "\u{85}", "\u{a0}", "\"%/\\", &"k".repeat(247)] {
            assert_eq!(name(Sanitize::Auto, "c", key), Ok(format!("c::{key}")));
        }
    }

    #[test]
    fn any_other_gets_a_made_one() {
        let long = "ü".repeat(2_000);
        for key in ["a b", " ", "\t", "a\n", "\u{7f}", "\u{1}", &"k".repeat(248), &long] {
            let made = name(Sanitize::Auto, "c", key).expect(key);
            assert!(made.starts_with("S_c_") && is_taken(&made) && !made.contains(':'), "{made}");
        }
        let mut names: Vec<_> = ["a b", "a  b", "a\tb", "a_b", "S_c_a_b"]
            .iter()
            .map(|key| name(Sanitize::Auto, "c", key))
            .chain([name(Sanitize::Auto, "c::a", "b"), name(Sanitize::Auto, "c", "a::b")])
            .chain([name(Sanitize::Auto, "c:", "b"), name(Sanitize::Auto, "c", ":b")])
            .map(|name| name.expect("a name"))
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 9);
    }

    /// Made by `MemcachedV1KeySanitizationStrategy` of py-key-value-aio 0.5.0.
    #[test]
    fn v1_is_what_python_does() {
        let long = "k".repeat(238);
        let hash = "H_0cc23e1deed244e6745a23c12c367ebdac99b4dfc1ef80c13c781240b4b59ada";
        assert_eq!(name(Sanitize::V1, "c", &long).as_deref(), Ok(hash));
        for key in ["a", "S_a", "a::b", &"k".repeat(237)] {
            assert_eq!(name(Sanitize::V1, "c", key), Ok(format!("c::{key}")));
        }
        assert_eq!(name(Sanitize::V1, "c::a", "b"), name(Sanitize::V1, "c", "a::b"));
        for (collection, key) in
            [("S_c", "a"), ("H_", "a"), ("c", "a b"), ("c", "\u{a0}"), ("c", &"ü".repeat(200))]
        {
            assert_eq!(name(Sanitize::V1, collection, key), Err(Kind::InvalidKey), "{key}");
        }
    }

    #[test]
    fn an_item_outlives_its_entry() {
        let micros = |after: i64| Some(Timestamp::from_micros(NOW.as_micros() + after));
        let day = 24 * 60 * 60 * 1_000_000;
        for (expires_at, expected) in [
            (None, 0),
            (micros(-5_000_000), 1),
            (micros(0), 1),
            (micros(1), 2),
            (micros(999_999), 2),
            (micros(1_000_000), 2),
            (micros(1_000_001), 3),
            (micros(30 * day - 1_000_000), 2_592_000),
            // from here on a moment: the second after the one in which it expires
            (micros(30 * day - 999_999), 1_802_592_001),
            (micros(40 * day), 1_803_456_002),
            (Some(Timestamp::from_micros(2_147_483_646_000_000)), 2_147_483_647),
            (Some(Timestamp::from_micros(2_147_483_646_000_001)), 0),
            (Some(Timestamp::MAX), 0),
        ] {
            assert_eq!(exptime(expires_at, NOW), expected, "{expires_at:?}");
        }
    }

    #[test]
    fn an_item_that_is_too_large_is_refused() {
        let value = |bytes: usize| {
            let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - r#"{"a":""}"#.len()));
            Value::from_checked(Bytes::from(text))
        };
        let make = |bytes: usize, key: &str| {
            let entry = Entry { value: value(bytes), created_at: Some(NOW), expires_at: Some(NOW) };
            Items::of("collection", Sanitize::Auto).item(key, &entry, NOW, 10_000)
        };
        let largest = value_bytes_max(10_000);
        assert!(make(largest, &"k".repeat(100)).is_ok());
        let refused = make(largest, &"k".repeat(300)).map(|_| ()).expect_err("too large");
        assert_eq!(refused.kind(), Kind::ValueTooLarge);
        assert_eq!(refused.limit().map(|limit| limit.name), Some("item_bytes_max"));
    }
}
