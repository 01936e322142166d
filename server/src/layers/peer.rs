//! Who is at the other end of a connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower::Service;

use super::Call;
use crate::server::Peer;

/// Tells the calls of one connection whose they are, if anybody asks. It is no layer of
/// the column: that is one for all connections of a runtime.
#[derive(Clone)]
pub(crate) struct FromPeer<S> {
    inner: S,
    peer: Option<Arc<Peer>>,
}

impl<S> FromPeer<S> {
    /// Without a peer nothing is done for a call.
    pub(crate) fn new(inner: S, peer: Option<Peer>) -> Self {
        Self { inner, peer: peer.map(Arc::new) }
    }
}

impl<S: Service<Call, Error = Infallible>> Service<Call> for FromPeer<S> {
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Call) -> S::Future {
        if let Some(peer) = &self.peer {
            call.extensions_mut().insert(Arc::clone(peer));
        }
        self.inner.call(call)
    }
}
