//! What must be known of each record of one trace to tell its totals, its session and what is billable.
//!
//! Light on purpose: ids, parents, times, usage; of texts only the ones that may become the trace's own.

use throughline_model::otlp::SpanFacts;
use throughline_model::{Event, Money, SpanId, TraceId};

use super::trace_summary::TraceSummary;

/// Whether a record was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    New,
    Duplicate,
}

/// Which span a trace's input or output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextSource {
    pub span: SpanId,
    /// It is the span's explicit text for the whole trace (`trace_input`, `trace_output`), not its own.
    pub explicit: bool,
}

/// The records of one trace, in any order of arrival.
#[derive(Debug, Clone)]
pub struct TraceRecords {
    id: TraceId,
}

impl TraceRecords {
    pub fn new(id: TraceId) -> Self {
        Self { id }
    }

    pub fn id(&self) -> TraceId {
        self.id
    }

    /// Takes a span in. `cost` is what the price rules say of it, whether billable or not.
    pub fn insert_span(&mut self, _facts: &SpanFacts<'_>, _cost: Option<Money>) -> Inserted {
        todo!()
    }

    /// Takes an event in that names this trace.
    pub fn insert_event(&mut self, _event: &Event) -> Inserted {
        todo!()
    }

    /// The session that the trace belongs to: named on the root span, else on the earliest span that names one,
    /// else on the earliest event that does. None while there is no span: events alone are no trace.
    pub fn session_id(&self) -> Option<&str> {
        todo!()
    }

    /// The user of the trace, found like the session.
    pub fn user_id(&self) -> Option<&str> {
        todo!()
    }

    /// Whether the span's usage counts: it carries usage and nothing below it does; a model call's usage goes
    /// before that of a span, chain or agent around or below it.
    pub fn is_billable(&self, _span: SpanId) -> bool {
        todo!()
    }

    /// Whether a record that was there at the last [`Self::mark_written`] has since come to another session or user,
    /// or changed in being billable, so that what was written of it is no longer true.
    pub fn rewrite_needed(&self) -> bool {
        todo!()
    }

    /// Remembers what is true now as written.
    pub fn mark_written(&mut self) {
        todo!()
    }

    /// The totals; `None` if there is no span (events alone are no trace).
    pub fn summary(&self) -> Option<TraceSummary> {
        todo!()
    }

    /// Where the whole text of the trace's input is to be found.
    pub fn input_source(&self) -> Option<TextSource> {
        todo!()
    }

    /// Where the whole text of the trace's output is to be found.
    pub fn output_source(&self) -> Option<TextSource> {
        todo!()
    }

    /// Bytes of memory held, about.
    pub fn size_bytes(&self) -> usize {
        todo!()
    }
}
