//! What handlers are given.

use std::collections::HashSet;
use std::sync::Arc;

use throughline_model::{ProjectId, Session, SessionId, Trace};

use crate::domain::analytics::Goal;
use crate::domain::filter::{Comparison, Field, Filter, Literal, Pattern};
use crate::domain::lifecycle::Lifecycle;
use crate::domain::price::Prices;
use crate::domain::query::{ListQuery, Sort, SortField};
use crate::store::{ReadError, Store};

use super::{Clock, Closing, Metrics};

/// What handlers are given: the store, the time, the counters and the caps.
#[derive(Clone)]
pub struct State {
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    pub limits: Limits,
    pub closing: Closing,
    /// What sessions are hoped to reach.
    pub goals: Arc<[Goal]>,
    /// The price rules in force.
    pub prices: Arc<Prices>,
    /// How sessions and traces begin and end.
    pub lifecycle: Arc<Lifecycle>,
}

impl State {
    /// Says of each trace that has not ended whether it goes on or was abandoned.
    pub fn note_unfinished<'t>(&self, traces: impl IntoIterator<Item = &'t mut Trace>) {
        let now = self.clock.now();
        for trace in traces {
            trace.unfinished = self.lifecycle.unfinished(trace, now);
        }
    }

    /// Says of each session which goals it has reached.
    pub async fn note_goals(&self, project: &ProjectId, sessions: &mut [Session]) -> Result<(), ReadError> {
        if sessions.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let these = |session: &Session| {
            let id = Pattern::exact(session.id.as_str());
            Filter::field(Field::Session, Comparison::Equal, Literal::Text(id))
        };
        let these = Filter::any_of(sessions.iter().map(these));
        for goal in &*self.goals {
            let query = ListQuery {
                filter: Filter::all_of([these.clone(), goal.at(now).filter]),
                from: None,
                to: None,
                sort: Sort { by: SortField::StartTime, descending: false },
                limit: sessions.len(),
                after: None,
                now,
            };
            let reached = self.store.sessions(project, &query).await?.rows;
            let reached: HashSet<&SessionId> = reached.iter().map(|session| &session.id).collect();
            for session in sessions.iter_mut().filter(|session| reached.contains(&session.id)) {
                session.goals.push(goal.name.clone());
            }
        }
        Ok(())
    }
}

/// Caps on what one request may bring.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most bytes of a request body as sent, compressed or not.
    pub body_bytes: usize,
    /// The most bytes that a compressed body may unpack to.
    pub unpacked_bytes: usize,
    /// The most bytes of one event envelope.
    pub event_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 16 << 20, unpacked_bytes: 64 << 20, event_bytes: 1 << 20 }
    }
}
