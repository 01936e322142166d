use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A secret in the settings: the text itself, `{ env = "NAME" }` or
/// `{ file = "PATH" }`.
///
/// It is looked up when the settings are read, so that `kvgate check` finds one that
/// is missing. `Debug` shows nothing of it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the backend's client alone.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn from_env<E: Error>(name: &str) -> Result<Self, E> {
        std::env::var(name).map(Self).map_err(|error| {
            let what = match error {
                std::env::VarError::NotPresent => "is not set",
                std::env::VarError::NotUnicode(_) => "is not UTF-8",
            };
            E::custom(format!("the environment variable {name} {what}"))
        })
    }

    /// The file's content without the line end that editors add.
    fn from_file<E: Error>(path: &str) -> Result<Self, E> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| E::custom(format!("the secret's file {path}: {error}")))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Self(text.strip_suffix('\r').unwrap_or(text).to_owned()))
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let source = |name: &str, what: &str| {
            json_schema!({
                "type": "object",
                "properties": { name: { "type": "string", "description": what } },
                "required": [name],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "title": "secret",
            "anyOf": [
                { "type": "string" },
                source("env", "The environment variable that holds it."),
                source("file", "The file that holds it."),
            ],
        })
    }
}

const SOURCES: &[&str] = &["env", "file"];

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, { env = \"NAME\" } or { file = \"PATH\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let Some((source, name)) = map.next_entry::<String, String>()? else {
            return Err(A::Error::custom("an empty table, expected env or file"));
        };
        if let Some(second) = map.next_key::<String>()? {
            return Err(A::Error::custom(format!("{source} and {second}: expected one of them")));
        }
        match source.as_str() {
            "env" => Secret::from_env(&name),
            "file" => Secret::from_file(&name),
            other => Err(A::Error::unknown_field(other, SOURCES)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(written: &Value) -> Result<Secret, String> {
        Secret::deserialize(written).map_err(|error| error.to_string())
    }

    #[test]
    fn is_looked_up() {
        assert_eq!(read(&json!("hunter2")).expect("a secret").expose(), "hunter2");
        let path = std::env::var("PATH").expect("a PATH");
        assert_eq!(read(&json!({ "env": "PATH" })).expect("a secret").expose(), path);
        // this crate's manifest: a file that is there
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let secret = read(&json!({ "file": file })).expect("a secret");
        assert!(secret.expose().starts_with("[package]") && !secret.expose().ends_with('\n'));
    }

    #[test]
    fn mistakes_say_what_is_missing() {
        for (written, said) in [
            (json!({ "env": "KVGATE_NOT_SET" }), "variable KVGATE_NOT_SET is not set"),
            (json!({ "file": "/no/such/file" }), "the secret's file /no/such/file: No such file"),
            (json!({}), "expected env or file"),
            (json!({ "env": "PATH", "file": "x" }), "env and file: expected one of them"),
            (json!({ "vault": "x" }), "unknown field `vault`, expected `env` or `file`"),
            (json!(7), "expected a text, { env = \"NAME\" } or { file = \"PATH\" }"),
        ] {
            let message = read(&written).expect_err("no secret");
            assert!(message.contains(said), "{written}: {message}");
        }
    }

    #[test]
    fn is_not_shown() {
        assert_eq!(format!("{:?}", Secret::from("hunter2".to_owned())), "Secret(…)");
    }
}
