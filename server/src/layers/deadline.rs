//! The caller's deadline.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tower::{Layer, Service};

use crate::service::status::Fault;

#[derive(Clone)]
pub(super) struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline(inner)
    }
}

/// Ends a call when the time in its `grpc-timeout` is over, before its answer or
/// in the middle of it, with `DEADLINE_EXCEEDED` (tonic's own would say `CANCELLED`).
/// The work is dropped, the backend's included.
#[derive(Clone)]
pub(crate) struct Deadline<S>(S);

impl<S, R, B> Service<Request<R>> for Deadline<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible>,
    B: Default,
{
    type Response = Response<DeadlineBody<B>>;
    type Error = Infallible;
    type Future = DeadlineFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        // a timeout too long to be a moment is none
        let deadline = timeout(request.headers())
            .and_then(|timeout| Instant::now().checked_add(timeout))
            .map(|at| Box::pin(sleep_until(at)));
        DeadlineFuture { call: self.0.call(request), deadline }
    }
}

/// Reads `grpc-timeout`: at most eight digits and a unit. Others are ignored, as by
/// other servers.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

pin_project! {
    pub(crate) struct DeadlineFuture<F> {
        #[pin]
        call: F,
        deadline: Option<Pin<Box<Sleep>>>,
    }
}

impl<F, B> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Default,
{
    type Output = Result<Response<DeadlineBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(Ok(response)) = this.call.poll(cx) {
            let deadline = this.deadline.take();
            return Poll::Ready(Ok(response.map(|body| DeadlineBody { body, deadline })));
        }
        let Some(deadline) = this.deadline else {
            return Poll::Pending;
        };
        ready!(deadline.as_mut().poll(cx));
        let response = Status::from(Fault::deadline_exceeded()).into_http::<B>();
        Poll::Ready(Ok(response.map(|body| DeadlineBody { body, deadline: None })))
    }
}

pin_project! {
    /// A body that ends with `DEADLINE_EXCEEDED` when its time is over.
    pub(crate) struct DeadlineBody<B> {
        #[pin]
        body: B,
        deadline: Option<Pin<Box<Sleep>>>,
    }
}

/// The empty body of an answer that is refused.
impl<B: Default> Default for DeadlineBody<B> {
    fn default() -> Self {
        Self { body: B::default(), deadline: None }
    }
}

impl<B: Body + Default> Body for DeadlineBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        // the deadline first: a stream that always has more would never see it
        if let Some(deadline) = this.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            *this.deadline = None;
            // drops the work; an empty body follows the trailers
            this.body.set(B::default());
            let mut trailers = HeaderMap::new();
            let status = Status::from(Fault::deadline_exceeded());
            if status.add_header(&mut trailers).is_ok() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
        }
        this.body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", HeaderValue::from_str(text).expect("a header"));
        timeout(&headers)
    }

    #[test]
    fn reads_every_unit() {
        assert_eq!(read("3H"), Some(Duration::from_hours(3)));
        assert_eq!(read("2M"), Some(Duration::from_mins(2)));
        assert_eq!(read("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(read("7m"), Some(Duration::from_millis(7)));
        assert_eq!(read("0u"), Some(Duration::ZERO));
        assert_eq!(read("1n"), Some(Duration::from_nanos(1)));
    }

    #[test]
    fn ignores_what_it_can_not_read() {
        for text in ["", "S", "1", "-1S", "+1S", "1x", "999999999S", "1.5S"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
