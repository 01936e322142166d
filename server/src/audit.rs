//! The audit log: who was turned away, from where, and why.
//!
//! Its lines are warnings of the target `kvgate::audit`, so that `server.log.level` can
//! send them elsewhere or leave them out. They have names of stores and collections, never
//! keys, values or credentials.

use std::io;

use crate::server::Origin;

/// The module that audit lines are of, whatever the code around them.
const TARGET: &str = "kvgate::audit";

/// A caller and the listener could not agree on keys: one who speaks no TLS, or whose
/// certificate is not good.
pub(crate) fn handshake_failed(origin: Origin, error: &io::Error) {
    tracing::warn!(target: TARGET, from = %origin, why = %error, "TLS handshake refused");
}
