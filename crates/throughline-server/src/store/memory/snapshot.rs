//! Everything that one project's records say, computed afresh.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use throughline_model::otlp::{SpanFacts, each_span, observation, shown};
use throughline_model::{
    Event, Money, Observation, ProjectId, Session, SessionId, Timestamp, Trace, TraceId,
};

use super::Records;
use crate::domain::filter::{Filter, SessionRecord, TraceRecord};
use crate::domain::lifecycle::{Boundary, Lifecycle, is_abandoned};
use crate::domain::price::Prices;
use crate::domain::query::{TimelineItem, User};
use crate::domain::score;
use crate::domain::session_summary::SessionSummary;
use crate::domain::trace_records::{TextSource, TraceRecords};
use crate::domain::trace_start::is_trace_start;
use crate::domain::trace_summary::TraceSummary;

/// One project at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    boundary: Boundary,
    /// See [`Lifecycle::abandoned_after`].
    abandoned_after: i64,
    pub(super) traces: BTreeMap<TraceId, WholeTrace>,
    /// Every event, with the session that it belongs to.
    pub(super) events: Vec<PlacedEvent>,
    pub(super) sessions: BTreeMap<SessionId, SessionSummary>,
}

#[derive(Debug)]
pub(super) struct WholeTrace {
    pub(super) summary: TraceSummary,
    /// In order of start time.
    pub(super) observations: Vec<WholeObservation>,
    /// Input and output, not shortened.
    pub(super) detail: Trace,
}

#[derive(Debug)]
pub(super) struct WholeObservation {
    pub(super) observation: Observation,
    pub(super) billable: bool,
    /// Computed, else given.
    pub(super) cost: Option<Money>,
    pub(super) raw: Bytes,
}

#[derive(Debug)]
pub(super) struct PlacedEvent {
    pub(super) event: Event,
    /// It names no session itself.
    pub(super) inherits: bool,
    /// A score that another took the place of: filters do not find it.
    pub(super) is_replaced: bool,
}

impl Snapshot {
    pub(super) fn of(project: &ProjectId, records: &Records, prices: &Prices, lifecycle: &Lifecycle) -> Self {
        let (boundary, abandoned_after) = (lifecycle.boundary(project), lifecycle.abandoned_after);
        let mut raws: BTreeMap<TraceId, Vec<&Bytes>> = BTreeMap::new();
        for span in records.spans.iter().filter(|span| span.project == *project) {
            raws.entry(span.trace).or_default().push(&span.raw);
        }
        let events: Vec<&Event> =
            records.events.iter().filter(|(owner, _)| owner == project).map(|(_, event)| event).collect();
        let whole = |(id, raws): (TraceId, Vec<&Bytes>)| {
            let said_in_it = events.iter().copied().filter(|event| event.trace_id == Some(id));
            Some((id, WholeTrace::of(id, &raws, said_in_it, prices, boundary)?))
        };
        for begun in events.iter().filter(|event| is_trace_start(event)).filter_map(|event| event.trace_id) {
            raws.entry(begun).or_default();
        }
        let traces: BTreeMap<TraceId, WholeTrace> = raws.into_iter().filter_map(whole).collect();
        let standing = standing_scores(&events);
        let events = events.into_iter().filter(|event| !is_trace_start(event));
        let events = events.map(|event| PlacedEvent::of(event, &traces, &standing)).collect();
        let mut snapshot = Self { boundary, abandoned_after, traces, events, sessions: BTreeMap::new() };
        snapshot.sessions = snapshot.sum_up_sessions(project, records);
        snapshot
    }

    fn sum_up_sessions(&self, project: &ProjectId, records: &Records) -> BTreeMap<SessionId, SessionSummary> {
        let mut parts: BTreeMap<&SessionId, (Vec<&TraceSummary>, Vec<&Event>)> = BTreeMap::new();
        for trace in self.traces.values() {
            if let Some(id) = &trace.summary.trace.session_id {
                parts.entry(id).or_default().0.push(&trace.summary);
            }
        }
        for placed in self.events.iter().filter(|placed| !placed.inherits) {
            if let Some(id) = &placed.event.session_id {
                parts.entry(id).or_default().1.push(&placed.event);
            }
        }
        let sum_up = |(id, (traces, events)): (&SessionId, (Vec<&TraceSummary>, Vec<&Event>))| {
            let ends = records.ends.get(&(project.clone(), id.clone())).into_iter().flatten().copied();
            (id.clone(), SessionSummary::afresh(id.clone(), traces, events, ends, self.boundary))
        };
        parts.into_iter().map(sum_up).collect()
    }

    /// Every session as it is at this time.
    pub(super) fn sessions_at(&self, now: Timestamp) -> impl Iterator<Item = (&SessionSummary, Session)> {
        self.sessions.values().map(move |summary| (summary, summary.session(now, self.boundary)))
    }

    pub(super) fn session_at(&self, id: &SessionId, now: Timestamp) -> Option<Session> {
        self.sessions.get(id).map(|summary| summary.session(now, self.boundary))
    }

    /// Traces of a session.
    pub(super) fn traces_in<'a>(&'a self, session: &'a SessionId) -> impl Iterator<Item = &'a WholeTrace> {
        self.traces.values().filter(move |trace| trace.summary.trace.session_id.as_ref() == Some(session))
    }

    /// The sessions that the filter finds; nothing if it finds all.
    pub(super) fn sessions_found(&self, filter: &Filter, now: Timestamp) -> Option<BTreeSet<SessionId>> {
        if *filter == Filter::All {
            return None;
        }
        let sessions = self.sessions_at(now);
        let found = sessions.filter(|(_, session)| filter.matches(&self.session_record(session)));
        Some(found.map(|(_, session)| session.id).collect())
    }

    /// Everything in a session, in no order.
    pub(super) fn items_in(&self, session: &SessionId) -> Vec<TimelineItem> {
        let mut items = Vec::new();
        for trace in self.traces_in(session) {
            items.push(TimelineItem::Trace(Box::new(trace.summary.trace.clone())));
            let observations = trace.observations.iter().map(|whole| whole.observation.clone());
            items.extend(observations.map(|observation| TimelineItem::Observation(Box::new(observation))));
        }
        let events = self.events.iter().filter(|placed| placed.event.session_id.as_ref() == Some(session));
        items.extend(events.map(|placed| TimelineItem::Event(Box::new(placed.event.clone()))));
        items
    }

    /// The events said in a trace, in order of time.
    pub(super) fn events_of(&self, trace: TraceId) -> Vec<&Event> {
        let said_in_it = self.events.iter().filter(|placed| placed.event.trace_id == Some(trace));
        let mut events: Vec<&Event> = said_in_it.map(|placed| &placed.event).collect();
        events.sort_by_key(|event| (event.time, &event.id));
        events
    }

    /// Those that filters find.
    pub(super) fn found_events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|placed| !placed.is_replaced).map(|placed| &placed.event)
    }

    pub(super) fn trace_record<'a>(&'a self, trace: &'a WholeTrace, now: Timestamp) -> TraceRecord<'a> {
        TraceRecord {
            trace: &trace.summary.trace,
            observations: trace.observations.iter().map(|whole| &whole.observation).collect(),
            events: self
                .found_events()
                .filter(|event| event.trace_id == Some(trace.summary.trace.id))
                .collect(),
            abandoned: is_abandoned(&trace.summary.trace, self.abandoned_after, now),
        }
    }

    /// What filters on sessions look at. `session` is one of [`Self::sessions`].
    pub(super) fn session_record<'a>(&'a self, session: &'a Session) -> SessionRecord<'a> {
        let traces = self.traces_in(&session.id).map(|trace| TraceRecord {
            trace: &trace.summary.trace,
            observations: trace.observations.iter().map(|whole| &whole.observation).collect(),
            events: Vec::new(),
            abandoned: false,
        });
        let events = self.found_events();
        SessionRecord {
            session,
            traces: traces.collect(),
            events: events.filter(|event| event.session_id.as_ref() == Some(&session.id)).collect(),
        }
    }
}

impl WholeTrace {
    fn of<'a>(
        id: TraceId,
        raws: &[&Bytes],
        events: impl Iterator<Item = &'a Event>,
        prices: &Prices,
        boundary: Boundary,
    ) -> Option<Self> {
        let mut records = TraceRecords::within(id, boundary);
        let mut observations = Vec::new();
        for &raw in raws {
            with_facts(raw, |facts| {
                let cost = prices.span_cost(facts);
                records.insert_span(facts, cost);
                let observation = Observation { cost, ..observation(facts) };
                let cost = cost.or(facts.given_cost);
                observations.push(WholeObservation { observation, billable: false, cost, raw: raw.clone() });
            });
        }
        events.for_each(|event| {
            records.insert_event(event);
        });
        let summary = records.summary()?;
        for whole in &mut observations {
            whole.billable = records.is_billable(whole.observation.id);
            whole.observation.session_id = summary.trace.session_id.clone();
            whole.observation.user_id = summary.trace.user_id.clone();
        }
        observations.sort_by_key(|whole| (whole.observation.start_time, whole.observation.id));
        let text = |source: Option<TextSource>, end: End| {
            let source = source?;
            let whole = observations.iter().find(|whole| whole.observation.id == source.span)?;
            end.of(whole, source.explicit)
        };
        let mut detail = summary.trace.clone();
        detail.input = text(records.input_source(), End::Input);
        detail.output = text(records.output_source(), End::Output);
        Some(Self { summary, observations, detail })
    }
}

#[derive(Clone, Copy)]
enum End {
    Input,
    Output,
}

impl End {
    /// The whole text.
    fn of(self, whole: &WholeObservation, explicit: bool) -> Option<serde_json::Value> {
        if !explicit {
            return match self {
                Self::Input => whole.observation.input.clone(),
                Self::Output => whole.observation.output.clone(),
            };
        }
        let mut value = None;
        with_facts(&whole.raw, |facts| {
            let text = match self {
                Self::Input => &facts.trace_input,
                Self::Output => &facts.trace_output,
            };
            value = text.as_deref().map(shown);
        });
        value
    }
}

impl PlacedEvent {
    fn of(
        event: &Event,
        traces: &BTreeMap<TraceId, WholeTrace>,
        standing: &BTreeMap<String, &Event>,
    ) -> Self {
        let rival = score::key(event).and_then(|key| standing.get(&key));
        let is_replaced = rival.is_some_and(|standing| standing.id != event.id);
        let inherits = event.session_id.as_ref().is_none_or(|id| id.as_str().is_empty());
        let mut event = event.clone();
        if inherits {
            let trace = event.trace_id.and_then(|id| traces.get(&id));
            event.session_id = trace.and_then(|trace| trace.summary.trace.session_id.clone());
        }
        Self { event, inherits, is_replaced }
    }
}

/// By key, the scores that stand.
fn standing_scores<'a>(events: &[&'a Event]) -> BTreeMap<String, &'a Event> {
    let mut standing: BTreeMap<String, &Event> = BTreeMap::new();
    for &event in events {
        let Some(key) = score::key(event) else { continue };
        let known = standing.entry(key).or_insert(event);
        if score::is_later(event, known) {
            *known = event;
        }
    }
    standing
}

/// Calls `f` with the facts of a stored span.
pub(super) fn with_facts(raw: &[u8], mut f: impl FnMut(&SpanFacts<'_>)) {
    let read = each_span(raw, |span| f(&span.facts()));
    debug_assert!(read.is_ok(), "a stored span was read before it was stored");
}

/// The users that these sessions name.
pub(super) fn users(sessions: impl Iterator<Item = Session>) -> Vec<User> {
    let mut users: BTreeMap<String, User> = BTreeMap::new();
    for session in sessions {
        let Some(id) = session.user_id else { continue };
        let user = users.entry(id.clone()).or_insert_with(|| User {
            id,
            session_count: 0,
            trace_count: 0,
            error_count: 0,
            total_tokens: 0,
            total_cost: None,
            first_seen: session.start_time,
            last_seen: session.end_time,
        });
        user.session_count += 1;
        user.trace_count += session.trace_count;
        user.error_count += session.error_count;
        user.total_tokens = user.total_tokens.saturating_add(session.total_tokens);
        user.total_cost = add(user.total_cost, session.total_cost);
        user.first_seen = user.first_seen.min(session.start_time);
        user.last_seen = user.last_seen.max(session.end_time);
    }
    users.into_values().collect()
}

/// The sum of what is known.
pub(super) fn add(sum: Option<Money>, part: Option<Money>) -> Option<Money> {
    match (sum, part) {
        (Some(sum), Some(part)) => Some(sum + part),
        (sum, part) => sum.or(part),
    }
}

/// Whether what went on from `start` to `end` is in the range.
pub(super) fn is_within(
    (start, end): (Timestamp, Timestamp),
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> bool {
    from.is_none_or(|from| end >= from) && to.is_none_or(|to| start < to)
}
