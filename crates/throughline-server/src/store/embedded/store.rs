//! The engine as the doors see it.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use throughline_model::{
    Event, Observation, ProjectId, Session, SessionId, SpanId, Timestamp, Trace, TraceId,
};
use tokio::sync::broadcast;

use super::EmbeddedStore;
use super::directory::indexes;
use super::reading::Reading;
use super::snapshot::IndexError;
use super::span_index::mark;
use crate::domain::analytics::{
    Goal, GoalReport, Interval, Journeys, ScoreStatistics, Selection, SessionStatistics, StepKind,
};
use crate::domain::arrival::{Arrival, Batch};
use crate::domain::price::{CallRange, Repricing};
use crate::domain::query::{
    Cursor, ListQuery, Page, TimelineItem, TraceDetail, TraceOutline, UsageQuery, UsageReport, User,
};
use crate::domain::session_cost::Call;
use crate::store::priority::Senders;
use crate::store::{AppendError, ReadError, Store, StoreStatus};

impl EmbeddedStore {
    /// Runs a read on a thread where it may take its time.
    async fn read<T: Send + 'static>(
        &self,
        project: &ProjectId,
        read: impl FnOnce(&Reading) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let executor = std::sync::Arc::clone(&self.executor);
        let reading = Reading::new(self.snapshots.latest(), project, &self.config.lifecycle, executor);
        match tokio::task::spawn_blocking(move || read(&reading)).await {
            Ok(outcome) => outcome.map_err(|error| ReadError(error.to_string())),
            Err(error) => Err(ReadError(error.to_string())),
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    fn senders(&self) -> Senders {
        self.senders.clone()
    }

    async fn append(&self, batch: Batch) -> Result<(), AppendError> {
        self.append_batch(batch).await
    }

    async fn settle(&self) -> Result<(), ReadError> {
        self.settled().await
    }

    async fn sessions(&self, project: &ProjectId, query: &ListQuery) -> Result<Page<Session>, ReadError> {
        let query = query.clone();
        self.read(project, move |reading| reading.sessions(&query)).await
    }

    async fn session(
        &self,
        project: &ProjectId,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, ReadError> {
        let id = id.clone();
        self.read(project, move |reading| reading.session(&id, now)).await
    }

    async fn session_traces(
        &self,
        project: &ProjectId,
        id: &SessionId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Trace>, ReadError> {
        let (id, after) = (id.clone(), after.cloned());
        self.read(project, move |reading| reading.session_traces(&id, after.as_ref(), limit)).await
    }

    async fn timeline(
        &self,
        project: &ProjectId,
        id: &SessionId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<TimelineItem>, ReadError> {
        let (id, after) = (id.clone(), after.cloned());
        self.read(project, move |reading| reading.timeline(&id, after.as_ref(), limit)).await
    }

    async fn traces(&self, project: &ProjectId, query: &ListQuery) -> Result<Page<Trace>, ReadError> {
        let query = query.clone();
        self.read(project, move |reading| reading.traces(&query)).await
    }

    async fn trace(&self, project: &ProjectId, id: &TraceId) -> Result<Option<TraceDetail>, ReadError> {
        let id = *id;
        self.read(project, move |reading| reading.trace(id)).await
    }

    async fn trace_outline(
        &self,
        project: &ProjectId,
        id: &TraceId,
    ) -> Result<Option<TraceOutline>, ReadError> {
        let id = *id;
        self.read(project, move |reading| reading.trace_outline(id)).await
    }

    async fn observations(
        &self,
        project: &ProjectId,
        trace: &TraceId,
        ids: &[SpanId],
    ) -> Result<Vec<Observation>, ReadError> {
        let (trace, ids) = (*trace, ids.iter().copied().collect());
        self.read(project, move |reading| reading.observations(trace, &ids)).await
    }

    async fn received_spans(
        &self,
        project: &ProjectId,
        trace: &TraceId,
        ids: &[SpanId],
    ) -> Result<Vec<Bytes>, ReadError> {
        let (trace, ids) = (*trace, ids.iter().copied().collect());
        self.read(project, move |reading| reading.received_spans(trace, &ids)).await
    }

    async fn events(&self, project: &ProjectId, query: &ListQuery) -> Result<Page<Event>, ReadError> {
        let query = query.clone();
        self.read(project, move |reading| reading.events(&query)).await
    }

    async fn users(&self, project: &ProjectId, query: &ListQuery) -> Result<Page<User>, ReadError> {
        let query = query.clone();
        self.read(project, move |reading| reading.users(&query)).await
    }

    async fn usage(&self, project: &ProjectId, query: &UsageQuery) -> Result<UsageReport, ReadError> {
        let query = query.clone();
        self.read(project, move |reading| reading.usage(&query)).await
    }

    async fn session_calls(&self, project: &ProjectId, id: &SessionId) -> Result<Vec<Call>, ReadError> {
        let id = id.clone();
        self.read(project, move |reading| reading.session_calls(&id)).await
    }

    async fn repricing(&self, project: &ProjectId, range: CallRange) -> Result<Repricing, ReadError> {
        let prices = std::sync::Arc::clone(&self.prices);
        self.read(project, move |reading| reading.repricing(range, &prices)).await
    }

    async fn session_statistics(
        &self,
        project: &ProjectId,
        selection: &Selection,
        interval: Interval,
    ) -> Result<SessionStatistics, ReadError> {
        let selection = selection.clone();
        self.read(project, move |reading| reading.session_statistics(&selection, interval)).await
    }

    async fn journeys(
        &self,
        project: &ProjectId,
        selection: &Selection,
        by: StepKind,
        funnel: &[String],
    ) -> Result<Journeys, ReadError> {
        let (selection, funnel) = (selection.clone(), funnel.to_vec());
        self.read(project, move |reading| reading.journeys(&selection, by, &funnel)).await
    }

    async fn goal(
        &self,
        project: &ProjectId,
        selection: &Selection,
        goal: &Goal,
        interval: Interval,
    ) -> Result<GoalReport, ReadError> {
        let (selection, goal) = (selection.clone(), goal.clone());
        self.read(project, move |reading| reading.goal(&selection, &goal, interval)).await
    }

    async fn score_statistics(
        &self,
        project: &ProjectId,
        selection: &Selection,
        interval: Interval,
    ) -> Result<Vec<ScoreStatistics>, ReadError> {
        let selection = selection.clone();
        self.read(project, move |reading| reading.score_statistics(&selection, interval)).await
    }

    fn subscribe(&self) -> broadcast::Receiver<Arrival> {
        self.live.subscribe()
    }

    async fn status(&self) -> StoreStatus {
        let dir = self.config.data_dir.clone();
        let snapshot = self.snapshots.latest();
        let counted = tokio::task::spawn_blocking(move || {
            let count = |kind| snapshot.count(kind).unwrap_or_default();
            let bytes: u64 = indexes(&dir).iter().map(|index| directory_bytes(index)).sum();
            (count(mark::SPAN), count(mark::EVENT) + count(mark::REPLACED), bytes)
        });
        let (spans_stored, events_stored, index_bytes) = counted.await.unwrap_or_default();
        StoreStatus {
            write_error: self.write_error(),
            spans_stored,
            events_stored,
            duplicates_dropped: self.health.duplicates(),
            batches_waiting: self.health.waiting(),
            bytes_waiting: self.bytes_waiting(),
            log_bytes: self.health.log_bytes(),
            index_bytes,
        }
    }

    async fn shutdown(&self) {
        let threads = self.take_threads();
        let closed = tokio::task::spawn_blocking(move || threads.map(super::Threads::close));
        if closed.await.is_err() {
            tracing::error!("the store did not close cleanly; what it left is taken up at the next start");
        }
    }
}

/// Bytes of the files right in a directory; what cannot be read counts nothing.
fn directory_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|metadata| metadata.len()).sum()
}
