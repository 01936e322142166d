//! Browsers: gRPC-Web, and the pages that may use it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, Service};

/// What a page may send.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization,content-type,grpc-accept-encoding,grpc-timeout,traceparent,tracestate,\
     x-grpc-web,x-user-agent",
);

/// What a page may read.
const ANSWER_HEADERS: HeaderValue =
    HeaderValue::from_static("grpc-status,grpc-message,grpc-status-details-bin");

/// How many seconds a browser may remember that a page may call.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Translates gRPC-Web and answers browsers that ask whether a page may call. It stands
/// around the column, so that a call from a browser is one like all others in it.
#[derive(Clone)]
pub(crate) struct Web<S> {
    inner: GrpcWebService<S>,
    origins: Arc<[HeaderValue]>,
}

impl<S> Web<S> {
    /// `origins` are those whose pages may call; `*` stands for all.
    pub(crate) fn new(inner: S, origins: Arc<[HeaderValue]>) -> Self {
        Self { inner: GrpcWebLayer::new().layer(inner), origins }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    }
}

impl<S, R> Service<Request<R>> for Web<S>
where
    GrpcWebService<S>: Service<Request<R>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = WebFuture<<GrpcWebService<S> as Service<Request<R>>>::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let Some(origin) = request.headers().get(ORIGIN).cloned() else {
            return WebFuture::Calling { call: self.inner.call(request), origin: None };
        };
        if !self.allows(&origin) {
            return WebFuture::Answered { status: StatusCode::FORBIDDEN, origin: None };
        }
        if request.method() == Method::OPTIONS {
            let status = StatusCode::NO_CONTENT;
            return WebFuture::Answered { status, origin: Some(origin) };
        }
        WebFuture::Calling { call: self.inner.call(request), origin: Some(origin) }
    }
}

pin_project! {
    #[project = WebFutureProjection]
    pub(crate) enum WebFuture<F> {
        Calling { #[pin] call: F, origin: Option<HeaderValue> },
        Answered { status: StatusCode, origin: Option<HeaderValue> },
    }
}

impl<F> Future for WebFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (mut response, origin) = match self.project() {
            WebFutureProjection::Calling { call, origin } => match call.poll(cx) {
                Poll::Ready(Ok(response)) => (response, origin.take()),
                Poll::Pending => return Poll::Pending,
            },
            WebFutureProjection::Answered { status, origin } => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = *status;
                let headers = response.headers_mut();
                if origin.is_some() {
                    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
                    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
                    headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
                }
                (response, origin.take())
            }
        };
        if let Some(origin) = origin {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        Poll::Ready(Ok(response))
    }
}
