//! Streams that would never end, ended when the server stops.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use kvgate_proto::v1::ErrorReason;
use pin_project_lite::pin_project;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Code, Status};

use crate::service::status::Fault;

pin_project! {
    /// A body that ends once something has happened and it has nothing more to
    /// send at that moment.
    ///
    /// A health watcher waits for ever; a stopping server tells it `NOT_SERVING`
    /// and then must not wait for it in turn.
    pub(crate) struct EndWith<B> {
        #[pin]
        body: B,
        #[pin]
        end: WaitForCancellationFutureOwned,
        ended: bool,
    }
}

impl<B> EndWith<B> {
    pub(crate) fn new(body: B, end: WaitForCancellationFutureOwned) -> Self {
        Self { body, end, ended: false }
    }
}

impl<B: Body> Body for EndWith<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        match this.body.poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame),
            Poll::Pending => this.end.poll(cx).map(|()| {
                *this.ended = true;
                Some(Ok(Frame::trailers(stopping())))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn stopping() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    let message = "the server is stopping: connect to another one, or again later";
    let fault = Fault::new(Code::Unavailable, ErrorReason::ServerStopping, message).retry();
    // the message has no character that a header can't take
    let added = Status::from(fault).add_header(&mut trailers);
    debug_assert!(added.is_ok(), "a fixed message fits in a header");
    trailers
}
