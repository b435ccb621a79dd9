//! Batches as entries of the log.

use bytes::Bytes;
use throughline_model::{ProjectId, SessionId, Timestamp};
use tokio::sync::OwnedSemaphorePermit;

use super::log::Payload;
use crate::domain::arrival::{Batch, BatchContent};

/// A batch on its way through the store, with the share of the memory budget that it holds.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) batch: Batch,
    header: Vec<u8>,
    body: Bytes,
    _permit: Option<OwnedSemaphorePermit>,
}

/// An entry of the log that passed its checksum and still makes no sense: written by another version.
#[derive(Debug, thiserror::Error)]
#[error("an entry of the log cannot be read: {0}")]
pub(super) struct InvalidEntry(&'static str);

const TRACES: u8 = 1;
const LOGS: u8 = 2;
const EVENTS: u8 = 3;
const END_SESSION: u8 = 4;
const DELETE_SESSION: u8 = 5;
const REPRICE: u8 = 6;

impl Entry {
    pub(super) fn new(batch: Batch) -> Result<Self, serde_json::Error> {
        let (kind, body) = match &batch.content {
            BatchContent::Traces(body) => (TRACES, body.clone()),
            BatchContent::Logs(body) => (LOGS, body.clone()),
            BatchContent::Events(events) => (EVENTS, serde_json::to_vec(events)?.into()),
            BatchContent::EndSession(id) => (END_SESSION, Bytes::copy_from_slice(id.as_str().as_bytes())),
            BatchContent::DeleteSession(id) => {
                (DELETE_SESSION, Bytes::copy_from_slice(id.as_str().as_bytes()))
            }
            BatchContent::Reprice(reprice) => (REPRICE, serde_json::to_vec(reprice)?.into()),
        };
        let project = batch.project.as_str().as_bytes();
        let mut header = Vec::with_capacity(project.len() + 16);
        header.push(kind);
        header.extend_from_slice(&batch.received.as_nanos().to_le_bytes());
        header.extend_from_slice(&(project.len() as u32).to_le_bytes());
        header.extend_from_slice(project);
        Ok(Self { batch, header, body, _permit: None })
    }

    /// The entry with its share of the memory budget, given back when the entry is dropped.
    pub(super) fn holding(self, permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: Some(permit), ..self }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.header.len() + self.body.len()
    }

    /// The entry that was written as this payload.
    pub(super) fn decode(payload: &[u8]) -> Result<Self, InvalidEntry> {
        let (&kind, rest) = payload.split_first().ok_or(InvalidEntry("it is empty"))?;
        let (received, rest) = rest.split_first_chunk().ok_or(InvalidEntry("no time"))?;
        let (len, rest) = rest.split_first_chunk().ok_or(InvalidEntry("no project"))?;
        let (project, body) =
            rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or(InvalidEntry("no project"))?;
        let session = |body| text(body).map(SessionId::from);
        let content = match kind {
            TRACES => BatchContent::Traces(Bytes::copy_from_slice(body)),
            LOGS => BatchContent::Logs(Bytes::copy_from_slice(body)),
            EVENTS => BatchContent::Events(
                serde_json::from_slice(body).map_err(|_| InvalidEntry("events that are none"))?,
            ),
            END_SESSION => BatchContent::EndSession(session(body)?),
            DELETE_SESSION => BatchContent::DeleteSession(session(body)?),
            REPRICE => BatchContent::Reprice(
                serde_json::from_slice(body).map_err(|_| InvalidEntry("a command that is none"))?,
            ),
            _ => return Err(InvalidEntry("of an unknown kind")),
        };
        let received = Timestamp::from_nanos(i64::from_le_bytes(*received));
        let batch = Batch { project: ProjectId::from(text(project)?), received, content };
        Ok(Self { batch, header: Vec::new(), body: Bytes::new(), _permit: None })
    }
}

fn text(bytes: &[u8]) -> Result<&str, InvalidEntry> {
    std::str::from_utf8(bytes).map_err(|_| InvalidEntry("text that is not UTF-8"))
}

impl Payload for Entry {
    fn parts(&self) -> [&[u8]; 2] {
        [&self.header, &self.body]
    }
}
