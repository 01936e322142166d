//! Listings of names. S3 lists what objects are called and nothing of what is in them, so
//! each is asked when it ends.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::EncodingType;
use kvgate_core::{Error, Kind, Result};
use percent_encoding::percent_decode_str;

use super::bucket::Bucket;
use super::names::SEPARATOR;

/// The most names that S3 lists at once.
pub(super) const NAMES_MAX: usize = 1000;

/// Some names of objects.
pub(super) struct Part {
    /// The objects', or those of the folders that they are in, without the `/`.
    pub(super) names: Vec<String>,
    /// Where the next part begins.
    pub(super) next: Option<String>,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Objects,
    /// What the objects' names have before the first `/`.
    Folders,
}

impl Bucket {
    /// Lists names that begin with the prefix, from where a part before has ended.
    pub(super) async fn list(
        &self,
        listed: Listed,
        prefix: &str,
        begin: Option<&str>,
        limit: usize,
    ) -> Result<Part> {
        let delimiter = (listed == Listed::Folders).then(|| SEPARATOR.to_string());
        let limit = i32::try_from(limit.min(NAMES_MAX)).unwrap_or(i32::MAX);
        let answer = self.attempt(|client| {
            let request = client.list_objects_v2().bucket(&self.name).prefix(prefix);
            request
                .encoding_type(EncodingType::Url)
                .set_delimiter(delimiter.clone())
                .set_continuation_token(begin.map(str::to_owned))
                .max_keys(limit)
                .send()
        });
        let answer = answer.await?.map_err(|error| match error.code() {
            Some("InvalidArgument") if begin.is_some() => {
                Error::new(Kind::InvalidCursor, "S3 does not know this place in a listing")
            }
            _ => self.read_failure(&error),
        })?;
        let is_encoded = answer.encoding_type == Some(EncodingType::Url);
        let objects = answer.contents.into_iter().flatten().filter_map(|object| object.key);
        let folders = answer.common_prefixes.into_iter().flatten().filter_map(|it| it.prefix);
        let mut names: Vec<String> = match listed {
            Listed::Objects => objects.collect(),
            Listed::Folders => folders.collect(),
        };
        if is_encoded {
            names = names.iter().filter_map(|name| decoded(name)).collect();
        }
        if listed == Listed::Folders {
            let folders = names.iter().filter_map(|name| name.strip_suffix(SEPARATOR));
            names = folders.map(str::to_owned).collect();
        }
        let next = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true));
        Ok(Part { names, next })
    }
}

/// A name as it is; nothing if it is not UTF-8, and so not of ours.
fn decoded(name: &str) -> Option<String> {
    // as in forms
    let name = name.replace('+', " ");
    percent_decode_str(&name).decode_utf8().ok().map(Into::into)
}

/// Where a page of a listing begins that goes through several ranges.
pub(super) struct Place<'a> {
    pub(super) range: usize,
    pub(super) begin: Option<&'a str>,
}

impl<'a> Place<'a> {
    pub(super) fn parse(cursor: Option<&'a str>) -> Result<Self> {
        let Some(cursor) = cursor else {
            return Ok(Self { range: 0, begin: None });
        };
        let parts = cursor.split_once(':');
        let parts = parts.and_then(|(range, begin)| Some((range.parse().ok()?, begin)));
        let (range, begin) = parts.ok_or_else(|| {
            Error::new(Kind::InvalidCursor, "the cursor is not one of an S3 store")
        })?;
        Ok(Self { range, begin: Some(begin).filter(|begin| !begin.is_empty()) })
    }

    /// The cursor of the page behind a part; nothing if it was the last one.
    pub(super) fn behind(&self, part: &Part, ranges: usize) -> Option<String> {
        match &part.next {
            Some(next) => Some(format!("{}:{next}", self.range)),
            None if self.range + 1 < ranges => Some(format!("{}:", self.range + 1)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded() {
        assert_eq!(decoded("c/a+b%2Bc%C3%A9").as_deref(), Some("c/a b+cé"));
        assert_eq!(decoded("%FF"), None);
    }

    #[test]
    fn goes_through_the_ranges() {
        let part = |next: Option<&str>| Part { names: Vec::new(), next: next.map(str::to_owned) };
        let first = Place::parse(None).expect("the beginning");
        assert_eq!(first.behind(&part(Some("a:b")), 2).as_deref(), Some("0:a:b"));
        assert_eq!(first.behind(&part(None), 2).as_deref(), Some("1:"));
        assert_eq!(first.behind(&part(None), 1), None);
        let there = Place::parse(Some("1:a:b")).expect("a place");
        assert_eq!((there.range, there.begin), (1, Some("a:b")));
        assert_eq!(there.behind(&part(None), 2), None);
        for bad in ["", "x", "x:", "-1:"] {
            let error = Place::parse(Some(bad)).err().expect(bad);
            assert_eq!(error.kind(), Kind::InvalidCursor);
        }
    }
}
