//! Who is at the other end of a connection.

use std::sync::Arc;

use super::Origin;
use crate::identity::Identity;

/// The other end of a connection, in the extensions of its calls.
pub(crate) struct Peer {
    pub(crate) origin: Origin,
    /// Who it is by its certificate.
    pub(crate) identity: Option<Arc<Identity>>,
}
