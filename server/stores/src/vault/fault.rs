//! What Vault's refusals and a broken connection mean to the caller.

use std::error::Error as StdError;

use kvgate_core::{Error, Kind, Result};
use rustify::errors::ClientError as HttpError;
use serde::Deserialize;
use vaultrs::error::ClientError;

/// Whether a request changes what is stored, so that it may have done so although
/// its answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Reads,
    Writes,
}

/// Says whether there is nothing at the path, or what went wrong.
pub(super) fn missing_or_error(error: ClientError, effect: Effect) -> Result<()> {
    let fault = match read(error) {
        Fault::Missing => return Ok(()),
        Fault::Refused { code, said } => refused(code, &said, effect),
        Fault::Broken(error) => broken(error.as_ref(), effect),
        // an engine of version 1 takes a put, as a secret of another name
        Fault::Unforeseen => maybe_done(
            misconfigured("what answers at url and mount_point is not a KV engine of version 2"),
            effect,
        ),
    };
    Err(fault)
}

/// Whether Vault does not know the token, any more or at all.
pub(super) fn is_token_refused(error: &ClientError) -> bool {
    let ClientError::APIError { code: 403, errors } = error else { return false };
    errors.iter().any(|said| said.contains("invalid token") || said.contains("bad token"))
}

/// The error for credentials that Vault does not take.
pub(super) fn credentials_refused(said: &str) -> Error {
    let context = format!("Vault refuses the credentials: {said}");
    Error::new(Kind::AccessDenied, context)
}

enum Fault {
    Missing,
    Refused { code: u16, said: String },
    Broken(Box<dyn StdError>),
    Unforeseen,
}

/// The library's errors hold what Vault answered, entries included: nothing of them is
/// shown but what Vault itself says of an error.
fn read(error: ClientError) -> Fault {
    match error {
        ClientError::APIError { code: 404, errors } if errors.is_empty() => Fault::Missing,
        ClientError::APIError { code, errors } => Fault::Refused { code, said: say(&errors) },
        ClientError::RestClientError { source } => match source {
            HttpError::ServerResponseError { code: 404, ref content }
                if content.as_deref().is_some_and(is_deleted) =>
            {
                Fault::Missing
            }
            HttpError::ServerResponseError { code, .. } => {
                Fault::Refused { code, said: String::new() }
            }
            error @ (HttpError::RequestError { .. } | HttpError::ResponseError { .. }) => {
                Fault::Broken(Box::new(error))
            }
            _ => Fault::Unforeseen,
        },
        _ => Fault::Unforeseen,
    }
}

/// Whether it is Vault's answer for a version that was deleted, which has a status of
/// 404 and says when.
fn is_deleted(content: &str) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "data")]
        _data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "metadata")]
        _metadata: serde::de::IgnoredAny,
    }
    serde_json::from_str::<Answer>(content).is_ok()
}

/// The most characters of Vault's words that are passed on.
const SAID_CHARS_MAX: usize = 300;

fn say(errors: &[String]) -> String {
    let words: Vec<&str> = errors.iter().flat_map(|said| said.split_whitespace()).collect();
    words.join(" ").chars().take(SAID_CHARS_MAX).collect()
}

fn refused(code: u16, said: &str, effect: Effect) -> Error {
    let too_large = ["too large", "exceeds allowed", "exceeds the maximum"];
    let too_large = too_large.iter().any(|words| said.contains(words));
    match code {
        _ if too_large => {
            let context = format!("the entry is too large for Vault (entry_bytes_max): {said}");
            Error::new(Kind::ValueTooLarge, context)
        }
        400 if said.contains("Upgrading") => unavailable("the mount is being upgraded"),
        400 if said.is_empty() => Error::new(Kind::InvalidKey, "Vault does not take such a name"),
        400 if said.contains("check-and-set") => misconfigured(&format!(
            "the mount asks for check-and-set, which this store does not do (cas_required): {said}"
        )),
        403 if said.contains("invalid token") => credentials_refused(said),
        403 => Error::new(
            Kind::AccessDenied,
            format!("Vault denies access, see the token's policies and mount_point: {said}"),
        ),
        404 | 405 => misconfigured(&format!(
            "there is no KV version 2 engine at url and mount_point ({code}): {said}"
        )),
        301..=308 => unavailable(
            "this node of Vault refers to another one: set url to the \
             active node, or let standby nodes forward requests",
        ),
        501 => unavailable("Vault is not initialized"),
        503 if said.contains("sealed") => unavailable("Vault is sealed, it must be unsealed"),
        412 | 429 | 472 | 473 => unavailable(&format!("Vault can't answer now ({code}): {said}")),
        500..=599 => maybe_done(unavailable(&format!("Vault failed ({code}): {said}")), effect),
        _ => unforeseen(&format!("status {code}: {said}")),
    }
}

/// The connection could not be made, or broke, or nothing came in time.
fn broken(error: &(dyn StdError + 'static), effect: Effect) -> Error {
    let mut not_sent = false;
    let mut timed_out = false;
    let mut root = error;
    while let Some(source) = root.source() {
        if let Some(error) = source.downcast_ref::<reqwest::Error>() {
            not_sent = error.is_connect();
            timed_out = error.is_timeout();
        }
        root = source;
    }
    let error = match (not_sent, timed_out) {
        (true, _) => unavailable(&format!("connecting to Vault: {root}")),
        (false, true) => unavailable("Vault did not answer in time (timeout)"),
        (false, false) => unavailable(&format!("the connection to Vault broke: {root}")),
    };
    if not_sent { error } else { maybe_done(error, effect) }
}

/// The error of a request that reached Vault, whatever it did there.
fn maybe_done(error: Error, effect: Effect) -> Error {
    match effect {
        Effect::Writes => error.may_have_happened(),
        Effect::Reads => error,
    }
}

/// The error of a backend that may be back soon.
pub(super) fn unavailable(context: &str) -> Error {
    Error::new(Kind::Unavailable, context)
}

/// The error of settings that can't work.
pub(super) fn misconfigured(context: &str) -> Error {
    Error::new(Kind::Misconfigured, context)
}

/// The error for what Vault never answers as far as we know.
fn unforeseen(what: &str) -> Error {
    Error::new(Kind::Internal, format!("Vault answered with {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvgate_core::Outcome;

    fn kind(code: u16, said: &[&str], effect: Effect) -> (Kind, Outcome) {
        let errors = said.iter().map(|&said| said.to_owned()).collect();
        let error = missing_or_error(ClientError::APIError { code, errors }, effect);
        let error = error.expect_err("an error");
        (error.kind(), error.outcome())
    }

    #[test]
    fn a_refusal_is_told_as_what_it_is() {
        use Effect::{Reads, Writes};
        use Outcome::{DidNotHappen, MayHaveHappened};
        for (code, said, effect, expected) in [
            (503, "Vault is sealed", Writes, (Kind::Unavailable, DidNotHappen)),
            (500, "no active node", Writes, (Kind::Unavailable, MayHaveHappened)),
            (500, "no active node", Reads, (Kind::Unavailable, DidNotHappen)),
            (403, "1 error occurred: permission denied", Reads, (Kind::AccessDenied, DidNotHappen)),
            (404, "no handler for route", Reads, (Kind::Misconfigured, DidNotHappen)),
            (429, "", Reads, (Kind::Unavailable, DidNotHappen)),
            (
                500,
                "JSON string value exceeds allowed length",
                Writes,
                (Kind::ValueTooLarge, DidNotHappen),
            ),
            (400, "check-and-set parameter required", Writes, (Kind::Misconfigured, DidNotHappen)),
        ] {
            assert_eq!(kind(code, &[said], effect), expected, "{code} {said}");
        }
    }

    #[test]
    fn missing_is_what_vault_says_is_missing() {
        let answered = |content: &str| {
            let content = Some(content.to_owned());
            let source = HttpError::ServerResponseError { code: 404, content };
            missing_or_error(ClientError::RestClientError { source }, Effect::Reads)
        };
        let none = ClientError::APIError { code: 404, errors: Vec::new() };
        missing_or_error(none, Effect::Reads).expect("missing");
        answered(r#"{"data":{"data":null,"metadata":{"destroyed":true}}}"#).expect("deleted");
        let error = answered("<html>404 page not found</html>").expect_err("not Vault");
        assert_eq!(error.kind(), Kind::Misconfigured);
    }

    #[test]
    fn what_was_stored_is_not_shown() {
        let content = Some("hunter2".to_owned());
        let source = HttpError::ServerResponseError { code: 418, content };
        let shown = missing_or_error(ClientError::RestClientError { source }, Effect::Reads);
        assert!(!format!("{shown:?}").contains("hunter2"));
    }
}
