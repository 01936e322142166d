//! Who calls, and whether they may do what they ask for.

use std::sync::Arc;

use kvgate_proto::v1::ErrorReason;
use tonic::{Code, Request};

use super::Service;
use super::status::Fault;
use crate::access::Wish;
use crate::audit;
use crate::identity::Identity;
use crate::layers::Method;
use crate::server::Peer;

/// A caller that is known, in the extensions of its call.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) identity: Arc<Identity>,
    pub(crate) peer: Option<Arc<Peer>>,
    pub(crate) method: Method,
}

/// Who calls.
#[derive(Clone)]
pub(super) enum Caller {
    /// There is no authentication: everybody may do everything.
    Anybody,
    /// What its roles allow.
    Known(Known),
}

impl Service {
    /// Who makes a call. It fails for one that came past the authentication.
    pub(super) fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Fault> {
        if !self.authentication {
            return Ok(Caller::Anybody);
        }
        request.extensions().get::<Known>().cloned().map(Caller::Known).ok_or_else(|| {
            let message = "the call was not authenticated";
            Fault::new(Code::Unauthenticated, ErrorReason::CredentialsMissing, message)
        })
    }
}

impl Caller {
    /// Whether the caller may do this.
    pub(super) fn may(&self, store: &str, wish: Wish<'_>) -> bool {
        match self {
            Self::Anybody => true,
            Self::Known(known) => known.identity.access.allows(store, wish),
        }
    }

    /// Denies what the caller may not do, and says so in the audit log.
    pub(super) fn check(&self, store: &str, wish: Wish<'_>) -> Result<(), Fault> {
        let Self::Known(known) = self else { return Ok(()) };
        if known.identity.access.allows(store, wish) {
            return Ok(());
        }
        audit::denied(known, store, wish);
        Err(denied(wish))
    }
}

/// What a caller is told: not whether there is such a store.
fn denied(wish: Wish<'_>) -> Fault {
    let message = match wish {
        Wish::See => "no role of the caller is for this store".to_owned(),
        Wish::Somewhere(operation) => {
            format!("no role of the caller allows `{}` in this store", operation.word())
        }
        Wish::Everywhere(operation) => {
            format!("no role of the caller allows `{}` in all of this store", operation.word())
        }
        Wish::In(operation, _) => {
            format!("no role of the caller allows `{}` in this collection", operation.word())
        }
    };
    let fault = Fault::new(Code::PermissionDenied, ErrorReason::NotAllowed, message);
    match wish.operation() {
        Some(operation) => fault.with("operation", operation.word()),
        None => fault,
    }
}
