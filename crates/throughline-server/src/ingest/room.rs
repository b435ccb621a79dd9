//! How many bytes of requests may be in hand at once, whatever their number.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::{Error, Kind};

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A budget of bytes shared by all requests of all listeners.
#[derive(Debug, Clone)]
pub struct Room(Arc<Semaphore>);

impl Room {
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    pub(super) fn lease(&self) -> Lease {
        Lease { room: self.0.clone(), held: None }
    }
}

/// What one request holds of the budget; given back when dropped.
#[derive(Debug)]
pub(super) struct Lease {
    room: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// Takes more of the budget. Never waits, so that two half-read requests cannot wait for each other.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        let busy = || {
            Error::new(Kind::Busy, "too many bytes of other requests are in hand").retry_after(RETRY_AFTER)
        };
        let bytes = u32::try_from(bytes).map_err(|_| busy())?;
        let more = self.room.clone().try_acquire_many_owned(bytes).map_err(|_| busy())?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}
