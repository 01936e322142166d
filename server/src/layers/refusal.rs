//! Errors that tonic makes by itself: a message that is too large or can't be
//! decoded, a compression that it doesn't know.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use tonic::Status;
use tower::{Layer, Service};

use crate::service::status::of_tonic;

#[derive(Clone)]
pub(super) struct RefusalLayer {
    message_bytes_max: usize,
}

impl RefusalLayer {
    pub(super) fn new(message_bytes_max: usize) -> Self {
        Self { message_bytes_max }
    }
}

impl<S> Layer<S> for RefusalLayer {
    type Service = Refusal<S>;

    fn layer(&self, inner: S) -> Refusal<S> {
        Refusal { inner, message_bytes_max: self.message_bytes_max }
    }
}

/// Gives every error the details that ours have.
#[derive(Clone)]
pub(crate) struct Refusal<S> {
    inner: S,
    message_bytes_max: usize,
}

impl<S, R, B> Service<R> for Refusal<S>
where
    S: Service<R, Response = Response<B>, Error = Infallible>,
    B: Default,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = RefusalFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let message_bytes_max = self.message_bytes_max;
        RefusalFuture { call: self.inner.call(request), message_bytes_max }
    }
}

pin_project! {
    pub(crate) struct RefusalFuture<F> {
        #[pin]
        call: F,
        message_bytes_max: usize,
    }
}

impl<F, B> Future for RefusalFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.call.poll(cx));
        // a status in the headers is an answer that is nothing but an error
        match Status::from_header_map(response.headers()) {
            Some(status) if status.details().is_empty() => {
                let status = of_tonic(status, *this.message_bytes_max);
                Poll::Ready(Ok(status.into_http()))
            }
            _ => Poll::Ready(Ok(response)),
        }
    }
}
