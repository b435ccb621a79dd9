//! What was acknowledged survives, and counts once, wherever the process died.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;
use throughline_model::ProjectId;
use throughline_server::domain::arrival::Batch;
use throughline_server::domain::price::Prices;
use throughline_server::store::Store;
use throughline_server::store::embedded::EmbeddedStore;

use super::load::{Happening, happening};
use super::{answers, config, open};

/// Copies an index as it is between two commits; once more if a merge ended meanwhile.
fn copy_index(from: &Path, to: &Path) {
    loop {
        let meta = fs::read(from.join("meta.json")).unwrap();
        drop(fs::remove_dir_all(to));
        fs::create_dir_all(to).unwrap();
        let copied = fs::read_dir(from).unwrap().all(|entry| {
            let path = entry.unwrap().path();
            // What is kept to be written over is no part of the index.
            path.is_dir() || fs::copy(&path, to.join(path.file_name().unwrap())).is_ok()
        });
        if copied && fs::read(from.join("meta.json")).unwrap() == meta {
            return;
        }
    }
}

fn put_back(copy: &Path, index: &Path) {
    fs::remove_dir_all(index).unwrap();
    fs::rename(copy, index).unwrap();
}

async fn append(store: &EmbeddedStore, happenings: &[Happening]) {
    for happening in happenings {
        match happening {
            Happening::Append(batch) => store.append(batch.clone()).await.unwrap(),
            Happening::Settle | Happening::Crash => store.settle().await.unwrap(),
        }
    }
    store.settle().await.unwrap();
}

async fn agrees(store: &EmbeddedStore, happenings: &[Happening]) -> Result<(), TestCaseError> {
    let oracle = crate::conformance::memory();
    for happening in happenings {
        if let Happening::Append(batch) = happening {
            oracle.append(batch.clone()).await.unwrap();
        }
    }
    for project in [ProjectId::default(), ProjectId::from("other")] {
        let (ours, theirs) = (answers::of(store, &project).await, answers::of(&oracle, &project).await);
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            prop_assert_eq!(ours, theirs);
        }
    }
    Ok(())
}

/// The span index stands at `first + second`, the derived one at `first`; the log has everything.
async fn recover(
    first: &[Happening],
    second: &[Happening],
    third: &[Happening],
) -> Result<(), TestCaseError> {
    let dir = TempDir::new().unwrap();
    let (spans, derived) = (dir.path().join("spans"), dir.path().join("derived"));
    let (old_spans, old_derived) = (dir.path().join("old_spans"), dir.path().join("old_derived"));
    // One log file holds everything, so that none is put away.
    let mut config = config(dir.path());
    config.log_file_bytes = 4 << 20;
    let store = EmbeddedStore::open(&config, Prices::builtin()).unwrap();
    append(&store, first).await;
    copy_index(&derived, &old_derived);
    append(&store, second).await;
    copy_index(&spans, &old_spans);
    append(&store, third).await;
    drop(store);
    put_back(&old_spans, &spans);
    put_back(&old_derived, &derived);
    let store = open(dir.path());
    let all: Vec<Happening> = [first, second, third].concat();
    agrees(&store, &all).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_crash_between_the_two_commits_changes_nothing(
        first in prop::collection::vec(happening(false), 1..8),
        second in prop::collection::vec(happening(false), 1..8),
        third in prop::collection::vec(happening(false), 0..4),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(recover(&first, &second, &third))?;
    }
}

/// Batches for a test that does not shrink.
fn batches(count: usize) -> Vec<Happening> {
    let mut runner = TestRunner::deterministic();
    let strategy = prop::collection::vec(happening(false), count);
    strategy.new_tree(&mut runner).unwrap().current()
}

/// Appends in order, counting what was acknowledged, until the store refuses.
async fn append_until_gone(store: Arc<EmbeddedStore>, batches: Vec<Batch>, acknowledged: Arc<AtomicUsize>) {
    for batch in batches {
        if store.append(batch).await.is_err() {
            return;
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_dropped_under_load_has_what_it_acknowledged() {
    let happenings = batches(300);
    let batches: Vec<Batch> = happenings
        .iter()
        .filter_map(|happening| match happening {
            Happening::Append(batch) => Some(batch.clone()),
            _ => None,
        })
        .collect();
    let dir = TempDir::new().unwrap();
    let mut done = 0;
    let mut pause = 3;
    while done < batches.len() {
        let store = Arc::new(open(dir.path()));
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let rest = batches[done..].to_vec();
        let appending = tokio::spawn(append_until_gone(Arc::clone(&store), rest, Arc::clone(&acknowledged)));
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        pause = pause * 7 % 113;
        appending.abort();
        drop(appending.await);
        done += acknowledged.load(Ordering::SeqCst);
        drop(store);
    }
    let store = open(dir.path());
    agrees(&store, &happenings).await.unwrap();
}
