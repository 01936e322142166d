//! What is told about an error, and the exit code.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use kvgate_client::ErrorKind;

use crate::config;

/// What the exit codes mean, for the help.
pub(crate) const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, argument or configuration, 3 the key has no entry,
4 done but for some entries, 5 the server or the store can't be reached, 6 not allowed.";

/// Anything that has no code of its own.
const EXIT_FAILURE: u8 = 1;
/// The arguments or the configuration can't be used; clap exits with the same code.
const EXIT_USAGE: u8 = 2;
/// The key that was asked for has no entry.
const EXIT_MISSING: u8 = 3;
/// Some entries could not be read; the others are done.
const EXIT_PARTIAL: u8 = 4;
/// The server, or the store's backend, can't be reached: it may help to try again.
const EXIT_UNAVAILABLE: u8 = 5;
/// No credentials, or ones that don't allow it.
const EXIT_DENIED: u8 = 6;

/// The exit code of a command that asks for one key.
pub(super) fn found(found: bool) -> ExitCode {
    if found { ExitCode::SUCCESS } else { ExitCode::from(EXIT_MISSING) }
}

/// The exit code of a command that has to do with many entries.
pub(super) fn complete(failed: u64) -> ExitCode {
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PARTIAL) }
}

/// What a person did wrong, and what would be right.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) message: String,
    pub(super) hint: &'static str,
}

impl Usage {
    pub(super) fn new(message: impl Into<String>, hint: &'static str) -> Self {
        Self { message: message.into(), hint }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Usage {}

/// Tells about an error, with a hint if there is one, and says how to exit.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // whoever reads our output has had enough, as in `kvgate list | head`
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let store = error.downcast_ref::<kvgate_core::Error>().and_then(kvgate_core::Error::store);
    let place = store.map_or_else(String::new, |store| format!("stores.{store}: "));
    let mut text = format!("kvgate: {place}{error:#}\n");
    if let Some(hint) = hint(error) {
        text = format!("{text}hint: {hint}\n");
    }
    // nothing is left to be done if standard error is closed
    drop(io::stderr().write_all(text.as_bytes()));
    ExitCode::from(exit_code(error))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(broken)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let misconfigured =
        |error: &kvgate_core::Error| error.kind() == kvgate_core::Kind::Misconfigured;
    if error.is::<config::Problems>()
        || error.is::<Usage>()
        || error.downcast_ref::<kvgate_core::Error>().is_some_and(misconfigured)
    {
        return EXIT_USAGE;
    }
    let Some(error) = error.downcast_ref::<kvgate_client::Error>() else { return EXIT_FAILURE };
    match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::StoreNotFound => EXIT_USAGE,
        ErrorKind::Unavailable | ErrorKind::DeadlineExceeded => EXIT_UNAVAILABLE,
        ErrorKind::Unauthenticated | ErrorKind::PermissionDenied => EXIT_DENIED,
        _ => EXIT_FAILURE,
    }
}

fn hint(error: &anyhow::Error) -> Option<&'static str> {
    if let Some(usage) = error.downcast_ref::<Usage>() {
        return Some(usage.hint);
    }
    let error = error.downcast_ref::<kvgate_client::Error>()?;
    Some(match (error.kind(), error.reason()) {
        (ErrorKind::Unavailable, None) => {
            "is `kvgate serve` running there? --url or KVGATE_URL says where"
        }
        (ErrorKind::Unavailable, Some("STORE_UNAVAILABLE")) => {
            "the server answers, the store's backend does not: `kvgate stores` shows which do"
        }
        (ErrorKind::StoreNotFound, _) => "`kvgate stores` shows those that there are",
        (ErrorKind::NotSupported, Some("OPERATION_NOT_SUPPORTED")) => {
            "`kvgate stores` shows what each store can do"
        }
        (ErrorKind::DeadlineExceeded, _) => "--timeout gives it more time",
        (ErrorKind::Unauthenticated, Some(_)) => {
            "show a token by --token-file or KVGATE_TOKEN, or a certificate by --tls-cert"
        }
        (ErrorKind::PermissionDenied, Some("NOT_ALLOWED")) => {
            "server.roles of the server's configuration says who may do what"
        }
        (ErrorKind::ReadOnly, _) => "the server's configuration has `read_only` around the store",
        (_, Some("INVALID_VALUE")) => "a value is a JSON object, such as '{\"n\": 1}'",
        (_, Some("INVALID_TTL")) => "a ttl is greater than zero, such as 90s, 1h 30m or 7d",
        (_, Some("INVALID_PAGE_TOKEN")) => {
            "what was listed has changed too much to go on: begin anew"
        }
        _ => return None,
    })
}
