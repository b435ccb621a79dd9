//! Streams that run in a session.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use throughline_channel::InContext;

/// A stream that runs in the session and span that were current when it was made. Made by
/// [`stream_in_current_session`].
///
/// ```
/// use throughline::{InSessionStream, stream_in_current_session};
///
/// struct Answer<S>(InSessionStream<S>);
///
/// fn answer<S: futures_core::Stream>(tokens: S) -> Answer<S> {
///     Answer(stream_in_current_session(tokens))
/// }
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct InSessionStream<S>(Pin<Box<InContext<S>>>);

/// Hands the session and span that are current here to a stream, such as the tokens of an answer that is sent while it
/// is made.
///
/// ```
/// use throughline::stream_in_current_session;
/// # struct Tokens;
/// # impl futures_core::Stream for Tokens {
/// #     type Item = u8;
/// #     fn poll_next(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<u8>> {
/// #         std::task::Poll::Ready(None)
/// #     }
/// # }
/// let answer = stream_in_current_session(Tokens);
/// ```
pub fn stream_in_current_session<S: Stream>(stream: S) -> InSessionStream<S> {
    InSessionStream(Box::pin(throughline_channel::Context::current().follow(stream)))
}

impl<S: Stream> Stream for InSessionStream<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.0.as_mut().poll_inner(|stream| stream.poll_next(cx))
    }
}
