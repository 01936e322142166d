//! Who calls.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tonic::Status;
use tower::{Layer, Service};

use super::observe::Method;
use crate::audit;
use crate::identity::{
    Authentication, Credentials, Issuer, Refusal, Remembered, Verdict, without_key,
};
use crate::server::Peer;
use crate::service::Known;

/// Makes callers known, for one runtime.
#[derive(Clone)]
pub(super) struct AuthenticateLayer(Option<Arc<Gate>>);

/// What a runtime knows of callers.
struct Gate {
    authentication: Arc<Authentication>,
    remembered: Remembered,
}

impl AuthenticateLayer {
    /// Without an authentication every call passes, and nothing is done for it.
    pub(super) fn new(authentication: Option<&Arc<Authentication>>) -> Self {
        let gate = authentication.map(|authentication| {
            let authentication = Arc::clone(authentication);
            Arc::new(Gate { authentication, remembered: Remembered::default() })
        });
        Self(gate)
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate { inner, gate: self.0.clone() }
    }
}

/// Adds who calls to each call ([`Known`] in its extensions), or refuses it.
#[derive(Clone)]
pub(crate) struct Authenticate<S> {
    inner: S,
    gate: Option<Arc<Gate>>,
}

impl<S, R, B> Service<Request<R>> for Authenticate<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible> + Clone,
    B: Default,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = AuthenticateFuture<S, Request<R>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<R>) -> Self::Future {
        let Some(gate) = &self.gate else {
            return AuthenticateFuture::Calling { call: self.inner.call(request) };
        };
        match gate.admit(&mut request) {
            Ok(()) => AuthenticateFuture::Calling { call: self.inner.call(request) },
            Err(Denial::Refused(refusal)) => AuthenticateFuture::Refused { refusal },
            Err(Denial::NeedsKeys(issuer)) => {
                let asked = Arc::clone(&issuer);
                AuthenticateFuture::Waiting {
                    keys: Box::pin(async move { asked.keys.newer().await }),
                    call: Some((self.inner.clone(), request)),
                    gate: Arc::clone(gate),
                    issuer,
                }
            }
        }
    }
}

enum Denial {
    Refused(Refusal),
    NeedsKeys(Arc<Issuer>),
}

impl Gate {
    /// Adds who calls to the call.
    fn admit<R>(&self, request: &mut Request<R>) -> Result<(), Denial> {
        let peer = request.extensions().get::<Arc<Peer>>().cloned();
        let credentials = Credentials::of(request.headers());
        let remembered = |hash: &[u8; 32]| self.remembered.find(hash);
        let verdict = self.authentication.judge(credentials, peer.as_deref(), remembered);
        let identity = match verdict {
            Verdict::Known(identity) => identity,
            Verdict::Verified(token) => self.remembered.add(token),
            Verdict::NeedsKeys(issuer) => return Err(Denial::NeedsKeys(issuer)),
            Verdict::Refused(refusal) => {
                // credentials that are wrong are wrong anywhere; none are none
                if matches!(credentials, Credentials::None)
                    && self.authentication.is_open(request.uri().path())
                {
                    return Ok(());
                }
                return Err(Denial::Refused(self.refuse(request, refusal)));
            }
        };
        let method = Method::of(request.uri().path());
        request.extensions_mut().insert(Known { identity, peer, method });
        Ok(())
    }

    /// Tries again with the keys that there are now.
    fn admit_at_last<R>(&self, request: &mut Request<R>, issuer: &Issuer) -> Result<(), Refusal> {
        match self.admit(request) {
            Ok(()) => Ok(()),
            Err(Denial::Refused(refusal)) => Err(refusal),
            Err(Denial::NeedsKeys(_)) => Err(self.refuse(request, without_key(issuer))),
        }
    }

    #[expect(clippy::unused_self, reason = "it reads as one of the gate's deeds")]
    fn refuse<R>(&self, request: &Request<R>, refusal: Refusal) -> Refusal {
        let peer = request.extensions().get::<Arc<Peer>>();
        audit::unknown_caller(
            Method::of(request.uri().path()),
            peer.map(AsRef::as_ref),
            refusal.why,
        );
        refusal
    }
}

pin_project! {
    #[project = AuthenticateProjection]
    pub(crate) enum AuthenticateFuture<S, R, F> {
        Calling { #[pin] call: F },
        Waiting {
            keys: BoxFuture<'static, ()>,
            call: Option<(S, R)>,
            gate: Arc<Gate>,
            issuer: Arc<Issuer>,
        },
        Refused { refusal: Refusal },
    }
}

impl<S, R, B> Future for AuthenticateFuture<S, Request<R>, S::Future>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible>,
    B: Default,
{
    type Output = Result<Response<B>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project() {
                AuthenticateProjection::Calling { call } => return call.poll(cx),
                AuthenticateProjection::Refused { refusal } => {
                    return Poll::Ready(Ok(Status::from(refusal.fault()).into_http()));
                }
                AuthenticateProjection::Waiting { keys, call, gate, issuer } => {
                    ready!(keys.as_mut().poll(cx));
                    let Some((mut inner, mut request)) = call.take() else {
                        return Poll::Pending;
                    };
                    match gate.admit_at_last(&mut request, issuer) {
                        Ok(()) => Self::Calling { call: inner.call(request) },
                        Err(refusal) => Self::Refused { refusal },
                    }
                }
            };
            self.set(next);
        }
    }
}
