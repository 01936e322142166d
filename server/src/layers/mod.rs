//! What stands in front of the services, in one column.

mod authenticate;
mod deadline;
mod ending;
mod guarded;
mod load;
mod observe;
mod peer;
mod refusal;

use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use tower::ServiceBuilder;

pub(crate) use self::ending::EndWith;
pub(crate) use self::load::Load;
pub(crate) use self::observe::{CallMetrics, Method};
pub(crate) use self::peer::FromPeer;
use crate::identity::Authentication;
use crate::router::Router;

/// The whole stack of one runtime, outermost layer first. A request goes down the
/// column, its answer comes up.
///
/// Every runtime has a stack of its own: what is cloned for each request is then
/// counted on one core only. `FromPeer` stands around it, one for each connection.
pub(crate) fn stack(
    router: Router,
    metrics: &Arc<CallMetrics>,
    load: &Arc<Load>,
    authentication: Option<&Arc<Authentication>>,
    message_bytes_max: usize,
) -> Stack {
    ServiceBuilder::new()
        // outermost, so that refused calls are counted and traced like all others,
        // with the status that the caller sees
        .layer(observe::ObserveLayer::new(Arc::clone(metrics)))
        // before anything that costs: a call too many is turned away cheaply
        .layer(load::LoadLayer::new(Arc::clone(load)))
        // bounds all that follows by the caller's deadline, the backend's work and
        // the sending of a stream included
        .layer(deadline::DeadlineLayer)
        // after the deadline, which also bounds the wait for an issuer's keys, and before all
        // that reads the call's messages: nothing of an unknown caller's is decoded
        .layer(authenticate::AuthenticateLayer::new(authentication))
        // innermost: gives what tonic itself refuses the form of our errors
        .layer(refusal::RefusalLayer::new(message_bytes_max))
        .service(router)
}

/// The type of [`stack`].
pub(crate) type Stack = observe::Observe<
    load::LoadLimit<deadline::Deadline<authenticate::Authenticate<refusal::Refusal<Router>>>>,
>;

/// A call as it comes from a connection.
pub(crate) type Call = Request<Incoming>;
