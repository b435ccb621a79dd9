//! A response body that is written to, at the pace of whoever reads it.

use std::io;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::store::ReadError;

/// Bytes gathered before they are sent.
const CHUNK: usize = 64 * 1024;

/// Why writing ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// Nobody reads any more.
    #[error("the reader went away")]
    Gone,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("a record cannot be written: {0}")]
    Write(String),
}

/// Where to write the body.
pub(super) struct Sink {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl Sink {
    /// A sink, and the body that comes out of it.
    pub(super) fn new() -> (Self, Body) {
        // one chunk on its way and one waiting: a slow reader holds up the writer, not the server's memory
        let (sender, receiver) = mpsc::channel(1);
        (Self { sender, buffer: BytesMut::new() }, Body::from_stream(ReceiverStream::new(receiver)))
    }

    /// Ends the body; with an error, which cuts the connection, if writing failed.
    pub(super) async fn finish(mut self, outcome: Result<(), Stop>) {
        let last = match outcome {
            Ok(()) => self.flush().await,
            Err(stop) => Err(stop),
        };
        match last {
            Ok(()) | Err(Stop::Gone) => {}
            Err(stop) => {
                tracing::error!("an export broke off: {stop}");
                // if the reader is gone as well, nobody is left to be told
                drop(self.sender.send(Err(io::Error::other(stop))).await);
            }
        }
    }

    /// Writes bytes; waits while the reader is behind.
    pub(super) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Stop> {
        self.buffer.extend_from_slice(bytes.as_ref());
        if self.buffer.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    /// Writes a value as JSON.
    pub(super) async fn json(&mut self, value: &impl Serialize) -> Result<(), Stop> {
        let json = serde_json::to_vec(value).map_err(|error| Stop::Write(error.to_string()))?;
        self.write(json).await
    }

    /// Writes an object as JSON but leaves it open, so that more members can follow after a comma.
    pub(super) async fn json_open(&mut self, value: &impl Serialize) -> Result<(), Stop> {
        let mut json = serde_json::to_vec(value).map_err(|error| Stop::Write(error.to_string()))?;
        if json.pop() != Some(b'}') {
            return Err(Stop::Write("not an object".to_owned()));
        }
        self.write(json).await
    }

    async fn flush(&mut self) -> Result<(), Stop> {
        let chunk = self.buffer.split().freeze();
        self.sender.send(Ok(chunk)).await.map_err(|_| Stop::Gone)
    }
}
