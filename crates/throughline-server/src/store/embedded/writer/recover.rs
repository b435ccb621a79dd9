//! After a crash between the two commits: the span index holds entries that the derived index does not. They are
//! read again only for what they touched, and that is computed afresh from what the span index says.

use rustc_hash::{FxHashMap, FxHashSet};
use throughline_model::otlp::{Log, each_log, each_span};
use throughline_model::{Event, ProjectId, SessionId, Timestamp};

use super::Writer;
use super::cache::{ProjectNumber, SessionKey, TraceKey, TraceState};
use crate::domain::arrival::BatchContent;
use crate::domain::session_summary::SessionSummary;
use crate::store::embedded::entry::Entry;
use crate::store::embedded::snapshot::IndexError;
use crate::store::embedded::span_index::own_session;

/// What the entries between the two commits touched.
#[derive(Default)]
pub(in crate::store::embedded) struct Touched {
    traces: FxHashSet<TraceKey>,
    sessions: FxHashSet<SessionKey>,
    commands: FxHashMap<SessionKey, Commands>,
}

/// What was said of a session as a whole.
#[derive(Default)]
struct Commands {
    /// It was deleted: no end from before counts.
    deleted: bool,
    /// The latest end since then.
    ended: Option<Timestamp>,
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
    pub(in crate::store::embedded) fn note(
        &mut self,
        entry: &Entry,
        touched: &mut Touched,
    ) -> Result<(), IndexError> {
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
                let commands = touched.commands.entry(key.clone()).or_default();
                commands.ended = commands.ended.max(Some(entry.batch.received));
                touched.sessions.insert(key);
            }
            BatchContent::DeleteSession(id) => self.note_deletion(&entry.batch.project, id, touched)?,
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
        touched.commands.insert(key.clone(), Commands { deleted: true, ended: None });
        touched.sessions.insert(key);
        Ok(())
    }

    /// Brings the derived index up to date with the span index, and commits.
    pub(in crate::store::embedded) fn derive_all(&mut self, touched: Touched) -> Result<(), IndexError> {
        if touched.traces.is_empty() && touched.sessions.is_empty() {
            return Ok(());
        }
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let mut sessions = touched.sessions;
        for key in touched.traces {
            let project = self.projects.id(key.project).clone();
            let mut state = TraceState::new(key.id);
            if let Some(counted) = snapshot.trace(&project, key.id)? {
                (state.counted, state.in_derived) = (counted, true);
            }
            snapshot.trace_records(&project, key.id, |record| {
                state.take(record);
                Ok::<_, IndexError>(())
            })?;
            state.records.mark_written();
            let summaries = [state.counted.clone(), state.records.summary()];
            let ids = summaries.into_iter().flatten().filter_map(|summary| summary.trace.session_id);
            sessions.extend(ids.map(|id| SessionKey { project: key.project, id }));
            self.traces.insert(key, state);
            self.trace_changed(key);
        }
        for key in sessions {
            let commands = touched.commands.get(&key);
            let state = self.load_session(&key)?;
            state.stale = true;
            if commands.is_some_and(|commands| commands.deleted) {
                state.summary = SessionSummary::new(key.id.clone());
            }
            if let Some(at) = commands.and_then(|commands| commands.ended) {
                // Whether the running sums can follow does not matter: they are computed afresh.
                state.stale |= state.summary.end(at).is_err();
            }
            self.session_changed(&key);
        }
        self.commit()
    }

    /// Takes in an entry that neither index holds.
    pub(in crate::store::embedded) fn replay(
        &mut self,
        sequence: u64,
        entry: Entry,
    ) -> Result<(), IndexError> {
        self.apply(sequence, entry)?;
        if self.entry_bytes >= self.config.commit_bytes {
            self.commit()?;
        }
        Ok(())
    }

    /// Commits what was taken in, and returns where both indexes stand.
    pub(in crate::store::embedded) fn finish_replay(&mut self) -> Result<u64, IndexError> {
        if self.has_changes() {
            self.commit()?;
        }
        Ok(self.committed)
    }
}
