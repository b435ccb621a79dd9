//! What was told to have begun in a trace.

use std::collections::BTreeMap;

use throughline_model::{EventId, SpanId, Timestamp};

use crate::domain::trace_start::TraceStart;

/// The most beginnings that a trace keeps: the earliest, whatever order they came in. As a rule there is one.
const MAX_STARTS: usize = 16;

/// In order of time, whether the span has come since or not.
#[derive(Debug, Clone, Default)]
pub(super) struct Starts(BTreeMap<(Timestamp, EventId), TraceStart>);

impl Starts {
    pub(super) fn take(&mut self, told_by: EventId, start: TraceStart) {
        self.0.insert((start.time, told_by), start);
        if self.0.len() > MAX_STARTS {
            self.0.pop_last();
        }
    }

    /// Those of which the span has not come; of a span that was told of twice, the first.
    pub(super) fn open(&self, has_come: impl Fn(SpanId) -> bool) -> impl Iterator<Item = &TraceStart> {
        let is_first =
            |place: usize, span: SpanId| !self.0.values().take(place).any(|other| other.span == span);
        let starts = self.0.values().enumerate();
        starts
            .filter(move |(place, start)| !has_come(start.span) && is_first(*place, start.span))
            .map(|(_, start)| start)
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.0.values().map(TraceStart::size_bytes).sum()
    }
}
