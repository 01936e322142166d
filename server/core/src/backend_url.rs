use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use crate::Secret;

/// The URL of a backend. It may hold a password, so it is given as a [`Secret`] is, and
/// `Display` and `Debug` leave out its user and whatever stands behind its path.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct BackendUrl(Secret);

impl BackendUrl {
    /// The whole URL, for the backend's client alone.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl From<String> for BackendUrl {
    fn from(url: String) -> Self {
        Self(url.into())
    }
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.expose();
        let Some((scheme, rest)) = url.split_once("://") else {
            // without a scheme nobody knows which part is the password
            return f.write_str("a URL without a scheme");
        };
        // the last @ ends the user even where a password holds a / or an @ that
        // should have been escaped: showing too little is the safe mistake
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
        let shown = rest.split(['?', '#']).next().unwrap_or_default();
        write!(f, "{scheme}://{shown}")
    }
}

impl fmt::Debug for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackendUrl({self})")
    }
}

impl JsonSchema for BackendUrl {
    fn schema_name() -> Cow<'static, str> {
        "BackendUrl".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Secret::json_schema(generator);
        schema.insert("title".to_owned(), "URL, as a secret".into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_where_and_not_who() {
        for (url, shown) in [
            ("redis://localhost:6379/0", "redis://localhost:6379/0"),
            ("rediss://user:hunter2@db:1/0?x=hunter2#hunter2", "rediss://db:1/0"),
            ("mongodb://u:hunter2/@hunter2@a,b/db", "mongodb://a,b/db"),
            ("redis://:hunter2?hunter2@db", "redis://db"),
            ("hunter2", "a URL without a scheme"),
            ("", "a URL without a scheme"),
        ] {
            let url = BackendUrl::from(url.to_owned());
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("hunter2"));
        }
    }
}
