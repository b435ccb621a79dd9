//! Bodies of responses, followed to their end.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use throughline_channel::ErrorRecord;

/// What follows a body to its end. Dropped before, it learns that nobody waited for the end.
pub(crate) trait Follower: Send + Unpin + 'static {
    /// Runs a part of the body, in whatever context it belongs to.
    fn enter<R>(&self, f: impl FnOnce() -> R) -> R;

    /// How many bytes were sent so far.
    fn sent(&self, _bytes: u64) {}

    /// The body is sent, or failed with this error.
    fn finish(self, error: Option<ErrorRecord>);
}

/// A body that tells its follower when it ends: no more frames, the announced length reached (servers poll no further
/// than that), or an error.
pub(crate) struct FollowedBody<F: Follower> {
    /// `None` once it said that there is no more.
    body: Option<Body>,
    follower: Option<F>,
    sent: u64,
    announced: Option<u64>,
}

impl<F: Follower> FollowedBody<F> {
    pub(crate) fn new(body: Body, follower: F) -> Self {
        let announced = http_body::Body::size_hint(&body).exact();
        Self { body: Some(body), follower: Some(follower), sent: 0, announced }
    }

    fn finish(&mut self, error: Option<ErrorRecord>) {
        if let Some(follower) = self.follower.take() {
            follower.finish(error);
        }
    }

    /// Drops the body in its context, then tells the follower.
    fn close(&mut self, error: Option<ErrorRecord>) {
        self.drop_body();
        self.finish(error);
    }

    fn drop_body(&mut self) {
        let body = self.body.take();
        match &self.follower {
            Some(follower) => follower.enter(|| drop(body)),
            None => drop(body),
        }
    }
}

impl<F: Follower> http_body::Body for FollowedBody<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let Some(follower) = &this.follower else { return Pin::new(body).poll_frame(cx) };
        let polled =
            follower.enter(|| catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *body).poll_frame(cx))));
        match &polled {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(None)) => this.close(None),
            Ok(Poll::Ready(Some(Err(error)))) => this.close(Some(ErrorRecord::new(error))),
            Err(payload) => this.close(Some(ErrorRecord::from_panic(&**payload))),
            Ok(Poll::Ready(Some(Ok(frame)))) => {
                this.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                follower.sent(this.sent);
                if frame.is_trailers() || http_body::Body::is_end_stream(body) {
                    this.close(None);
                } else if this.announced.is_some_and(|announced| this.sent >= announced) {
                    // Trailers may follow, so the body stays.
                    this.finish(None);
                }
            }
        }
        polled.unwrap_or_else(|payload| resume_unwind(payload))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl<F: Follower> Drop for FollowedBody<F> {
    fn drop(&mut self) {
        self.drop_body();
    }
}
