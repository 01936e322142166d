//! What stands in front of the services, in one column.

mod authenticate;
mod deadline;
mod ending;
mod guarded;
mod load;
mod observe;
mod of_connection;
mod pressure;
mod rate;
mod refusal;
mod web;

use std::sync::Arc;

use http::Request;
use tower::ServiceBuilder;

pub(crate) use self::ending::EndWith;
pub(crate) use self::load::Load;
pub(crate) use self::observe::Method;
pub(crate) use self::of_connection::{Activity, OfConnection};
pub(crate) use self::pressure::adapt;
pub(crate) use self::rate::Rate;
pub(crate) use self::web::Web;
use crate::identity::Authentication;
use crate::router::Router;
use crate::telemetry::{CallMetrics, Spans};

/// The whole stack of one runtime, outermost layer first. A request goes down the
/// column, its answer comes up.
///
/// Every runtime has a stack of its own: what is cloned for each request is then
/// counted on one core only. `OfConnection` stands around it, one for each connection, and
/// `Web` if browsers may call.
pub(crate) fn stack(
    router: Router,
    metrics: &Arc<CallMetrics>,
    spans: Option<&Arc<Spans>>,
    load: &Arc<Load>,
    authentication: Option<&Arc<Authentication>>,
    rate: Option<&Arc<Rate>>,
    message_bytes_max: usize,
) -> Stack {
    ServiceBuilder::new()
        // outermost, so that refused calls are counted and traced like all others,
        // with the status that the caller sees
        .layer(observe::ObserveLayer::new(Arc::clone(metrics), spans.cloned()))
        // before anything that costs: a call too many is turned away cheaply
        .layer(load::LoadLayer::new(Arc::clone(load)))
        // bounds all that follows by the caller's deadline, the backend's work and
        // the sending of a stream included
        .layer(deadline::DeadlineLayer)
        // after the deadline, which also bounds the wait for an issuer's keys, and before all
        // that reads the call's messages: nothing of an unknown caller's is decoded
        .layer(authenticate::AuthenticateLayer::new(authentication))
        // as soon as it is known whose bucket the call is from
        .layer(rate::RateLayer::new(rate))
        // innermost: gives what tonic itself refuses the form of our errors
        .layer(refusal::RefusalLayer::new(message_bytes_max))
        .service(router)
}

/// Whether a call asks for the health once. Neither the load nor a rate turns it away: a server
/// that has much to do is alive, and whoever restarts or leaves it for that makes it worse.
fn is_health_check<B>(request: &Request<B>) -> bool {
    request.uri().path() == "/grpc.health.v1.Health/Check"
}

/// The type of [`stack`].
pub(crate) type Stack = observe::Observe<
    load::LoadLimit<
        deadline::Deadline<authenticate::Authenticate<rate::RateLimit<refusal::Refusal<Router>>>>,
    >,
>;
