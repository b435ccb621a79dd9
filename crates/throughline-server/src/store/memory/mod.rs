//! An engine that keeps every record in a list and computes everything afresh when they have changed: slow, forgetful and
//! easy to see through. It is the oracle of the property tests and the store of the doors' own tests.

mod analytics;
mod snapshot;
mod usage;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use throughline_model::otlp::{Log, PartialSpan, RawSpan, each_log, each_span, observation, wire::Malformed};
use throughline_model::{
    Event, EventId, Observation, ProjectId, Session, SessionId, SpanId, Timestamp, Trace, TraceId,
};
use tokio::sync::broadcast;

use self::snapshot::{Snapshot, is_within};
use super::{AppendError, ReadError, Store, StoreStatus};
use crate::domain::analytics::{
    Goal, GoalReport, Interval, Journeys, ScoreStatistics, Selection, SessionStatistics, StepKind,
};
use crate::domain::arrival::{Arrival, ArrivalRecord, Batch, BatchContent};
use crate::domain::lifecycle::Lifecycle;
use crate::domain::logged_messages;
use crate::domain::price::{CallRange, Prices, Repricing};
use crate::domain::query::{
    Cursor, ListQuery, Page, Sort, SortField, SpanOutline, TimelineItem, TraceDetail, TraceOutline,
    UsageQuery, UsageReport, User,
};
use crate::domain::session_cost::Call;
use crate::domain::trace_start::is_trace_start;

/// How many arrivals a slow receiver may be behind.
const ARRIVALS: usize = 4096;

const BY_START: Sort = Sort { by: SortField::StartTime, descending: false };

/// Keeps records for as long as it lives.
#[derive(Debug)]
pub struct MemoryStore {
    prices: Prices,
    lifecycle: Lifecycle,
    records: Mutex<Records>,
    /// What was computed last, which holds until the records change.
    computed: Mutex<Option<(ProjectId, u64, Arc<Snapshot>)>>,
    arrivals: broadcast::Sender<Arrival>,
}

#[derive(Debug, Default)]
struct Records {
    spans: Vec<StoredSpan>,
    events: Vec<(ProjectId, Event)>,
    known_spans: HashSet<(ProjectId, TraceId, SpanId)>,
    known_events: HashSet<(ProjectId, EventId)>,
    ends: BTreeMap<(ProjectId, SessionId), Vec<Timestamp>>,
    duplicates: u64,
    /// How often they have changed.
    changes: u64,
    closed: bool,
}

#[derive(Debug)]
struct StoredSpan {
    project: ProjectId,
    trace: TraceId,
    span: SpanId,
    /// With its resource and scope, as received.
    raw: Bytes,
}

impl StoredSpan {
    /// Takes a further part in, if the span came in parts.
    fn add(&mut self, part: PartialSpan) {
        let mut whole = None;
        let read = each_span(&self.raw, |raw| whole = PartialSpan::read(&raw));
        debug_assert!(read.is_ok(), "a stored span was read before it was stored");
        if let Some(mut whole) = whole {
            whole.merge(part);
            self.raw = whole.to_body().into();
        }
    }
}

impl MemoryStore {
    pub fn new(prices: Prices) -> Self {
        let (arrivals, _) = broadcast::channel(ARRIVALS);
        Self {
            prices,
            lifecycle: Lifecycle::default(),
            records: Mutex::default(),
            computed: Mutex::default(),
            arrivals,
        }
    }

    /// The same, with sessions that begin and end as it says.
    #[must_use]
    pub fn with_lifecycle(self, lifecycle: Lifecycle) -> Self {
        Self { lifecycle, ..self }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self, project: &ProjectId) -> Arc<Snapshot> {
        let mut computed = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
        let records = self.records();
        if let Some((of, changes, snapshot)) = &*computed
            && of == project
            && *changes == records.changes
        {
            return Arc::clone(snapshot);
        }
        let snapshot = Arc::new(Snapshot::of(project, &records, &self.prices, &self.lifecycle));
        *computed = Some((project.clone(), records.changes, Arc::clone(&snapshot)));
        snapshot
    }

    fn take(&self, records: &mut Records, batch: Batch) -> Result<(), Malformed> {
        let Batch { project, content, .. } = batch;
        records.changes += 1;
        match content {
            BatchContent::Traces(body) => {
                each_span(&body, |span| self.take_span(records, &project, &span))?;
            }
            BatchContent::Logs(body) => {
                let mut result = Ok(());
                each_log(&body, |log| match log {
                    Log::Event(event) => self.take_event(records, &project, *event),
                    Log::Span(body) => {
                        let read = each_span(body, |span| self.take_span(records, &project, &span));
                        result = std::mem::replace(&mut result, Ok(())).and(read);
                    }
                })?;
                result?;
            }
            BatchContent::Events(events) => {
                events.into_iter().for_each(|event| self.take_event(records, &project, event));
            }
            BatchContent::EndSession(id) => {
                records.ends.entry((project, id)).or_default().push(batch.received);
            }
            BatchContent::DeleteSession(id) => self.forget(records, &project, &id),
            // Costs are computed as they are read.
            BatchContent::Reprice(_) => {}
        }
        Ok(())
    }

    fn take_span(&self, records: &mut Records, project: &ProjectId, span: &RawSpan<'_>) {
        let facts = span.facts();
        let (trace, id) = (facts.trace_id, facts.span_id);
        if !records.known_spans.insert((project.clone(), trace, id)) {
            let known = |stored: &&mut StoredSpan| {
                (&stored.project, stored.trace, stored.span) == (project, trace, id)
            };
            match PartialSpan::read(span).zip(records.spans.iter_mut().find(known)) {
                Some((part, stored)) => stored.add(part),
                None => records.duplicates += 1,
            }
            return;
        }
        let mut raw = Vec::new();
        span.write_single(&mut raw);
        records.spans.push(StoredSpan { project: project.clone(), trace, span: id, raw: raw.into() });
        let observation = Observation { cost: self.prices.span_cost(&facts), ..observation(&facts) };
        self.announce(project, ArrivalRecord::Observation(Box::new(observation)));
    }

    fn take_event(&self, records: &mut Records, project: &ProjectId, event: Event) {
        if !records.known_events.insert((project.clone(), event.id.clone())) {
            records.duplicates += 1;
            return;
        }
        records.events.push((project.clone(), event.clone()));
        if !is_trace_start(&event) {
            self.announce(project, ArrivalRecord::Event(Box::new(event)));
        }
    }

    fn announce(&self, project: &ProjectId, record: ArrivalRecord) {
        // Nobody need be listening.
        drop(self.arrivals.send(Arrival { project: project.clone(), record }));
    }

    /// Forgets the session's traces and events; more of them are new.
    fn forget(&self, records: &mut Records, project: &ProjectId, session: &SessionId) {
        let snapshot = Snapshot::of(project, records, &self.prices, &self.lifecycle);
        let traces: HashSet<TraceId> = snapshot.traces_in(session).map(|trace| trace.detail.id).collect();
        let in_session =
            snapshot.events.iter().filter(|placed| placed.event.session_id.as_ref() == Some(session));
        let events: HashSet<&EventId> = in_session.map(|placed| &placed.event.id).collect();
        let Records { spans, known_spans, known_events, ends, .. } = records;
        spans.retain(|span| {
            let stays = span.project != *project || !traces.contains(&span.trace);
            if !stays {
                known_spans.remove(&(project.clone(), span.trace, span.span));
            }
            stays
        });
        records.events.retain(|(owner, event)| {
            let began_in = |trace: &TraceId| is_trace_start(event) && traces.contains(trace);
            let gone = events.contains(&event.id) || event.trace_id.as_ref().is_some_and(began_in);
            let stays = owner != project || !gone;
            if !stays {
                known_events.remove(&(project.clone(), event.id.clone()));
            }
            stays
        });
        ends.remove(&(project.clone(), session.clone()));
    }

    /// The sessions that a list asks for, in no order.
    fn matching_sessions(&self, project: &ProjectId, query: &ListQuery) -> Vec<Session> {
        let snapshot = self.snapshot(project);
        let sessions = snapshot.sessions_at(query.now).map(|(_, session)| session);
        let in_range = sessions
            .filter(|session| is_within((session.start_time, session.end_time), query.from, query.to));
        in_range.filter(|session| query.filter.matches(&snapshot.session_record(session))).collect()
    }
}

/// The rows of a list that are on the page asked for.
fn page<T>(
    rows: Vec<T>,
    place: impl Fn(&T) -> Cursor,
    descending: bool,
    after: Option<&Cursor>,
    limit: usize,
) -> Page<T> {
    let mut placed: Vec<(Cursor, T)> = rows.into_iter().map(|row| (place(&row), row)).collect();
    placed.sort_by(|(a, _), (b, _)| if descending { b.cmp(a) } else { a.cmp(b) });
    placed.retain(|(place, _)| {
        after.is_none_or(|after| if descending { place < after } else { place > after })
    });
    let has_more = placed.len() > limit;
    placed.truncate(limit);
    let next = placed.last().filter(|_| has_more).map(|(place, _)| place.clone());
    Page { rows: placed.into_iter().map(|(_, row)| row).collect(), next }
}

fn page_of<T>(rows: Vec<T>, place: impl Fn(&T) -> Cursor, query: &ListQuery) -> Page<T> {
    page(rows, place, query.sort.descending, query.after.as_ref(), query.limit)
}

#[async_trait]
impl Store for MemoryStore {
    async fn append(&self, batch: Batch) -> Result<(), AppendError> {
        let mut records = self.records();
        if records.closed {
            return Err(AppendError::Unavailable("it is shut down".to_owned()));
        }
        self.take(&mut records, batch).map_err(|error| AppendError::Unavailable(error.to_string()))
    }

    async fn settle(&self) -> Result<(), ReadError> {
        Ok(())
    }

    async fn sessions(&self, project: &ProjectId, query: &ListQuery) -> Result<Page<Session>, ReadError> {
        let rows = self.matching_sessions(project, query);
        Ok(page_of(rows, |session| query.sort.place_of_session(session), query))
    }

    async fn session(
        &self,
        project: &ProjectId,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, ReadError> {
        Ok(self.snapshot(project).session_at(id, now))
    }

    async fn session_traces(
        &self,
        project: &ProjectId,
        id: &SessionId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Trace>, ReadError> {
        let snapshot = self.snapshot(project);
        let traces = snapshot.traces_in(id).map(|trace| trace.summary.trace.clone()).collect();
        Ok(page(traces, |trace| BY_START.place_of_trace(trace), false, after, limit))
    }

    async fn timeline(
        &self,
        project: &ProjectId,
        id: &SessionId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<TimelineItem>, ReadError> {
        Ok(page(self.snapshot(project).items_in(id), TimelineItem::place, false, after, limit))
    }

    async fn traces(&self, project: &ProjectId, query: &ListQuery) -> Result<Page<Trace>, ReadError> {
        let snapshot = self.snapshot(project);
        let matching = snapshot.traces.values().filter(|whole| {
            let trace = &whole.summary.trace;
            is_within((trace.start_time, trace.end_time), query.from, query.to)
                && query.filter.matches(&snapshot.trace_record(whole, query.now))
        });
        let rows = matching.map(|whole| whole.summary.trace.clone()).collect();
        Ok(page_of(rows, |trace| query.sort.place_of_trace(trace), query))
    }

    async fn trace(&self, project: &ProjectId, id: &TraceId) -> Result<Option<TraceDetail>, ReadError> {
        let snapshot = self.snapshot(project);
        Ok(snapshot.traces.get(id).map(|whole| {
            let mut observations: Vec<_> =
                whole.observations.iter().map(|whole| whole.observation.clone()).collect();
            observations.extend(whole.summary.open_observations());
            logged_messages::tell(&mut observations);
            let events = snapshot.events_of(*id).into_iter().cloned().collect();
            TraceDetail { trace: whole.detail.clone(), observations, events }
        }))
    }

    async fn trace_outline(
        &self,
        project: &ProjectId,
        id: &TraceId,
    ) -> Result<Option<TraceOutline>, ReadError> {
        let snapshot = self.snapshot(project);
        Ok(snapshot.traces.get(id).map(|whole| {
            let ended = whole.observations.iter().map(|whole| SpanOutline::of(&whole.observation));
            let begun = whole.summary.open_observations().map(|begun| SpanOutline::of(&begun));
            let mut spans: Vec<SpanOutline> = ended.chain(begun).collect();
            spans.sort_by_key(|span| (span.start_time, span.id));
            let events = snapshot.events_of(*id).into_iter().cloned().collect();
            TraceOutline { trace: whole.detail.clone(), spans, events }
        }))
    }

    async fn observations(
        &self,
        project: &ProjectId,
        trace: &TraceId,
        ids: &[SpanId],
    ) -> Result<Vec<Observation>, ReadError> {
        let observations = self.trace(project, trace).await?.map(|detail| detail.observations);
        let wanted = |observation: &Observation| ids.contains(&observation.id);
        Ok(observations.into_iter().flatten().filter(wanted).collect())
    }

    async fn received_spans(
        &self,
        project: &ProjectId,
        trace: &TraceId,
        ids: &[SpanId],
    ) -> Result<Vec<Bytes>, ReadError> {
        let snapshot = self.snapshot(project);
        let observations = snapshot.traces.get(trace).into_iter().flat_map(|whole| &whole.observations);
        let wanted = observations.filter(|whole| ids.contains(&whole.observation.id));
        Ok(wanted.map(|whole| whole.raw.clone()).collect())
    }

    async fn events(&self, project: &ProjectId, query: &ListQuery) -> Result<Page<Event>, ReadError> {
        let snapshot = self.snapshot(project);
        let events = snapshot.found_events();
        let in_range = events.filter(|event| is_within((event.time, event.time), query.from, query.to));
        let rows = in_range.filter(|event| query.filter.matches(*event)).cloned().collect();
        Ok(page_of(rows, |event| query.sort.place_of_event(event), query))
    }

    async fn users(&self, project: &ProjectId, query: &ListQuery) -> Result<Page<User>, ReadError> {
        let rows = snapshot::users(self.matching_sessions(project, query).into_iter());
        Ok(page_of(rows, |user| query.sort.place_of_user(user), query))
    }

    async fn usage(&self, project: &ProjectId, query: &UsageQuery) -> Result<UsageReport, ReadError> {
        Ok(usage::group(&self.snapshot(project), query))
    }

    async fn session_calls(&self, project: &ProjectId, id: &SessionId) -> Result<Vec<Call>, ReadError> {
        Ok(usage::calls(&self.snapshot(project), id))
    }

    async fn repricing(&self, project: &ProjectId, range: CallRange) -> Result<Repricing, ReadError> {
        Ok(usage::repricing(&self.snapshot(project), range, &self.prices))
    }

    async fn session_statistics(
        &self,
        project: &ProjectId,
        selection: &Selection,
        interval: Interval,
    ) -> Result<SessionStatistics, ReadError> {
        Ok(analytics::statistics(&self.snapshot(project), selection, interval))
    }

    async fn journeys(
        &self,
        project: &ProjectId,
        selection: &Selection,
        by: StepKind,
        funnel: &[String],
    ) -> Result<Journeys, ReadError> {
        Ok(analytics::journeys(&self.snapshot(project), selection, by, funnel))
    }

    async fn goal(
        &self,
        project: &ProjectId,
        selection: &Selection,
        goal: &Goal,
        interval: Interval,
    ) -> Result<GoalReport, ReadError> {
        Ok(analytics::goal(&self.snapshot(project), selection, goal, interval))
    }

    async fn score_statistics(
        &self,
        project: &ProjectId,
        selection: &Selection,
        interval: Interval,
    ) -> Result<Vec<ScoreStatistics>, ReadError> {
        Ok(analytics::scores(&self.snapshot(project), selection, interval))
    }

    fn subscribe(&self) -> broadcast::Receiver<Arrival> {
        self.arrivals.subscribe()
    }

    async fn status(&self) -> StoreStatus {
        let records = self.records();
        StoreStatus {
            write_error: records.closed.then(|| "it is shut down".to_owned()),
            spans_stored: records.spans.len() as u64,
            events_stored: records.events.iter().filter(|(_, event)| !is_trace_start(event)).count() as u64,
            duplicates_dropped: records.duplicates,
            ..StoreStatus::default()
        }
    }

    async fn shutdown(&self) {
        self.records().closed = true;
    }
}
