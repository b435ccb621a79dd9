//! When somebody said that a session is over.

use serde::{Deserialize, Serialize};
use throughline_model::Timestamp;

/// The most ends remembered: the latest, whatever order they came in.
const MAX_ENDS: usize = 32;

/// Times in nanoseconds, ascending, each once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Ends(Vec<i64>);

/// What one more end changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// Nothing: it is known, or too long past.
    Nothing,
    /// It stands beside the others.
    Added,
    /// The earliest was forgotten for it.
    Replaced,
}

impl Ends {
    pub(super) fn note(&mut self, at: Timestamp) -> Noted {
        let at = at.as_nanos();
        let Err(place) = self.0.binary_search(&at) else { return Noted::Nothing };
        if self.0.len() < MAX_ENDS {
            self.0.insert(place, at);
            return Noted::Added;
        }
        if place == 0 {
            return Noted::Nothing;
        }
        self.0.insert(place, at);
        self.0.remove(0);
        Noted::Replaced
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn times(&self) -> impl Iterator<Item = Timestamp> {
        self.0.iter().copied().map(Timestamp::from_nanos)
    }

    /// How many of them were before something that began at this time.
    pub(super) fn before(&self, start: i64) -> usize {
        self.0.partition_point(|end| *end < start)
    }
}
