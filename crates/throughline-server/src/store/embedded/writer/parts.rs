//! Putting spans together that came in parts: what is known of their traces is summed up anew from all of them.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use throughline_model::otlp::{Log, PartialSpan, RawSpan, each_log, each_span};
use throughline_model::{Event, Money, SpanId};

use super::Writer;
use super::cache::{TraceKey, TraceState};
use crate::domain::arrival::BatchContent;
use crate::domain::trace_records::TraceRecords;
use crate::store::embedded::snapshot::{IndexError, StoredRecord};

/// The records of one trace, gathered from where they are.
struct Gathered<'w> {
    writer: &'w Writer,
    key: TraceKey,
    /// What was known of the trace.
    state: &'w TraceState,
    records: TraceRecords,
    /// Every span so far; what is known of it, if it came in parts.
    spans: FxHashMap<SpanId, Option<PartialSpan>>,
}

impl Writer {
    /// Brings the traces up to date of which further parts came; they are written anew with the next commit.
    pub(super) fn put_parts_together(&mut self) -> Result<(), IndexError> {
        let due = |key: &TraceKey| self.traces.get(key).is_some_and(|state| state.parts_came);
        let keys: Vec<TraceKey> = self.changed_traces.iter().copied().filter(due).collect();
        for key in keys {
            let Some(state) = self.traces.get(&key) else { continue };
            let (records, whole_spans) = Gathered::of(self, key, state)?.put_together();
            if let Some(state) = self.traces.get_mut(&key) {
                (state.records, state.whole_spans) = (records, whole_spans);
                state.records.mark_written();
                (state.parts_came, state.rewrite) = (false, true);
            }
        }
        Ok(())
    }
}

impl<'w> Gathered<'w> {
    fn of(writer: &'w Writer, key: TraceKey, state: &'w TraceState) -> Result<Self, IndexError> {
        let records = TraceRecords::new(key.id);
        let mut gathered = Self { writer, key, state, records, spans: FxHashMap::default() };
        let project = writer.projects.id(key.project);
        let snapshot = Arc::clone(&writer.snapshot);
        snapshot.trace_records(project, key.id, |record| {
            match record {
                StoredRecord::Span { body, cost } => {
                    let cost = cost.map(|picodollars| Money::from_picodollars(picodollars.into()));
                    gathered.spans(&body, Some(cost));
                }
                StoredRecord::Event(event) => gathered.event(&event),
            }
            Ok::<_, IndexError>(())
        })?;
        for entry in state.entries.iter().filter_map(|entry| writer.entries.get(*entry as usize)) {
            if entry.batch.project == *project {
                gathered.content(&entry.batch.content);
            }
        }
        Ok(gathered)
    }

    fn content(&mut self, content: &BatchContent) {
        match content {
            BatchContent::Traces(body) => self.spans(body, None),
            BatchContent::Logs(body) => {
                let walked = each_log(body, |log| match log {
                    Log::Event(event) => self.event(&event),
                    Log::Span(body) => self.spans(body, None),
                });
                if let Err(error) = walked {
                    tracing::error!(%error, "the rest of a stored request cannot be read");
                }
            }
            BatchContent::Events(events) => events.iter().for_each(|event| self.event(event)),
            BatchContent::EndSession(_) | BatchContent::DeleteSession(_) | BatchContent::Reprice(_) => {}
        }
    }

    /// `cost` as it was written; without it, what the price rules say.
    fn spans(&mut self, body: &[u8], cost: Option<Option<Money>>) {
        if let Err(error) = each_span(body, |raw| self.span(&raw, cost)) {
            tracing::error!(%error, "the rest of a stored request cannot be read");
        }
    }

    fn span(&mut self, raw: &RawSpan<'_>, cost: Option<Option<Money>>) {
        let facts = raw.facts();
        if facts.trace_id != self.key.id {
            return;
        }
        match self.spans.get_mut(&facts.span_id) {
            Some(Some(whole)) => PartialSpan::read(raw).into_iter().for_each(|part| whole.merge(part)),
            Some(None) => {}
            None => {
                let part = PartialSpan::read(raw);
                if part.is_none() {
                    let cost = self.writer.cost_to_write(self.state, &facts, cost);
                    self.records.insert_span(&facts, cost);
                }
                self.spans.insert(facts.span_id, part);
            }
        }
    }

    fn event(&mut self, event: &Event) {
        // An event known from elsewhere was not taken into this trace.
        if event.trace_id == Some(self.key.id) && self.state.records.contains_event(&event.id) {
            self.records.insert_event(event);
        }
    }

    /// The trace as it is known now, and its spans that came in parts.
    fn put_together(mut self) -> (TraceRecords, FxHashMap<SpanId, Vec<u8>>) {
        let mut whole_spans = FxHashMap::default();
        for (id, whole) in std::mem::take(&mut self.spans) {
            let Some(body) = whole.map(|whole| whole.to_body()) else { continue };
            let read = each_span(&body, |raw| {
                let facts = raw.facts();
                self.records.insert_span(&facts, self.writer.prices.span_cost(&facts));
            });
            if let Err(error) = read {
                tracing::error!(%error, "a span that was put together cannot be read");
            }
            whole_spans.insert(id, body);
        }
        (self.records, whole_spans)
    }
}
