//! Writing traces anew whose records turned out to belong elsewhere, or to count otherwise, than what was written says.

use rustc_hash::{FxHashMap, FxHashSet};
use tantivy::Term;
use throughline_model::otlp::{Log, RawSpan, each_log, each_span};
use throughline_model::{Event, Money, ProjectId, SpanId};

use super::Writer;
use super::cache::TraceKey;
use super::records::Batch;
use crate::domain::arrival::BatchContent;
use crate::store::embedded::key::trace_key;
use crate::store::embedded::snapshot::{IndexError, StoredRecord};
use crate::store::embedded::span_index::Inherited;

/// The records of the traces being rewritten that have been written again.
#[derive(Default)]
struct Again {
    spans: FxHashMap<TraceKey, FxHashSet<SpanId>>,
    events: FxHashSet<(TraceKey, String)>,
}

impl Writer {
    /// Replaces the documents of all traces for which that is due: those of earlier commits are read back from the
    /// index, those since then come from their entries.
    pub(super) fn rewrite_changed_traces(&mut self) -> Result<(), IndexError> {
        let due = |key: &TraceKey| self.traces.get(key).is_some_and(|state| state.rewrite);
        let keys: Vec<TraceKey> = self.changed_traces.iter().copied().filter(due).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let mut again = Again::default();
        let mut entries: Vec<u32> = Vec::new();
        for key in keys {
            again.spans.insert(key, FxHashSet::default());
            let project = self.projects.id(key.project).clone();
            let trace = trace_key(&project, key.id);
            self.records.delete(Term::from_field_bytes(self.fields.span.trace, &trace));
            let snapshot = std::sync::Arc::clone(&self.snapshot);
            snapshot.trace_records(&project, key.id, |record| match record {
                StoredRecord::Span { body, cost } => {
                    let cost = cost.map(|picodollars| Money::from_picodollars(picodollars.into()));
                    self.rewrite_spans(&body, &project, &mut again, Some(cost))
                }
                StoredRecord::Event(event) => self.rewrite_event(&event, &project, &mut again),
            })?;
            entries.extend(self.traces.get(&key).iter().flat_map(|state| &state.entries));
        }
        entries.sort_unstable();
        entries.dedup();
        let held = std::mem::take(&mut self.entries);
        for entry in entries.iter().filter_map(|entry| held.get(*entry as usize)) {
            let project = &entry.batch.project;
            match &entry.batch.content {
                BatchContent::Traces(body) => self.rewrite_spans(body, project, &mut again, None)?,
                BatchContent::Logs(body) => self.rewrite_logs(body, project, &mut again)?,
                BatchContent::Events(events) => {
                    events.iter().try_for_each(|event| self.rewrite_event(event, project, &mut again))?;
                }
                BatchContent::EndSession(_) | BatchContent::DeleteSession(_) | BatchContent::Reprice(_) => {}
            }
        }
        self.entries = held;
        Ok(())
    }

    /// `cost` as it was written; without it, what the price rules say.
    fn rewrite_spans(
        &mut self,
        body: &[u8],
        project: &ProjectId,
        again: &mut Again,
        cost: Option<Option<Money>>,
    ) -> Result<(), IndexError> {
        let mut outcome = Ok(());
        let walked = each_span(body, |span| {
            if outcome.is_ok() {
                outcome = self.rewrite_span(&span, project, again, cost);
            }
        });
        if let Err(error) = walked {
            tracing::error!(%error, "the rest of a stored request cannot be read");
        }
        outcome
    }

    fn rewrite_logs(
        &mut self,
        body: &[u8],
        project: &ProjectId,
        again: &mut Again,
    ) -> Result<(), IndexError> {
        let mut outcome = Ok(());
        let walked = each_log(body, |log| {
            if outcome.is_ok() {
                outcome = match log {
                    Log::Event(event) => self.rewrite_event(&event, project, again),
                    Log::Span(body) => self.rewrite_spans(body, project, again, None),
                };
            }
        });
        if let Err(error) = walked {
            tracing::error!(%error, "the rest of a stored request cannot be read");
        }
        outcome
    }

    fn rewrite_span(
        &mut self,
        raw: &RawSpan<'_>,
        project: &ProjectId,
        again: &mut Again,
        cost: Option<Option<Money>>,
    ) -> Result<(), IndexError> {
        let facts = raw.facts();
        let key = TraceKey { project: self.projects.number(project), id: facts.trace_id };
        let is_due = again.spans.get_mut(&key).is_some_and(|spans| spans.insert(facts.span_id));
        let Some(state) = self.traces.get_mut(&key).filter(|_| is_due) else { return Ok(()) };
        let Some(whole) = state.whole_spans.remove(&facts.span_id) else {
            return self.write_span_again(raw, key, project, cost);
        };
        let mut outcome = Ok(());
        let read = each_span(&whole, |whole| outcome = self.write_span_again(&whole, key, project, None));
        if let Err(error) = read {
            tracing::error!(%error, "a span that was put together cannot be read");
        }
        outcome
    }

    fn write_span_again(
        &mut self,
        raw: &RawSpan<'_>,
        key: TraceKey,
        project: &ProjectId,
        cost: Option<Option<Money>>,
    ) -> Result<(), IndexError> {
        let facts = raw.facts();
        let Some(state) = self.traces.get(&key) else { return Ok(()) };
        let cost = self.cost_to_write(state, &facts, cost);
        let mut document = self.fields.span.span(project, raw, &facts, cost);
        let inherited = Inherited {
            session: state.records.session_id(),
            user: state.records.user_id(),
            billable: state.records.is_billable(facts.span_id),
        };
        self.fields.span.inherit(&mut document, project, &inherited);
        self.records.add(Batch::of(document, raw.span.len() * 2 + 1024))
    }

    fn rewrite_event(
        &mut self,
        event: &Event,
        project: &ProjectId,
        again: &mut Again,
    ) -> Result<(), IndexError> {
        let Some(id) = event.trace_id else { return Ok(()) };
        let key = TraceKey { project: self.projects.number(project), id };
        let is_due =
            again.spans.contains_key(&key) && again.events.insert((key, event.id.as_str().to_owned()));
        // An event known from elsewhere was not taken into this trace.
        let state = self.traces.get(&key).filter(|state| is_due && state.records.contains_event(&event.id));
        let Some(state) = state else { return Ok(()) };
        let document = self.event_document(project, event, state.records.session_id())?;
        self.records.add(Batch::of(document, 2048))
    }
}
