//! Bringing the derived documents up to date with the traces that changed.

use std::sync::Arc;

use tantivy::query::{BooleanQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, Term};
use throughline_model::{Event, ProjectId, SessionId};

use super::Writer;
use super::cache::{SessionKey, TraceKey};
use crate::domain::session_summary::SessionSummary;
use crate::domain::trace_summary::TraceSummary;
use crate::store::embedded::derived_index::{kind, session_term, trace_term};
use crate::store::embedded::key::text_key;
use crate::store::embedded::snapshot::{IndexError, StoredRecord};
use crate::store::embedded::span_index::{mark, own_session};

impl Writer {
    /// Writes the documents of all traces and sessions that changed since the last commit.
    pub(super) fn sum_up(&mut self) -> Result<(), IndexError> {
        self.sum_up_traces()?;
        for key in self.changed_traces.clone() {
            self.senders.go_first();
            self.write_trace(key)?;
        }
        for key in self.changed_sessions.clone() {
            self.senders.go_first();
            self.write_session(&key)?;
        }
        Ok(())
    }

    /// Brings what changed traces add to their sessions up to date.
    pub(super) fn sum_up_traces(&mut self) -> Result<(), IndexError> {
        for key in self.changed_traces.clone() {
            self.senders.go_first();
            let Some(state) = self.traces.get_mut(&key) else { continue };
            let new = state.records.summary();
            if new == state.counted {
                continue;
            }
            let old = state.counted.take();
            let session = |summary: &Option<TraceSummary>| {
                let id = summary.as_ref()?.trace.session_id.clone()?;
                Some(SessionKey { project: key.project, id })
            };
            let (from, to) = (session(&old), session(&new));
            if from == to {
                if let Some(session) = to {
                    self.count_trace(&session, old.as_ref(), new.as_ref())?;
                }
            } else {
                if let Some(session) = from {
                    self.count_trace(&session, old.as_ref(), None)?;
                }
                if let Some(session) = to {
                    self.count_trace(&session, None, new.as_ref())?;
                }
            }
            if let Some(state) = self.traces.get_mut(&key) {
                state.counted = new;
            }
        }
        Ok(())
    }

    fn count_trace(
        &mut self,
        session: &SessionKey,
        old: Option<&TraceSummary>,
        new: Option<&TraceSummary>,
    ) -> Result<(), IndexError> {
        let state = self.load_session(session)?;
        state.stale |= state.summary.replace_trace(old, new).is_err();
        self.session_changed(session);
        Ok(())
    }

    fn write_trace(&mut self, key: TraceKey) -> Result<(), IndexError> {
        let Some(state) = self.traces.get_mut(&key) else { return Ok(()) };
        let project = self.projects.id(key.project);
        let fields = &self.fields.derived;
        if state.in_derived {
            self.derived.delete_term(Term::from_field_bytes(fields.key, &trace_term(project, key.id)));
        }
        state.in_derived = match &state.counted {
            Some(summary) => {
                self.derived.add_document(fields.trace(project, summary)?)?;
                true
            }
            None if state.has_events => {
                self.derived.add_document(fields.events_only(project, key.id))?;
                true
            }
            None => false,
        };
        Ok(())
    }

    fn write_session(&mut self, key: &SessionKey) -> Result<(), IndexError> {
        if self.sessions.get(key).is_some_and(|state| state.stale) {
            let afresh = self.sum_up_afresh(key)?;
            if let Some(state) = self.sessions.get_mut(key) {
                state.summary = afresh;
            }
        }
        let Some(state) = self.sessions.get_mut(key) else { return Ok(()) };
        let project = self.projects.id(key.project);
        let fields = &self.fields.derived;
        if state.in_derived {
            self.derived
                .delete_term(Term::from_field_bytes(fields.key, &session_term(project, key.id.as_str())));
        }
        // An end is remembered even before, and after, there is anything in the session.
        state.in_derived = !state.summary.is_empty() || !state.summary.ends().is_empty();
        if state.in_derived {
            let (document, bytes) = fields.session(project, &state.summary)?;
            self.derived.add_document(document)?;
            self.sessions.set_size(key, bytes * 2 + 512);
        } else {
            self.sessions.set_size(key, 512);
        }
        Ok(())
    }

    /// A session from all its traces and events: those of earlier commits that have not changed since, and those
    /// that have.
    fn sum_up_afresh(&self, key: &SessionKey) -> Result<SessionSummary, IndexError> {
        let project = self.projects.id(key.project);
        let mut traces = Vec::new();
        for trace in self.committed_traces(project, &key.id)? {
            let of = TraceKey { project: key.project, id: trace.trace.id };
            if !self.traces.get(&of).is_some_and(|state| state.changed) {
                traces.push(trace);
            }
        }
        let changed = self.changed_traces.iter().filter(|trace| trace.project == key.project);
        let changed = changed.filter_map(|trace| self.traces.get(trace)?.counted.as_ref());
        let changed = changed.filter(|summary| summary.trace.session_id.as_ref() == Some(&key.id));
        let mut events = self.committed_events(project, &key.id)?;
        let state = self.sessions.get(key);
        events.extend(state.iter().flat_map(|state| state.events.iter().cloned()));
        let ends = state.map(|state| state.summary.ends()).unwrap_or_default();
        let boundary = self.config.lifecycle.boundary(project);
        Ok(SessionSummary::afresh(key.id.clone(), traces.iter().chain(changed), &events, ends, boundary))
    }

    /// The traces of a session as of the last commit.
    pub(super) fn committed_traces(
        &self,
        project: &ProjectId,
        session: &SessionId,
    ) -> Result<Vec<TraceSummary>, IndexError> {
        let fields = &self.fields.derived;
        let session = Term::from_field_text(fields.session, &text_key(project, session.as_str()));
        let addresses = self.both(
            &self.snapshot.derived,
            session,
            Term::from_field_text(fields.kind, &text_key(project, kind::TRACE)),
        )?;
        let read =
            |address| Ok(serde_json::from_slice(&fields.summary.read(&self.snapshot.derived, address)?)?);
        addresses.into_iter().map(read).collect()
    }

    /// The events that name a session themselves, as of the last commit.
    pub(super) fn committed_events(
        &self,
        project: &ProjectId,
        session: &SessionId,
    ) -> Result<Vec<Event>, IndexError> {
        let fields = &self.fields.span;
        let session = Term::from_field_text(fields.session, &text_key(project, session.as_str()));
        let own = Term::from_field_text(fields.mark, &text_key(project, mark::OWN_SESSION));
        let addresses = self.both(&self.snapshot.spans, session, own)?;
        let mut events = Vec::with_capacity(addresses.len());
        self.snapshot.records(&addresses, |record| {
            if let StoredRecord::Event(event) = record {
                events.push(*event);
            }
            Ok::<_, IndexError>(())
        })?;
        Ok(events)
    }

    /// The documents that hold both terms, in the order of the index.
    pub(super) fn both(
        &self,
        searcher: &tantivy::Searcher,
        a: Term,
        b: Term,
    ) -> Result<Vec<DocAddress>, IndexError> {
        let term = |term| Box::new(TermQuery::new(term, IndexRecordOption::Basic)) as Box<dyn Query>;
        let both = BooleanQuery::intersection(vec![term(a), term(b)]);
        let found = searcher.search(&both, &tantivy::collector::DocSetCollector)?;
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Forgets a session: its traces, its events and its sums. Everything before is committed, and nothing but more
    /// of this happens before the next commit.
    pub(super) fn delete_session(
        &mut self,
        number: super::cache::ProjectNumber,
        project: &ProjectId,
        id: &SessionId,
    ) -> Result<(), IndexError> {
        self.deleted = true;
        let session = text_key(project, id.as_str());
        let traces = self.committed_traces(project, id)?;
        let events = self.committed_events(project, id)?;
        self.records.delete(Term::from_field_text(self.fields.span.session, &session));
        self.derived.delete_term(Term::from_field_text(self.fields.derived.session, &session));
        self.sessions.remove(&SessionKey { project: number, id: id.clone() });
        for trace in events.iter().filter_map(|event| event.trace_id) {
            self.traces.remove(&TraceKey { project: number, id: trace });
        }
        let snapshot = Arc::clone(&self.snapshot);
        for trace in traces.iter().map(|trace| trace.trace.id) {
            self.traces.remove(&TraceKey { project: number, id: trace });
            let mut others = false;
            snapshot.trace_records(project, trace, |record| {
                others |= matches!(record, StoredRecord::Event(event) if own_session(&event).is_some_and(|own| own != id.as_str()));
                Ok::<_, IndexError>(())
            })?;
            if others {
                self.derived.add_document(self.fields.derived.events_only(project, trace))?;
            }
        }
        Ok(())
    }
}
