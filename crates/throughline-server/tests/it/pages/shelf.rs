//! A store with a fixed content: what pages make of any record can be tested without sending it first.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use throughline_model::{
    Event, Observation, ProjectId, Session, SessionId, SessionState, SpanId, Timestamp, Trace, TraceId,
    Usage, millis,
};
use throughline_server::domain::analytics::{
    Goal, GoalReport, Interval, Journeys, ScoreStatistics, Selection, SessionStatistics, StepKind,
};
use throughline_server::domain::arrival::{Arrival, Batch};
use throughline_server::domain::filter::{Filter, Record, SessionRecord, TraceRecord};
use throughline_server::domain::price::{CallRange, Repricing};
use throughline_server::domain::query::{
    Cursor, ListQuery, Page, SpanOutline, TimelineItem, TraceDetail, TraceOutline, UsageQuery, UsageReport,
    User,
};
use throughline_server::domain::session_cost::Call;
use throughline_server::store::{AppendError, ReadError, Store, StoreStatus};
use tokio::sync::broadcast;

/// The store.
pub(crate) struct Shelf {
    pub(crate) traces: Vec<TraceDetail>,
    /// Those that belong to no trace, too.
    pub(crate) events: Vec<Event>,
    pub(crate) sender: broadcast::Sender<Arrival>,
    sessions: Mutex<Option<Vec<Session>>>,
    /// The most records that were asked for at once.
    pub(crate) most_read: AtomicUsize,
}

impl Shelf {
    pub(crate) fn new(traces: Vec<TraceDetail>, events: Vec<Event>) -> Self {
        Self {
            traces,
            events,
            sender: broadcast::channel(1_000).0,
            sessions: Mutex::default(),
            most_read: AtomicUsize::new(0),
        }
    }

    fn note_read(&self, records: usize) {
        self.most_read.fetch_max(records, Ordering::Relaxed);
    }

    fn of_session<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a TraceDetail> {
        self.traces
            .iter()
            .filter(move |detail| detail.trace.session_id.as_ref().is_some_and(|known| known.as_str() == id))
    }

    fn events_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events
            .iter()
            .filter(move |event| event.session_id.as_ref().is_some_and(|known| known.as_str() == id))
    }

    fn all_sessions(&self, now: Timestamp) -> Vec<Session> {
        let mut sessions = self.sessions.lock().unwrap();
        sessions.get_or_insert_with(|| {
            let traces = self.traces.iter().filter_map(|detail| detail.trace.session_id.clone());
            let mut ids: Vec<SessionId> =
                traces.chain(self.events.iter().filter_map(|e| e.session_id.clone())).collect();
            ids.sort();
            ids.dedup();
            ids.iter().map(|id| self.sum_up(id, now)).collect()
        });
        sessions.clone().unwrap()
    }

    fn sum_up(&self, id: &SessionId, now: Timestamp) -> Session {
        let traces: Vec<&Trace> = self.of_session(id.as_str()).map(|detail| &detail.trace).collect();
        let events: Vec<&Event> = self.events_of(id.as_str()).collect();
        let spans =
            traces.iter().map(|t| (t.start_time, t.end_time)).chain(events.iter().map(|e| (e.time, e.time)));
        let mut spans: Vec<_> = spans.collect();
        spans.sort_unstable();
        let (start, end) = (spans[0].0, spans.iter().map(|span| span.1).max().unwrap());
        let idle: i64 =
            spans.windows(2).map(|w| w[1].0.nanos_since(w[0].1)).filter(|gap| *gap >= 300_000_000_000).sum();
        let mut usage = Usage::default();
        traces.iter().for_each(|trace| usage += trace.usage);
        let quiet = now.nanos_since(end) / 1_000_000_000;
        let mut models: Vec<String> = traces.iter().flat_map(|t| t.models.clone()).collect();
        models.sort();
        models.dedup();
        let mut tags: Vec<String> = traces.iter().flat_map(|t| t.tags.clone()).collect();
        tags.sort();
        tags.dedup();
        let costs: Vec<_> = traces.iter().filter_map(|t| t.total_cost).collect();
        let text = |value: &Option<serde_json::Value>| {
            value.as_ref().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
        };
        Session {
            id: id.clone(),
            user_id: traces.iter().find_map(|t| t.user_id.clone()),
            trace_count: traces.len() as u64,
            observation_count: traces.iter().map(|t| t.observation_count).sum(),
            event_count: events.len() as u64,
            error_count: traces.iter().map(|t| t.error_count).sum::<u64>()
                + events.iter().filter(|e| e.is_error() && e.trace_id.is_none()).count() as u64,
            start_time: start,
            end_time: end,
            duration: millis(end.nanos_since(start)),
            active_duration: millis(end.nanos_since(start) - idle),
            total_tokens: usage.total(),
            usage,
            total_cost: (!costs.is_empty()).then(|| costs.into_iter().sum()),
            models,
            tags,
            environment: traces.iter().find_map(|t| t.environment.clone()),
            services: traces.iter().flat_map(|t| t.services.clone()).take(1).collect(),
            actor: events.iter().find_map(|e| e.actor.clone()),
            scope: events.iter().find_map(|e| e.scope.clone()),
            metadata: traces.first().map(|t| t.metadata.clone()).unwrap_or_default(),
            title: traces
                .first()
                .and_then(|t| text(&t.input))
                .or_else(|| events.first().map(|e| e.name.clone())),
            last_output: traces.last().and_then(|t| text(&t.output)),
            state: match quiet {
                ..300 => SessionState::Live,
                300..1800 => SessionState::Idle,
                _ => SessionState::Ended,
            },
            reopened: false,
            synthetic: false,
            part_count: 0,
            parts: Vec::new(),
            parent_session_id: None,
            goals: Vec::new(),
            flags: traces.iter().flat_map(|t| t.flags.clone()).take(3).collect(),
        }
    }
}

fn page<T>(
    mut rows: Vec<(i64, String, T)>,
    descending: bool,
    after: Option<&Cursor>,
    limit: usize,
) -> Page<T> {
    rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    if descending {
        rows.reverse();
    }
    let skip = after.and_then(|after| {
        rows.iter().position(|row| row.0 == after.value && row.1 == after.id).map(|i| i + 1)
    });
    let mut rest: Vec<_> = rows.into_iter().skip(skip.unwrap_or(0)).collect();
    let more = rest.len() > limit;
    rest.truncate(limit);
    let next = rest.last().filter(|_| more).map(|(value, id, _)| Cursor { value: *value, id: id.clone() });
    Page { rows: rest.into_iter().map(|row| row.2).collect(), next }
}

fn in_range(query: &ListQuery, start: Timestamp, end: Timestamp) -> bool {
    query.from.is_none_or(|from| end >= from) && query.to.is_none_or(|to| start < to)
}

#[async_trait]
impl Store for Shelf {
    async fn append(&self, _: Batch) -> Result<(), AppendError> {
        Err(AppendError::Unavailable("the shelf is full".to_owned()))
    }

    async fn settle(&self) -> Result<(), ReadError> {
        Ok(())
    }

    async fn sessions(&self, _: &ProjectId, query: &ListQuery) -> Result<Page<Session>, ReadError> {
        let mut rows = Vec::new();
        for session in self.all_sessions(query.now) {
            let record = SessionRecord {
                session: &session,
                traces: self
                    .of_session(session.id.as_str())
                    .map(|detail| TraceRecord {
                        trace: &detail.trace,
                        observations: detail.observations.iter().collect(),
                        events: detail.events.iter().collect(),
                        abandoned: false,
                    })
                    .collect(),
                events: self.events_of(session.id.as_str()).collect(),
            };
            if !matches(&query.filter, &record) || !in_range(query, session.start_time, session.end_time) {
                continue;
            }
            let value = query.sort.place_of_session(&session).value;
            rows.push((value, session.id.to_string(), session));
        }
        Ok(page(rows, query.sort.descending, query.after.as_ref(), query.limit))
    }

    async fn session(
        &self,
        _: &ProjectId,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, ReadError> {
        Ok(self.all_sessions(now).into_iter().find(|session| session.id == *id))
    }

    async fn session_traces(
        &self,
        _: &ProjectId,
        id: &SessionId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Trace>, ReadError> {
        let rows = self.of_session(id.as_str()).map(|detail| {
            (detail.trace.start_time.as_nanos(), detail.trace.id.to_string(), detail.trace.clone())
        });
        Ok(page(rows.collect(), false, after, limit))
    }

    async fn timeline(
        &self,
        _: &ProjectId,
        _: &SessionId,
        _: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<TimelineItem>, ReadError> {
        self.note_read(limit);
        Ok(Page { rows: Vec::new(), next: None })
    }

    async fn traces(&self, _: &ProjectId, query: &ListQuery) -> Result<Page<Trace>, ReadError> {
        let chosen = self.traces.iter().filter(|detail| {
            let record = TraceRecord {
                trace: &detail.trace,
                observations: detail.observations.iter().collect(),
                events: detail.events.iter().collect(),
                abandoned: false,
            };
            matches(&query.filter, &record) && in_range(query, detail.trace.start_time, detail.trace.end_time)
        });
        let rows = chosen.map(|detail| {
            let place = query.sort.place_of_trace(&detail.trace);
            (place.value, place.id, detail.trace.clone())
        });
        Ok(page(rows.collect(), query.sort.descending, query.after.as_ref(), query.limit))
    }

    async fn trace(&self, _: &ProjectId, id: &TraceId) -> Result<Option<TraceDetail>, ReadError> {
        let found = self.traces.iter().find(|detail| detail.trace.id == *id).cloned();
        self.note_read(found.as_ref().map_or(0, |detail| detail.observations.len()));
        Ok(found)
    }

    async fn trace_outline(&self, _: &ProjectId, id: &TraceId) -> Result<Option<TraceOutline>, ReadError> {
        Ok(self.traces.iter().find(|detail| detail.trace.id == *id).map(|detail| TraceOutline {
            trace: detail.trace.clone(),
            spans: detail.observations.iter().map(SpanOutline::of).collect(),
            events: detail.events.clone(),
        }))
    }

    async fn observations(
        &self,
        _: &ProjectId,
        trace: &TraceId,
        ids: &[SpanId],
    ) -> Result<Vec<Observation>, ReadError> {
        self.note_read(ids.len());
        let detail = self.traces.iter().find(|detail| detail.trace.id == *trace);
        let observations = detail.into_iter().flat_map(|detail| &detail.observations);
        Ok(observations.filter(|observation| ids.contains(&observation.id)).cloned().collect())
    }

    async fn received_spans(
        &self,
        _: &ProjectId,
        _: &TraceId,
        ids: &[SpanId],
    ) -> Result<Vec<Bytes>, ReadError> {
        self.note_read(ids.len());
        Ok(ids.iter().map(|id| Bytes::from(id.to_string())).collect())
    }

    async fn events(&self, _: &ProjectId, query: &ListQuery) -> Result<Page<Event>, ReadError> {
        let all = self.events.iter().chain(self.traces.iter().flat_map(|detail| &detail.events));
        let rows = all
            .filter(|event| matches(&query.filter, *event) && in_range(query, event.time, event.time))
            .map(|event| (event.time.as_nanos(), event.id.to_string(), event.clone()));
        Ok(page(rows.collect(), query.sort.descending, query.after.as_ref(), query.limit))
    }

    async fn users(&self, _: &ProjectId, _: &ListQuery) -> Result<Page<User>, ReadError> {
        Ok(Page { rows: Vec::new(), next: None })
    }

    async fn usage(&self, _: &ProjectId, _: &UsageQuery) -> Result<UsageReport, ReadError> {
        Ok(UsageReport::default())
    }

    async fn session_calls(&self, _: &ProjectId, id: &SessionId) -> Result<Vec<Call>, ReadError> {
        let observations = self.of_session(id.as_str()).flat_map(|detail| &detail.observations);
        let call = |observation: &Observation| {
            Some(Call {
                trace: observation.trace_id,
                start: observation.start_time,
                provider: observation.provider.clone(),
                model: observation.model.clone(),
                service_tier: None,
                usage: observation.usage?,
                computed: observation.cost,
                given: observation.given_cost,
            })
        };
        Ok(observations.filter_map(call).collect())
    }

    async fn repricing(&self, _: &ProjectId, _: CallRange) -> Result<Repricing, ReadError> {
        Ok(Repricing::default())
    }

    async fn session_statistics(
        &self,
        _: &ProjectId,
        _: &Selection,
        _: Interval,
    ) -> Result<SessionStatistics, ReadError> {
        Ok(SessionStatistics::default())
    }

    async fn journeys(
        &self,
        _: &ProjectId,
        _: &Selection,
        _: StepKind,
        _: &[String],
    ) -> Result<Journeys, ReadError> {
        Ok(Journeys::default())
    }

    async fn goal(
        &self,
        _: &ProjectId,
        _: &Selection,
        _: &Goal,
        _: Interval,
    ) -> Result<GoalReport, ReadError> {
        Ok(GoalReport::default())
    }

    async fn score_statistics(
        &self,
        _: &ProjectId,
        _: &Selection,
        _: Interval,
    ) -> Result<Vec<ScoreStatistics>, ReadError> {
        Ok(Vec::new())
    }

    fn subscribe(&self) -> broadcast::Receiver<Arrival> {
        self.sender.subscribe()
    }

    async fn status(&self) -> StoreStatus {
        StoreStatus::default()
    }

    async fn shutdown(&self) {}
}

fn matches(filter: &Filter, record: &dyn Record) -> bool {
    filter.matches(record)
}
