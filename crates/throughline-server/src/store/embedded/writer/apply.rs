//! Applying entries: what is new in them, and the documents of it.

use std::sync::Arc;

use tantivy::Term;
use throughline_model::otlp::{Log, PartialSpan, RawSpan, SpanFacts, each_log, each_span, observation};
use throughline_model::{Event, Money, ProjectId, SessionId, Timestamp};

use super::cache::{ProjectNumber, SessionKey, SessionState, TraceKey, TraceState};
use super::records::Batch;
use super::{PENDING_BYTES, PendingSpan, Writer};
use crate::domain::arrival::{Arrival, ArrivalRecord, BatchContent};
use crate::domain::session_summary::SessionSummary;
use crate::domain::trace_records::Inserted;
use crate::domain::trace_start::is_trace_start;
use crate::store::embedded::entry::Entry;
use crate::store::embedded::key::text_key;
use crate::store::embedded::snapshot::{IndexError, Snapshot, StoredRecord};
use crate::store::embedded::span_index::{Inherited, own_session};

/// So many documents are handed to an index thread at a time: each hand-over costs a lock or two and may wake a thread.
const BATCH_DOCUMENTS: usize = 32;

impl Writer {
    /// Takes in the entry with this sequence.
    pub(super) fn apply(&mut self, sequence: u64, entry: Arc<Entry>) -> Result<(), IndexError> {
        let deletes = matches!(entry.batch.content, BatchContent::DeleteSession(_));
        let reprices = matches!(entry.batch.content, BatchContent::Reprice(_));
        if self.has_changes() && (deletes != self.deleted || reprices) {
            self.commit(self.is_full())?;
        }
        self.first_time = sequence > self.shown;
        let project = entry.batch.project.clone();
        let number = self.projects.number(&project);
        match &entry.batch.content {
            BatchContent::Traces(body) => self.apply_spans(number, &project, body)?,
            BatchContent::Logs(body) => self.apply_logs(number, &project, body)?,
            BatchContent::Events(events) => {
                for event in events {
                    self.apply_event(number, &project, event)?;
                }
            }
            BatchContent::EndSession(id) => self.end_session(number, id, entry.batch.received)?,
            BatchContent::DeleteSession(id) => self.delete_session(number, &project, id)?,
            BatchContent::Reprice(reprice) => self.reprice(&project, reprice)?,
        }
        self.complete_pending()?;
        self.entry_bytes += entry.size_bytes();
        self.entries.push(entry);
        self.position = sequence;
        Ok(())
    }

    fn apply_spans(
        &mut self,
        number: ProjectNumber,
        project: &ProjectId,
        body: &[u8],
    ) -> Result<(), IndexError> {
        let mut outcome = Ok(());
        let walked = each_span(body, |span| {
            if outcome.is_ok() {
                outcome = self.apply_span(number, project, &span);
            }
        });
        if let Err(error) = walked {
            // The door checked the request before it was acknowledged.
            tracing::error!(%error, "the rest of a stored request cannot be read");
        }
        outcome
    }

    fn apply_logs(
        &mut self,
        number: ProjectNumber,
        project: &ProjectId,
        body: &[u8],
    ) -> Result<(), IndexError> {
        let mut outcome = Ok(());
        let walked = each_log(body, |log| {
            if outcome.is_ok() {
                outcome = match log {
                    Log::Event(event) => self.apply_event(number, project, &event),
                    Log::Span(body) => self.apply_spans(number, project, body),
                };
            }
        });
        if let Err(error) = walked {
            tracing::error!(%error, "the rest of a stored request cannot be read");
        }
        outcome
    }

    pub(super) fn apply_span(
        &mut self,
        number: ProjectNumber,
        project: &ProjectId,
        raw: &RawSpan<'_>,
    ) -> Result<(), IndexError> {
        self.senders.go_first();
        let facts = raw.facts();
        let key = TraceKey { project: number, id: facts.trace_id };
        let cost = self.prices.span_cost(&facts);
        self.load_trace(key)?;
        let has_audience = self.has_audience();
        let Some(state) = self.traces.get_mut(&key) else { return Ok(()) };
        if state.records.insert_span(&facts, cost) == Inserted::Duplicate {
            if PartialSpan::read(raw).is_some() {
                state.parts_came = true;
                state.rewrite = true;
                self.trace_changed(key);
            } else {
                self.count_duplicate();
            }
            return Ok(());
        }
        if has_audience {
            let mut observation = observation(&facts);
            observation.session_id = state.records.session_id().map(SessionId::from);
            observation.user_id = state.records.user_id().map(str::to_owned);
            observation.cost = cost;
            self.show(project, ArrivalRecord::Observation(Box::new(observation)));
        }
        let document = self.fields.span.span(project, raw, &facts, cost);
        let bytes = raw.span.len() * 2 + 1024;
        self.trace_changed(key);
        self.pending.push(PendingSpan { trace: key, span: facts.span_id, document, bytes });
        self.pending_bytes += bytes;
        if self.pending_bytes >= PENDING_BYTES {
            self.complete_pending()?;
        }
        Ok(())
    }

    /// Adds the documents that waited for the rest of their request. Those of traces that must be rewritten anyway
    /// are left to that.
    fn complete_pending(&mut self) -> Result<(), IndexError> {
        let mut checked = None;
        let mut batch = Batch::default();
        for pending in std::mem::take(&mut self.pending) {
            let Some(state) = self.traces.get_mut(&pending.trace) else { continue };
            if checked != Some(pending.trace) {
                checked = Some(pending.trace);
                state.rewrite |= state.records.rewrite_needed();
                state.records.mark_written();
            }
            if state.rewrite {
                continue;
            }
            let inherited = Inherited {
                session: state.records.session_id(),
                user: state.records.user_id(),
                billable: state.records.is_billable(pending.span),
            };
            let mut document = pending.document;
            self.fields.span.inherit(&mut document, self.projects.id(pending.trace.project), &inherited);
            batch.push(document, pending.bytes);
            if batch.len() >= BATCH_DOCUMENTS {
                self.records.add(std::mem::take(&mut batch))?;
            }
        }
        self.pending_bytes = 0;
        self.records.add(batch)
    }

    pub(super) fn apply_event(
        &mut self,
        number: ProjectNumber,
        project: &ProjectId,
        event: &Event,
    ) -> Result<(), IndexError> {
        let id = text_key(project, event.id.as_str());
        let term = Term::from_field_text(self.fields.span.event, &id);
        if self.new_events.contains(&id) || !Snapshot::documents(&self.snapshot.spans, &term)?.is_empty() {
            self.count_duplicate();
            return Ok(());
        }
        self.new_events.insert(id);
        let mut rewrite = false;
        let mut trace_session = None;
        if let Some(trace) = event.trace_id {
            self.complete_pending()?;
            let key = TraceKey { project: number, id: trace };
            self.load_trace(key)?;
            self.trace_changed(key);
            if let Some(state) = self.traces.get_mut(&key) {
                state.records.insert_event(event);
                state.has_events = true;
                state.rewrite |= state.records.rewrite_needed();
                state.records.mark_written();
                rewrite = state.rewrite;
                trace_session = state.records.session_id().map(str::to_owned);
            }
        }
        if let Some(session) = own_session(event) {
            let key = SessionKey { project: number, id: SessionId::from(session) };
            let state = self.load_session(&key)?;
            state.stale |= state.summary.add_event(event).is_err();
            state.events.push(event.clone());
            self.session_changed(&key);
        }
        if self.has_audience() && !is_trace_start(event) {
            let mut event = event.clone();
            event.session_id = own_session(&event).or(trace_session.as_deref()).map(SessionId::from);
            self.show(project, ArrivalRecord::Event(Box::new(event)));
        }
        self.note_score(project, event, trace_session.as_deref())?;
        if !rewrite {
            let document = self.event_document(project, event, trace_session.as_deref())?;
            self.records.add(Batch::of(document, 2048))?;
        }
        Ok(())
    }

    fn count_duplicate(&self) {
        if self.first_time {
            self.health.count_duplicates(1);
        }
    }

    fn has_audience(&self) -> bool {
        self.first_time && self.live.receiver_count() > 0
    }

    fn show(&self, project: &ProjectId, record: ArrivalRecord) {
        // Without receivers by now it is simply not shown.
        drop(self.live.send(Arrival { project: project.clone(), record }));
    }

    fn end_session(
        &mut self,
        number: ProjectNumber,
        id: &SessionId,
        at: Timestamp,
    ) -> Result<(), IndexError> {
        let key = SessionKey { project: number, id: id.clone() };
        // What came before in this interval must be summed up first: an end looks at what is there.
        self.put_parts_together()?;
        self.sum_up_traces()?;
        let state = self.load_session(&key)?;
        state.stale |= state.summary.end(at).is_err();
        self.session_changed(&key);
        Ok(())
    }

    /// Makes sure that the trace is in the cache, read back from the index if it is known.
    pub(super) fn load_trace(&mut self, key: TraceKey) -> Result<(), IndexError> {
        if self.traces.contains(&key) {
            return Ok(());
        }
        let project = self.projects.id(key.project);
        let mut state = TraceState::new(key.id, self.config.lifecycle.boundary(project));
        if let Some(counted) = self.snapshot.trace(project, key.id)? {
            (state.counted, state.in_derived) = (counted, true);
            self.snapshot.trace_records(project, key.id, |record| {
                state.take(record, |_, written| written);
                Ok::<_, IndexError>(())
            })?;
            state.is_as_written();
        }
        self.traces.insert(key, state);
        Ok(())
    }

    pub(super) fn trace_changed(&mut self, key: TraceKey) {
        let entry = self.entries.len() as u32;
        let Some(state) = self.traces.get_mut(&key) else { return };
        if !state.changed {
            state.changed = true;
            self.changed_traces.push(key);
        }
        if state.entries.last() != Some(&entry) {
            state.entries.push(entry);
        }
    }

    /// The session, read back from the index if it is known and not in the cache.
    pub(super) fn load_session(&mut self, key: &SessionKey) -> Result<&mut SessionState, IndexError> {
        if !self.sessions.contains(key) {
            let project = self.projects.id(key.project);
            let boundary = self.config.lifecycle.boundary(project);
            let known = self.snapshot.session(project, key.id.as_str())?;
            let in_derived = known.is_some();
            let summary = known.unwrap_or_else(|| SessionSummary::new(key.id.clone(), boundary));
            let stale = summary.is_split_otherwise(boundary);
            self.sessions
                .insert(key.clone(), SessionState { stale, ..SessionState::new(summary, in_derived) });
        }
        let missing = || IndexError::Io(std::io::Error::other("a session that was just loaded is gone"));
        self.sessions.get_mut(key).ok_or_else(missing)
    }

    pub(super) fn session_changed(&mut self, key: &SessionKey) {
        if let Some(state) = self.sessions.get_mut(key)
            && !state.changed
        {
            state.changed = true;
            self.changed_sessions.push(key.clone());
        }
    }
}

impl TraceState {
    /// What was just read back is what is written; unless the project's boundary is another by now, and with it the
    /// session.
    pub(super) fn is_as_written(&mut self) {
        let counted = self.counted.as_ref().and_then(|counted| counted.trace.session_id.as_ref());
        self.rewrite |= self.counted.is_some() && counted.map(SessionId::as_str) != self.records.session_id();
        self.records.mark_written();
    }

    /// Takes in what the index has of the trace. `cost_of` says what a span costs, given what is written of it.
    pub(super) fn take(
        &mut self,
        record: StoredRecord,
        cost_of: impl Fn(&SpanFacts<'_>, Option<Money>) -> Option<Money>,
    ) {
        match record {
            StoredRecord::Span { body, cost } => {
                let cost = cost.map(|picodollars| Money::from_picodollars(picodollars.into()));
                let read = each_span(&body, |span| {
                    let facts = span.facts();
                    self.records.insert_span(&facts, cost_of(&facts, cost));
                });
                if let Err(error) = read {
                    tracing::error!(%error, trace = %self.records.id(), "a stored span cannot be read");
                }
            }
            StoredRecord::Event(event) => {
                self.records.insert_event(&event);
                self.has_events = true;
            }
        }
    }
}
