//! A store that remembers what it was asked to append and can be in a bad mood.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use throughline_model::{
    Event, Observation, ProjectId, Session, SessionId, SpanId, Timestamp, Trace, TraceId,
};
use throughline_server::domain::analytics::{
    Goal, GoalReport, Interval, Journeys, ScoreStatistics, Selection, SessionStatistics, StepKind,
};
use throughline_server::domain::arrival::{Arrival, Batch, BatchContent};
use throughline_server::domain::price::{CallRange, Repricing};
use throughline_server::domain::query::{
    Cursor, ListQuery, Page, TimelineItem, TraceDetail, TraceOutline, UsageQuery, UsageReport, User,
};
use throughline_server::domain::session_cost::Call;
use throughline_server::store::{AppendError, ReadError, Store, StoreStatus};
use tokio::sync::broadcast;

/// How the store feels about being written to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    Busy,
    Broken,
    Panicking,
}

#[derive(Debug, Default)]
pub(crate) struct RecordingStore {
    batches: Mutex<Vec<Batch>>,
    mood: Mutex<Mood>,
}

impl RecordingStore {
    pub(crate) fn set_mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Takes what was appended so far.
    pub(crate) fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut self.batches.lock().unwrap())
    }

    /// Takes the spans appended so far.
    pub(crate) fn take_spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for batch in self.take() {
            let BatchContent::Traces(bytes) = batch.content else { panic!("not traces: {batch:?}") };
            let request = ExportTraceServiceRequest::decode(bytes).unwrap();
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            spans.extend(scopes.flat_map(|scope| scope.spans));
        }
        spans
    }

    /// Takes the log records appended so far, counted.
    pub(crate) fn take_log_count(&self) -> usize {
        let count = |batch: Batch| {
            let BatchContent::Logs(bytes) = batch.content else { panic!("not logs: {batch:?}") };
            let request = ExportLogsServiceRequest::decode(bytes).unwrap();
            let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
            scopes.map(|scope| scope.log_records.len()).sum::<usize>()
        };
        self.take().into_iter().map(count).sum()
    }

    /// Takes the events appended so far.
    pub(crate) fn take_events(&self) -> Vec<Event> {
        let events = |batch: Batch| match batch.content {
            BatchContent::Events(events) => events,
            other => panic!("not events: {other:?}"),
        };
        self.take().into_iter().flat_map(events).collect()
    }
}

fn nothing<T>() -> Result<Page<T>, ReadError> {
    Ok(Page { rows: Vec::new(), next: None })
}

#[async_trait]
impl Store for RecordingStore {
    async fn append(&self, batch: Batch) -> Result<(), AppendError> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => self.batches.lock().unwrap().push(batch),
            Mood::Busy => return Err(AppendError::Busy { retry_after: Duration::from_millis(1500) }),
            Mood::Broken => return Err(AppendError::Unavailable("disk full".to_owned())),
            Mood::Panicking => panic!("the secret path /var/lib"),
        }
        Ok(())
    }

    async fn settle(&self) -> Result<(), ReadError> {
        Ok(())
    }

    async fn sessions(&self, _: &ProjectId, _: &ListQuery) -> Result<Page<Session>, ReadError> {
        nothing()
    }

    async fn session(
        &self,
        _: &ProjectId,
        _: &SessionId,
        _: Timestamp,
    ) -> Result<Option<Session>, ReadError> {
        Ok(None)
    }

    async fn session_traces(
        &self,
        _: &ProjectId,
        _: &SessionId,
        _: Option<&Cursor>,
        _: usize,
    ) -> Result<Page<Trace>, ReadError> {
        nothing()
    }

    async fn timeline(
        &self,
        _: &ProjectId,
        _: &SessionId,
        _: Option<&Cursor>,
        _: usize,
    ) -> Result<Page<TimelineItem>, ReadError> {
        nothing()
    }

    async fn traces(&self, _: &ProjectId, _: &ListQuery) -> Result<Page<Trace>, ReadError> {
        nothing()
    }

    async fn trace(&self, _: &ProjectId, _: &TraceId) -> Result<Option<TraceDetail>, ReadError> {
        Ok(None)
    }

    async fn trace_outline(&self, _: &ProjectId, _: &TraceId) -> Result<Option<TraceOutline>, ReadError> {
        Ok(None)
    }

    async fn observations(
        &self,
        _: &ProjectId,
        _: &TraceId,
        _: &[SpanId],
    ) -> Result<Vec<Observation>, ReadError> {
        Ok(Vec::new())
    }

    async fn received_spans(
        &self,
        _: &ProjectId,
        _: &TraceId,
        _: &[SpanId],
    ) -> Result<Vec<Bytes>, ReadError> {
        Ok(Vec::new())
    }

    async fn events(&self, _: &ProjectId, _: &ListQuery) -> Result<Page<Event>, ReadError> {
        nothing()
    }

    async fn users(&self, _: &ProjectId, _: &ListQuery) -> Result<Page<User>, ReadError> {
        nothing()
    }

    async fn usage(&self, _: &ProjectId, _: &UsageQuery) -> Result<UsageReport, ReadError> {
        Ok(UsageReport::default())
    }

    async fn session_calls(&self, _: &ProjectId, _: &SessionId) -> Result<Vec<Call>, ReadError> {
        Ok(Vec::new())
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
        broadcast::channel(1).1
    }

    async fn status(&self) -> StoreStatus {
        StoreStatus::default()
    }

    async fn shutdown(&self) {}
}
