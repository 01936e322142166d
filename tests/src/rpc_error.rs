//! A failed call, with the details of its error decoded.

use std::collections::HashMap;
use std::fmt::{self, Debug, Display};
use std::time::Duration;

use kvgate_proto::ERROR_DOMAIN;
use kvgate_proto::v1::PutManyFailure;
use prost::Message as _;
use tonic::Code;
use tonic_types::{ErrorDetails, RpcStatusExt as _, pb};

use crate::client::Answer;
use crate::failure::{Failure, Outcome, expect, expect_equal, shortened};

/// A call that the server refused.
#[derive(Debug)]
pub struct RpcError {
    /// The call and the names it used.
    pub call: String,
    /// The status code.
    pub code: Code,
    /// The message for a person.
    pub message: String,
    /// The domain of the `ErrorInfo`; empty if there is none.
    pub domain: String,
    /// The reason of the `ErrorInfo`; empty if there is none.
    pub reason: String,
    /// The metadata of the `ErrorInfo`.
    pub metadata: HashMap<String, String>,
    /// The fields that the `BadRequest` names, each with its description.
    pub violations: Vec<(String, String)>,
    /// How long the `RetryInfo` says to wait.
    pub retry_after: Option<Duration>,
    /// What was stored of a batch.
    pub put_many_failure: Option<PutManyFailure>,
}

impl RpcError {
    /// Decodes what a call failed with.
    pub fn of_call(call: &str, status: &tonic::Status) -> Box<Self> {
        // Statuses that the client itself makes have no details.
        let proto = pb::Status::decode(status.details()).unwrap_or_default();
        let mut error = Self::of_entry(call, &proto);
        error.code = status.code();
        status.message().clone_into(&mut error.message);
        error
    }

    /// Decodes the error that an answer carries for one of its entries.
    pub fn of_entry(call: &str, status: &pb::Status) -> Box<Self> {
        let details = status.get_error_details();
        let info = details.error_info();
        Box::new(Self {
            call: call.to_owned(),
            code: Code::from_i32(status.code),
            message: status.message.clone(),
            domain: info.map(|info| info.domain.clone()).unwrap_or_default(),
            reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
            metadata: info.map(|info| info.metadata.clone()).unwrap_or_default(),
            violations: violations(&details),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            put_many_failure: put_many_failure(status),
        })
    }

    /// Checks code, reason and domain.
    pub fn expect(&self, code: Code, reason: &str) -> Outcome {
        let found = (self.code, self.reason.as_str(), self.domain.as_str());
        if found == (code, reason, ERROR_DOMAIN) {
            return Ok(());
        }
        Err(Failure::new(format!("expected {code:?} {reason}, found {self}")))
    }

    /// Checks that the error names the field that is wrong.
    pub fn expect_field(&self, field: &str) -> Outcome {
        let named = self.violations.iter().any(|(name, _)| name == field);
        expect(named, format!("expected a violation of field `{field}`, found {self}"))
    }

    /// Checks one fact of the metadata.
    pub fn expect_metadata(&self, name: &str, value: &str) -> Outcome {
        let found = self.metadata.get(name).map(String::as_str);
        expect_equal(format!("metadata `{name}` of {self}"), found, Some(value))
    }

    /// Checks that the error says when to try again.
    pub fn expect_retry(&self) -> Outcome {
        expect(self.retry_after.is_some(), format!("expected a RetryInfo, found {self}"))
    }
}

impl Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, code, message, domain, reason, metadata, violations, .. } = self;
        let message = shortened(message);
        write!(f, "{call} answered {code:?} {message}, reason `{reason}`, domain `{domain}`")?;
        write!(
            f,
            ", metadata {metadata:?}, violations {violations:?}, retry {:?}",
            self.retry_after
        )
    }
}

impl std::error::Error for RpcError {}

/// Checks that a call was refused with `code` and `reason`.
pub fn refused<T: Debug>(
    result: Answer<T>,
    call: impl Display,
    code: Code,
    reason: &str,
) -> Outcome<Box<RpcError>> {
    match result {
        Ok(answer) => Err(Failure::new(format!(
            "{call}: expected {code:?} {reason}, found the answer {}",
            shortened(&answer)
        ))),
        Err(error) => {
            error.expect(code, reason).map_err(|failure| failure.within(call))?;
            Ok(error)
        }
    }
}

/// Checks that a call was refused with `INVALID_ARGUMENT` because of `field`.
pub fn refused_field<T: Debug>(
    result: Answer<T>,
    call: impl Display,
    reason: &str,
    field: &str,
) -> Outcome<Box<RpcError>> {
    let error = refused(result, &call, Code::InvalidArgument, reason)?;
    error.expect_field(field).map_err(|failure| failure.within(call))?;
    Ok(error)
}

fn violations(details: &ErrorDetails) -> Vec<(String, String)> {
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
    let pairs = violations.unwrap_or_default().iter();
    pairs.map(|one| (one.field.clone(), one.description.clone())).collect()
}

fn put_many_failure(status: &pb::Status) -> Option<PutManyFailure> {
    let mut details = status.details.iter();
    let detail = details.find(|any| any.type_url.ends_with("/keyvalue.v1.PutManyFailure"))?;
    PutManyFailure::decode(detail.value.as_slice()).ok()
}
