//! Values: whatever serde reads and writes, or JSON text as it is.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::Code;

use crate::error::{Error, ErrorKind, Result};

/// A JSON object as text, letter for letter.
///
/// Its `Debug` shows its length only: values belong in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct RawJson(Bytes);

impl RawJson {
    /// The text. It is UTF-8, as the server has checked, unless it was made from other bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Reads the value as a type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.0).map_err(|error| {
            // serde's own message shows what it found
            let (line, column) = (error.line(), error.column());
            let message = format!(
                "the value is not of the type that was asked for, at line {line}, column {column}"
            );
            Error::new(ErrorKind::UnexpectedValue, Code::OutOfRange, message)
        })
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({} bytes)", self.0.len())
    }
}

impl From<Bytes> for RawJson {
    fn from(text: Bytes) -> Self {
        Self(text)
    }
}

impl From<String> for RawJson {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Vec<u8>> for RawJson {
    fn from(text: Vec<u8>) -> Self {
        Self(text.into())
    }
}

impl From<&str> for RawJson {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// What can be put: a reference to whatever serde writes as a JSON object, or [`RawJson`].
pub trait IntoValue {
    /// The value as JSON text.
    fn into_value(self) -> Result<Bytes>;
}

impl<T: Serialize + ?Sized> IntoValue for &T {
    fn into_value(self) -> Result<Bytes> {
        let written = serde_json::to_vec(self).map_err(|error| {
            Error::invalid("INVALID_VALUE", "value", format!("the value can't be JSON: {error}"))
        })?;
        Ok(written.into())
    }
}

impl IntoValue for RawJson {
    fn into_value(self) -> Result<Bytes> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn errors_and_debug_show_no_value() {
        let value = RawJson::from(r#"{"password":"secret"}"#);
        assert_eq!(format!("{value:?}"), "RawJson(21 bytes)");
        let error = value.parse::<Vec<u32>>().expect_err("no list");
        assert_eq!(error.kind(), ErrorKind::UnexpectedValue);
        assert!(!format!("{error} {error:?}").contains("secret"));
        assert_eq!(value.parse::<Value>().expect("an object")["password"], "secret");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let unwritable = std::collections::HashMap::from([((1, 2), 3)]);
        let error = (&unwritable).into_value().expect_err("no text as key");
        assert_eq!((error.reason(), error.field()), (Some("INVALID_VALUE"), Some("value")));
    }
}
