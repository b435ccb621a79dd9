//! The body of a response, to whose end the request lasts.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use throughline_channel::{ErrorRecord, OpenTrace};

use crate::RequestContext;

/// A body that settles its request at its end: no more frames, the announced length reached (servers poll no further
/// than that), or an error. Dropped before, the client is gone and the request cancelled.
pub(crate) struct TracedBody {
    /// `None` once it said that there is no more.
    body: Option<Body>,
    request: Option<OpenTrace<RequestContext>>,
    sent: u64,
    announced: Option<u64>,
}

impl TracedBody {
    pub(crate) fn new(body: Body, request: OpenTrace<RequestContext>) -> Self {
        let announced = http_body::Body::size_hint(&body).exact();
        Self { body: Some(body), request: Some(request), sent: 0, announced }
    }

    fn finish(&mut self, error: Option<ErrorRecord>) {
        if let Some(request) = self.request.take() {
            request.settle(error);
        }
    }

    /// Drops the body, in the context of the request, and settles the request.
    fn close(&mut self, error: Option<ErrorRecord>) {
        self.drop_body();
        self.finish(error);
    }

    fn drop_body(&mut self) {
        let body = self.body.take();
        match &self.request {
            Some(request) => request.context().run(|| drop(body)),
            None => drop(body),
        }
    }
}

impl http_body::Body for TracedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let Some(request) = &this.request else { return Pin::new(body).poll_frame(cx) };
        let polled = request.run(|| catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *body).poll_frame(cx))));
        match &polled {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(None)) => this.close(None),
            Ok(Poll::Ready(Some(Err(error)))) => this.close(Some(ErrorRecord::new(error))),
            Err(payload) => this.close(Some(ErrorRecord::from_panic(&**payload))),
            Ok(Poll::Ready(Some(Ok(frame)))) => {
                this.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                request.message().note_body_size(this.sent);
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

impl Drop for TracedBody {
    fn drop(&mut self) {
        self.drop_body();
    }
}
