//! Answers that come bit by bit.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use throughline_channel::InContext;

use super::Observation;

/// A stream whose items are the output of an observation. Made by [`Observation::stream`].
///
/// ```
/// use throughline::{Observation, StreamedOutput, Telemetry};
///
/// /// What a handler sends on while the model still speaks.
/// fn spoken<S: futures_core::Stream<Item = String>>(
///     telemetry: &Telemetry,
///     tokens: S,
/// ) -> StreamedOutput<S, impl FnMut(&Observation, &String) + Unpin> {
///     telemetry.generation("answer").start().stream(tokens, |call, token| {
///         call.push_output(token);
///     })
/// }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct StreamedOutput<S, F> {
    stream: Pin<Box<InContext<S>>>,
    observation: Observation,
    text: F,
}

impl Observation {
    /// The stream of its output, as the caller goes on to use it: runs in this observation, notes when the first token
    /// came, collects what `text` finds in the items, and ends the observation with the stream, or when it is dropped.
    ///
    /// `text` gets the observation too, for what only the last items tell, such as the usage.
    ///
    /// ```
    /// # use throughline::{Telemetry, testing::Memory};
    /// # use futures_core::Stream;
    /// # use std::{pin::{Pin, pin}, task::{Context, Poll, Waker}};
    /// # struct Chunks(std::vec::IntoIter<&'static str>);
    /// # impl Stream for Chunks {
    /// #     type Item = &'static str;
    /// #     fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<&'static str>> {
    /// #         Poll::Ready(self.0.next())
    /// #     }
    /// # }
    /// # let chunks = Chunks(vec!["It is ", "on its ", "way."].into_iter());
    /// # let memory = Memory::new();
    /// # let telemetry = Telemetry::builder("chat").environment("test").transport(memory.clone()).build()?;
    /// let call = telemetry.generation("answer").model("gpt-4o").start();
    /// let answer = call.stream(chunks, |call, chunk| { call.push_output(chunk); });
    /// # let mut answer = pin!(answer);
    /// # while let Poll::Ready(Some(_)) = answer.as_mut().poll_next(&mut Context::from_waker(Waker::noop())) {}
    /// // ... and once it was sent on:
    /// # telemetry.flush(std::time::Duration::from_secs(1));
    /// assert_eq!(memory.spans()[0].output, Some("It is on its way.".into()));
    /// # Ok::<(), throughline::Error>(())
    /// ```
    pub fn stream<S: Stream, F: FnMut(&Self, &S::Item) + Unpin>(
        self,
        stream: S,
        text: F,
    ) -> StreamedOutput<S, F> {
        StreamedOutput { stream: Box::pin(self.follow(stream)), observation: self, text }
    }
}

impl<S: Stream, F: FnMut(&Observation, &S::Item) + Unpin> Stream for StreamedOutput<S, F> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let Self { stream, observation, text } = self.get_mut();
        let polled = stream.as_mut().poll_inner(|stream| stream.poll_next(cx));
        match &polled {
            Poll::Ready(Some(item)) => text(observation, item),
            Poll::Ready(None) => observation.end(),
            Poll::Pending => {}
        }
        polled
    }
}

impl<S, F> fmt::Debug for StreamedOutput<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedOutput").field("observation", &self.observation).finish_non_exhaustive()
    }
}
