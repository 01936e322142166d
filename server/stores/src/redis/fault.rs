//! What went wrong in a server, or on the way to it, in the words of kvgate.
//!
//! The client library's own texts are not passed on where they may hold arguments of
//! commands: those are keys and values.

use kvgate_core::{Error, Kind};
use redis::{ErrorKind, RedisError, ServerError};

use super::connection::Access;

/// No connection to `server` could be made.
pub(super) fn connecting(server: &str, error: RedisError) -> Error {
    let doing = format!("connecting to {server}");
    match ServerError::try_from(error) {
        Ok(refusal) => Error::new(kind(&refusal), format!("{doing}: {}", said(&refusal))),
        Err(error) => Error::new(Kind::Unavailable, format!("{doing}: {}", describe(&error))),
    }
}

/// The connection to `server` broke, or it did not answer in time. Commands that
/// write may have been carried out.
pub(super) fn lost(server: &str, error: &RedisError, access: Access) -> Error {
    let error = Error::new(Kind::Unavailable, format!("asking {server}: {}", describe(error)));
    match access {
        Access::Read => error,
        Access::Write => error.may_have_happened(),
    }
}

/// The server carried out a command not, and said why.
pub(super) fn refused(refusal: &ServerError) -> Error {
    Error::new(kind(refusal), said(refusal))
}

/// The server answered what such a command is never answered with.
pub(super) fn unexpected(command: &str) -> Error {
    Error::new(Kind::Internal, format!("an unexpected answer to {command}"))
}

fn kind(refusal: &ServerError) -> Kind {
    match refusal.code() {
        "WRONGTYPE" => Kind::Unreadable,
        "OOM" => Kind::Full,
        "NOAUTH" | "NOPERM" | "WRONGPASS" => Kind::AccessDenied,
        "ASK" | "BUSY" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "MISCONF" | "MOVED"
        | "NOREPLICAS" | "READONLY" | "TRYAGAIN" | "UNBLOCKED" => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

fn said(refusal: &ServerError) -> String {
    let (code, details) = (refusal.code(), refusal.details().unwrap_or_default());
    // `ERR unknown command 'SET', with args beginning with: 'key' 'value'`
    let details = details.split(", with args").next().unwrap_or_default();
    let advice = match code {
        "WRONGTYPE" => return "under the key is something that is no entry".to_owned(),
        "NOAUTH" => "the server asks for a password",
        "WRONGPASS" => "the server refuses the user name or the password",
        "NOPERM" => "the user is not allowed to do this",
        "OOM" => "the server has no memory left",
        _ => "the server answers",
    };
    format!("{advice}: {code} {}", details.trim_end_matches('.'))
}

/// What is known of an error that is not a server's answer.
fn describe(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::Io if error.is_timeout() => "no answer in time".to_owned(),
        ErrorKind::RESP3NotSupported => "it is older than Redis 6, which is needed".to_owned(),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            "the answer is not of Redis's protocol".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn refusal(text: &str) -> ServerError {
        let line = format!("-{text}\r\n");
        match redis::parse_redis_value(line.as_bytes()).expect("a value") {
            redis::Value::ServerError(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refusals() {
        for (text, kind) in [
            ("WRONGTYPE Operation against a key holding the wrong kind", Kind::Unreadable),
            ("OOM command not allowed when used memory > 'maxmemory'.", Kind::Full),
            ("NOAUTH Authentication required.", Kind::AccessDenied),
            ("WRONGPASS invalid username-password pair", Kind::AccessDenied),
            ("NOPERM this user has no permissions to run the 'set' command", Kind::AccessDenied),
            ("LOADING Redis is loading the dataset in memory", Kind::Unavailable),
            ("READONLY You can't write against a read only replica.", Kind::Unavailable),
            ("CLUSTERDOWN The cluster is down", Kind::Unavailable),
            ("MISCONF Redis is configured to save RDB snapshots", Kind::Unavailable),
            ("ERR syntax error", Kind::Internal),
        ] {
            assert_eq!(refused(&refusal(text)).kind(), kind, "{text}");
        }
    }

    #[test]
    fn arguments_are_not_shown() {
        let text = "ERR unknown command 'SET', with args beginning with: 'c::key' 'hunter2' ";
        let error = refused(&refusal(text)).to_string();
        assert_eq!(error, "the server answers: ERR unknown command 'SET'");
        let parsing = redis::parse_redis_value(b":hunter2\r\n").expect_err("no number");
        assert!(!lost("redis", &parsing, Access::Read).to_string().contains("hunter2"));
    }

    #[test]
    fn only_a_write_may_have_happened() {
        let broken = || RedisError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let outcome = |access| lost("redis at a:1", &broken(), access).outcome();
        assert_eq!(outcome(Access::Read), kvgate_core::Outcome::DidNotHappen);
        assert_eq!(outcome(Access::Write), kvgate_core::Outcome::MayHaveHappened);
        let connecting = connecting("redis at a:1", broken());
        assert_eq!(connecting.to_string(), "connecting to redis at a:1: broken pipe");
    }
}
