//! Taking up what the log has and the indexes have not. After a failure between the two commits the span index holds
//! entries that the derived index does not. They are read again only for what they touched, and that is computed
//! afresh from what the span index says.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use throughline_model::otlp::{Log, each_log, each_span};
use throughline_model::{Event, ProjectId, SessionId, Timestamp};

use super::cache::{ProjectNumber, SessionKey, TraceKey, TraceState};
use super::{Writer, position_of};
use crate::domain::arrival::BatchContent;
use crate::domain::session_summary::SessionSummary;
use crate::store::embedded::entry::Entry;
use crate::store::embedded::snapshot::IndexError;
use crate::store::embedded::span_index::own_session;

/// Gives a writer that was just opened the entries that the log has, in order.
pub(in crate::store::embedded) struct Replay<'a> {
    writer: &'a mut Writer,
    in_spans: u64,
    in_derived: u64,
    /// Until the first entry that the span index does not hold.
    touched: Option<Touched>,
}

impl<'a> Replay<'a> {
    pub(in crate::store::embedded) fn new(writer: &'a mut Writer) -> Result<Self, IndexError> {
        let in_spans = position_of(&writer.records.index())?;
        let in_derived = position_of(writer.derived.index())?;
        Ok(Self { writer, in_spans, in_derived, touched: Some(Touched::default()) })
    }

    /// The last entry that both indexes hold.
    pub(in crate::store::embedded) fn after(&self) -> u64 {
        self.in_spans.min(self.in_derived)
    }

    pub(in crate::store::embedded) fn take(
        &mut self,
        sequence: u64,
        entry: Arc<Entry>,
    ) -> Result<(), IndexError> {
        if sequence <= self.after() {
            return Ok(());
        }
        if sequence <= self.in_spans {
            return match &mut self.touched {
                Some(touched) => self.writer.note(&entry, touched),
                None => Ok(()),
            };
        }
        self.derive_touched()?;
        self.writer.apply(sequence, entry)?;
        if self.writer.is_full() {
            self.writer.commit(true)?;
        }
        Ok(())
    }

    /// Commits, and returns the last entry that both indexes hold now.
    pub(in crate::store::embedded) fn finish(mut self) -> Result<u64, IndexError> {
        self.derive_touched()?;
        if self.writer.has_changes() {
            self.writer.commit(false)?;
        }
        Ok(self.writer.committed.max(self.in_derived))
    }

    fn derive_touched(&mut self) -> Result<(), IndexError> {
        self.touched.take().map_or(Ok(()), |touched| self.writer.derive_all(touched))
    }
}

/// What the entries between the two commits touched.
#[derive(Default)]
struct Touched {
    traces: FxHashSet<TraceKey>,
    sessions: FxHashSet<SessionKey>,
    commands: FxHashMap<SessionKey, Commands>,
}

/// What was said of a session as a whole.
#[derive(Default)]
struct Commands {
    /// It was deleted: no end from before counts.
    deleted: bool,
    /// The ends since then.
    ends: Vec<Timestamp>,
}

impl Touched {
    fn spans(&mut self, project: ProjectNumber, body: &[u8]) {
        let walked = each_span(body, |span| {
            self.traces.insert(TraceKey { project, id: span.facts().trace_id });
        });
        if let Err(error) = walked {
            tracing::error!(%error, "the rest of a stored request cannot be read");
        }
    }

    fn event(&mut self, project: ProjectNumber, event: &Event) {
        self.traces.extend(event.trace_id.map(|id| TraceKey { project, id }));
        self.sessions.extend(own_session(event).map(|id| SessionKey { project, id: id.into() }));
    }
}

impl Writer {
    /// Notes what an entry touched that the span index already holds.
    fn note(&mut self, entry: &Entry, touched: &mut Touched) -> Result<(), IndexError> {
        let project = self.projects.number(&entry.batch.project);
        match &entry.batch.content {
            BatchContent::Traces(body) => touched.spans(project, body),
            BatchContent::Logs(body) => {
                let walked = each_log(body, |log| match log {
                    Log::Event(event) => touched.event(project, &event),
                    Log::Span(body) => touched.spans(project, body),
                });
                if let Err(error) = walked {
                    tracing::error!(%error, "the rest of a stored request cannot be read");
                }
            }
            BatchContent::Events(events) => events.iter().for_each(|event| touched.event(project, event)),
            BatchContent::EndSession(id) => {
                let key = SessionKey { project, id: id.clone() };
                touched.commands.entry(key.clone()).or_default().ends.push(entry.batch.received);
                touched.sessions.insert(key);
            }
            BatchContent::DeleteSession(id) => self.note_deletion(&entry.batch.project, id, touched)?,
            BatchContent::Reprice(reprice) => {
                touched.traces.extend(reprice.traces.iter().map(|id| TraceKey { project, id: *id }));
            }
        }
        Ok(())
    }

    fn note_deletion(
        &mut self,
        project: &ProjectId,
        id: &SessionId,
        touched: &mut Touched,
    ) -> Result<(), IndexError> {
        let number = self.projects.number(project);
        let traces = self.committed_traces(project, id)?;
        touched.traces.extend(traces.iter().map(|trace| TraceKey { project: number, id: trace.trace.id }));
        let key = SessionKey { project: number, id: id.clone() };
        touched.commands.insert(key.clone(), Commands { deleted: true, ends: Vec::new() });
        touched.sessions.insert(key);
        Ok(())
    }

    /// Brings the derived index up to date with the span index, and commits.
    fn derive_all(&mut self, touched: Touched) -> Result<(), IndexError> {
        if touched.traces.is_empty() && touched.sessions.is_empty() {
            return Ok(());
        }
        let snapshot = Arc::clone(&self.snapshot);
        let mut sessions = touched.sessions;
        for key in touched.traces {
            let project = self.projects.id(key.project).clone();
            let boundary = self.config.lifecycle.boundary(&project);
            let mut state = TraceState::new(key.id, boundary);
            if let Some(counted) = snapshot.trace(&project, key.id)? {
                (state.counted, state.in_derived) = (counted, true);
            }
            snapshot.trace_records(&project, key.id, |record| {
                state.take(record, |_, written| written);
                Ok::<_, IndexError>(())
            })?;
            state.is_as_written();
            let summaries = [state.counted.clone(), state.records.summary()];
            let ids = summaries.into_iter().flatten().filter_map(|summary| summary.trace.session_id);
            sessions.extend(ids.map(|id| SessionKey { project: key.project, id }));
            self.traces.insert(key, state);
            self.trace_changed(key);
        }
        for key in sessions {
            let commands = touched.commands.get(&key);
            let boundary = self.config.lifecycle.boundary(self.projects.id(key.project));
            let state = self.load_session(&key)?;
            state.stale = true;
            if commands.is_some_and(|commands| commands.deleted) {
                state.summary = SessionSummary::new(key.id.clone(), boundary);
            }
            for &at in commands.iter().flat_map(|commands| &commands.ends) {
                // Whether the running sums can follow does not matter: they are computed afresh.
                state.stale |= state.summary.end(at).is_err();
            }
            self.session_changed(&key);
        }
        self.commit(false)
    }
}
