//! An index that cannot be written for a while, as when the disk is full: its directory is gone, and comes back.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use throughline_model::ProjectId;
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::price::Prices;
use throughline_server::store::embedded::EmbeddedStore;
use throughline_server::store::{AppendError, Store};

use super::{answers, config, open};
use crate::conformance::batch;
use crate::conformance::requests::{request, span};

/// Half of it before the failure: a trace that a later span gives a session, an end and a deletion.
fn batches() -> Vec<Batch> {
    let traces = |spans: &[_]| batch(BatchContent::Traces(request(spans)));
    vec![
        traces(&[span(1, 1).in_session("kept"), span(2, 2), span(3, 3).in_session("deleted")]),
        batch(BatchContent::EndSession("kept".into())),
        traces(&[span(4, 4).in_session("kept"), span(5, 5)]),
        batch(BatchContent::DeleteSession("deleted".into())),
        traces(&[span(2, 6).in_session("late"), span(1, 1), span(3, 7).in_session("deleted")]),
        batch(BatchContent::EndSession("late".into())),
    ]
}

async fn wait_until(store: &EmbeddedStore, can_write: bool) -> Option<String> {
    loop {
        let error = store.status().await.write_error;
        if error.is_none() == can_write {
            return error;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn is_exactly(store: &EmbeddedStore, batches: &[Batch]) {
    let oracle = crate::conformance::memory();
    for batch in batches {
        oracle.append(batch.clone()).await.unwrap();
    }
    store.settle().await.unwrap();
    let project = ProjectId::default();
    assert_eq!(answers::of(store, &project).await, answers::of(&oracle, &project).await);
}

/// Appends until the store notices that this index cannot be written, and returns what it acknowledged.
async fn append_without(store: &EmbeddedStore, index: &Path) -> Vec<Batch> {
    let batches = batches();
    let mut acknowledged = batches[..2].to_vec();
    for batch in &acknowledged {
        store.append(batch.clone()).await.unwrap();
    }
    store.settle().await.unwrap();
    fs::rename(index, index.with_extension("away")).unwrap();
    for batch in &batches[2..] {
        match store.append(batch.clone()).await {
            Ok(()) => acknowledged.push(batch.clone()),
            Err(error) => assert!(matches!(error, AppendError::Unavailable(_)), "{error}"),
        }
    }
    let reason = wait_until(store, false).await.unwrap_or_default();
    assert!(reason.contains("writing the index failed"), "{reason}");
    assert!(matches!(store.append(batches[0].clone()).await, Err(AppendError::Unavailable(_))));
    acknowledged
}

async fn recovers_by_itself(index: &str) {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let index = dir.path().join(index);
    let mut acknowledged = append_without(&store, &index).await;
    assert!(acknowledged.len() > 2, "something was acknowledged and not indexed");
    // It goes on failing for a while.
    tokio::time::sleep(Duration::from_millis(600)).await;
    fs::rename(index.with_extension("away"), &index).unwrap();
    wait_until(&store, true).await;
    is_exactly(&store, &acknowledged).await;
    for batch in batches() {
        store.append(batch.clone()).await.unwrap();
        acknowledged.push(batch);
    }
    is_exactly(&store, &acknowledged).await;
}

#[tokio::test]
async fn a_span_index_that_fails_is_taken_up_where_it_stands() {
    recovers_by_itself("spans").await;
}

#[tokio::test]
async fn a_derived_index_that_fails_is_taken_up_where_it_stands() {
    recovers_by_itself("derived").await;
}

#[tokio::test]
async fn what_an_index_could_not_take_is_there_after_a_restart() {
    for index in ["spans", "derived"] {
        let dir = TempDir::new().unwrap();
        let mut config = config(dir.path());
        config.log_file_bytes = 4 << 20;
        let store = EmbeddedStore::open(&config, Prices::builtin()).unwrap();
        let index = dir.path().join(index);
        let acknowledged = append_without(&store, &index).await;
        // Closing does not wait for the disk.
        store.shutdown().await;
        drop(store);
        fs::rename(index.with_extension("away"), &index).unwrap();
        is_exactly(&open(dir.path()), &acknowledged).await;
    }
}
