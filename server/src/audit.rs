//! The audit log: who was turned away, from where, and why.
//!
//! Its lines are warnings of the target `kvgate::audit`, so that `server.log.level` can
//! send them elsewhere or leave them out. They have names of principals, stores and
//! collections, never keys, values or credentials.

use std::fmt;
use std::io;

use crate::access::Wish;
use crate::layers::Method;
use crate::server::{Origin, Peer};
use crate::service::Known;

/// The module that audit lines are of, whatever the code around them.
const TARGET: &str = "kvgate::audit";

/// How much of a name that a caller made up a line repeats.
const SHOWN_NAME_CHARS_MAX: usize = 100;

/// A caller and the listener could not agree on keys: one who speaks no TLS, or whose
/// certificate is not good.
pub(crate) fn handshake_failed(origin: Origin, error: &io::Error) {
    tracing::warn!(target: TARGET, from = %origin, why = %error, "TLS handshake refused");
}

/// A call was refused because it is not known who makes it.
pub(crate) fn unknown_caller(method: Method, peer: Option<&Peer>, why: &str) {
    let (from, method) = (from(peer), method.name());
    tracing::warn!(target: TARGET, %from, method, why, "call refused");
}

/// A caller may not do what it asked for.
pub(crate) fn denied(known: &Known, store: &str, wish: Wish<'_>) {
    let identity = &known.identity;
    let (principal, how) = (shown(&identity.principal), &identity.how);
    let (from, method) = (from(known.peer.as_deref()), known.method.name());
    let operation = wish.operation().map_or("see", |operation| operation.word());
    let store = shown(store);
    let collection = match wish {
        Wish::In(_, collection) => shown(collection),
        Wish::Everywhere(_) => "all of them".to_owned(),
        Wish::See | Wish::Somewhere(_) => String::new(),
    };
    let why = "no role of the principal allows it";
    tracing::warn!(
        target: TARGET,
        principal, %how, %from, method, operation, store, collection, why, "call denied"
    );
}

fn from(peer: Option<&Peer>) -> impl fmt::Display {
    peer.map_or_else(|| "?".to_owned(), |peer| peer.origin.to_string())
}

/// A name in one line, and not a long one.
fn shown(name: &str) -> String {
    name.chars().take(SHOWN_NAME_CHARS_MAX).flat_map(char::escape_debug).collect()
}
