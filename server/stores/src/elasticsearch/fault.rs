//! What the cluster refuses, in the words of kvgate.
//!
//! Its reasons may quote values, so those of documents are looked at and not passed on.

use std::borrow::Cow;

use kvgate_core::{Error, Kind};
use serde::Deserialize;

/// The index was there a moment ago, or never.
pub(super) const INDEX_NOT_FOUND: &str = "index_not_found_exception";

/// The document is not the one that was found: somebody has written it since.
pub(super) const CONFLICT: u16 = 409;

/// How much of a reason is passed on, in characters.
const REASON_CHARS_MAX: usize = 300;

/// Why the cluster did not do something.
#[derive(Default, Deserialize)]
pub(super) struct Fault<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    caused_by: Option<Box<Fault<'a>>>,
}

impl Fault<'_> {
    /// Whether it is of this type.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }

    /// The error of a request that carries no values.
    pub(super) fn of_request(&self, status: u16) -> Error {
        let kind = self.kind_of(status);
        let reason: String = self.reason().chars().take(REASON_CHARS_MAX).collect();
        Error::new(kind, format!("{}: {reason}", self.describe(status, kind)))
    }

    /// The error of a request that carries documents.
    pub(super) fn of_documents(&self, status: u16) -> Error {
        let kind = self.kind_of(status);
        Error::new(kind, self.describe(status, kind))
    }

    /// The error of a document that was to be stored or removed.
    pub(super) fn of_document(&self, status: u16) -> Error {
        if status == 400 && self.kind_of(status) == Kind::Internal {
            self.of_value()
        } else if self.is(INDEX_NOT_FOUND) {
            Error::new(Kind::Unavailable, "somebody has just removed the collection's index")
        } else {
            self.of_documents(status)
        }
    }

    /// The error of a document that could not be read: the cluster tells no status.
    pub(super) fn of_reading(&self) -> Error {
        if self.chain().any(|fault| fault.is("json_parse_exception")) {
            let message = format!("the cluster can't parse the document ({})", self.types());
            return Error::new(Kind::Unreadable, message);
        }
        let status = if self.is("security_exception") { 403 } else { 503 };
        self.of_documents(status)
    }

    fn kind_of(&self, status: u16) -> Kind {
        let full = ["flood-stage", "maximum normal shards", "maximum shards"];
        match status {
            _ if full.iter().any(|words| self.says(words)) => Kind::Full,
            401 => Kind::AccessDenied,
            403 if !self.is("cluster_block_exception") => Kind::AccessDenied,
            413 => Kind::ValueTooLarge,
            403 | 429 | 500..=599 => Kind::Unavailable,
            _ => Kind::Internal,
        }
    }

    fn describe(&self, status: u16, kind: Kind) -> String {
        let said = format!("the cluster answered {status} {}", self.types());
        let advice = match kind {
            Kind::AccessDenied if status == 401 => {
                "; it refuses the credentials, check api_key or username and password"
            }
            Kind::AccessDenied => "; the credentials do not allow this",
            Kind::Full => "; it has no room left",
            Kind::ValueTooLarge => "; the request is over its http.max_content_length",
            _ => "",
        };
        format!("{}{advice}", said.trim_end())
    }

    /// The document can't be in the index: its value is what differs from others.
    fn of_value(&self) -> Error {
        let why = if self.says("Duplicate") {
            "it has two members of one name in one object, which the cluster does not take"
        } else if self.says("Number value length") || self.says("Name length") {
            "it has a number of more than 1,000 digits or a name of more than 50,000 characters, \
             which the cluster does not take"
        } else if self.says("immense") || self.says("depth") || self.says("reserved character") {
            "the index maps values so that it takes no text over 32,766 bytes, no deep nesting and \
             no NUL in names; an index that kvgate makes takes them"
        } else {
            "the mapping of the index does not take it"
        };
        Error::new(
            Kind::InvalidValue,
            format!("the value can't be stored: {why} ({})", self.types()),
        )
    }

    fn says(&self, words: &str) -> bool {
        self.chain().any(|fault| fault.reason().contains(words))
    }

    fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }

    fn types(&self) -> String {
        self.chain().map(|fault| fault.kind.as_ref()).collect::<Vec<_>>().join(", ")
    }

    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |fault| fault.caused_by.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, fault: &str) -> Error {
        let fault: Fault<'_> = serde_json::from_str(fault).expect("a fault");
        fault.of_document(status)
    }

    #[test]
    fn shows_nothing_of_the_value() {
        let refused = error(
            400,
            r#"{"type": "document_parsing_exception",
                "reason": "failed to parse field. Preview of field's value: 'hunter2'",
                "caused_by": {"type": "x_content_parse_exception",
                              "reason": "Duplicate field 'hunter2'"}}"#,
        );
        assert_eq!(refused.kind(), Kind::InvalidValue);
        let message = refused.to_string();
        assert!(message.contains("two members of one name"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn statuses() {
        let blocked = r#"{"type": "cluster_block_exception", "reason": "index [i] blocked by: \
            [disk usage exceeded flood-stage watermark]"}"#;
        for (status, fault, kind) in [
            (401, r#"{"type": "security_exception"}"#, Kind::AccessDenied),
            (403, r#"{"type": "security_exception"}"#, Kind::AccessDenied),
            (429, r#"{"type": "es_rejected_execution_exception"}"#, Kind::Unavailable),
            (429, &blocked.replace("\\\n            ", ""), Kind::Full),
            (403, r#"{"type": "cluster_block_exception"}"#, Kind::Unavailable),
            (413, "{}", Kind::ValueTooLarge),
            (503, r#"{"type": "unavailable_shards_exception"}"#, Kind::Unavailable),
            (405, "{}", Kind::Internal),
        ] {
            assert_eq!(error(status, fault).kind(), kind, "{status} {fault}");
        }
    }
}
