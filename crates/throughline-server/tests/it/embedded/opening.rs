//! Opening a data directory, the bounds of memory, and reopening.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use throughline_server::domain::arrival::BatchContent;
use throughline_server::domain::filter::Target;
use throughline_server::domain::lifecycle::{Boundary, Lifecycle};
use throughline_server::domain::price::Prices;
use throughline_server::store::embedded::{EmbeddedConfig, EmbeddedStore, OpenError};
use throughline_server::store::{AppendError, Store};

use super::{config, open};
use crate::conformance::requests::{Spec, at, request, span};
use crate::conformance::{batch, everything, matching, project};

fn traces(spans: &[Spec]) -> throughline_server::domain::arrival::Batch {
    batch(BatchContent::Traces(request(spans)))
}

#[tokio::test]
async fn a_data_directory_has_one_server_at_a_time() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path());
    let second = EmbeddedStore::open(&config(dir.path()), Prices::builtin());
    assert!(matches!(second, Err(OpenError::Locked(_))));
    drop(first);
    open(dir.path());
}

#[tokio::test]
async fn another_format_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("format"), "throughline store, format 7\n").unwrap();
    let Err(error) = EmbeddedStore::open(&config(dir.path()), Prices::builtin()) else {
        panic!("it was opened")
    };
    assert!(error.to_string().contains("format 7"), "{error}");
    assert!(!dir.path().join("spans").exists());
}

#[tokio::test]
async fn indexes_with_other_fields_are_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).shutdown().await;
    let described = dir.path().join("spans/meta.json");
    let older = fs::read_to_string(&described).unwrap().replace("\"failed\"", "\"broken\"");
    fs::write(&described, &older).unwrap();
    let opened = EmbeddedStore::open(&config(dir.path()), Prices::builtin());
    assert!(matches!(opened, Err(OpenError::Fields(refused)) if refused == dir.path()));
    assert_eq!(fs::read_to_string(&described).unwrap(), older);
}

#[tokio::test]
async fn what_was_closed_is_there_again_without_the_log() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    store.append(traces(&[span(1, 1).in_session("s1")])).await.unwrap();
    store.shutdown().await;
    assert!(matches!(store.append(traces(&[span(2, 2)])).await, Err(AppendError::Unavailable(_))));
    drop(store);
    // Everything is in the indexes; new entries must still be told from those of the lost log.
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    let store = open(dir.path());
    store.append(traces(&[span(1, 1), span(2, 2).in_session("s2")])).await.unwrap();
    store.settle().await.unwrap();
    assert_eq!(store.sessions(&project(), &everything()).await.unwrap().rows.len(), 2);
    assert_eq!(store.status().await.spans_stored, 2);
}

#[tokio::test]
async fn what_an_unfinished_commit_left_is_cleared_away() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    store.append(traces(&[span(1, 1).in_session("s1")])).await.unwrap();
    store.shutdown().await;
    drop(store);
    let leftovers =
        ["spans", "derived"].map(|index| dir.path().join(index).join(format!("{:032x}.store", 7)));
    for leftover in &leftovers {
        fs::write(leftover, "half a segment").unwrap();
    }
    let store = open(dir.path());
    store.append(traces(&[span(2, 2).in_session("s2")])).await.unwrap();
    store.settle().await.unwrap();
    assert_eq!(store.sessions(&project(), &everything()).await.unwrap().rows.len(), 2);
    assert!(leftovers.iter().all(|leftover| !leftover.exists()));
    // Every file of an index is one that a commit names or that is no segment's.
    store.shutdown().await;
    for index in ["spans", "derived"] {
        let managed = fs::read_to_string(dir.path().join(index).join(".managed.json")).unwrap();
        for entry in fs::read_dir(dir.path().join(index)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(name.starts_with('.') || managed.contains(&name), "{name} is in no list");
        }
    }
}

#[tokio::test]
async fn thousands_of_distinct_attributes_are_found_each() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    for trace in 1..=4 {
        let mut spec = span(trace, trace).in_session(&format!("s{trace}"));
        for key in 0..1500 {
            spec = spec.number(&format!("key.{trace}.{key}"), key);
        }
        store.append(traces(&[spec])).await.unwrap();
    }
    store.settle().await.unwrap();
    for filter in ["attr.key.3.1499:1499", "attr.key.3.700:>=700", "attr.key.3.0:*"] {
        let found = store.sessions(&project(), &matching(filter, Target::Session)).await.unwrap().rows;
        assert_eq!(found.iter().map(|session| session.id.as_str()).collect::<Vec<_>>(), ["s3"], "{filter}");
    }
}

/// Merges wait while the writer is behind, also where a machine is so slow that its commits come by the clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_pile_up_while_every_commit_is_overdue() {
    const COMMITS: u64 = 12;
    let dir = TempDir::new().unwrap();
    let mut config = config(dir.path());
    config.commit_after = Duration::ZERO;
    let store = EmbeddedStore::open(&config, Prices::builtin()).unwrap();
    for n in 1..=COMMITS {
        store.append(traces(&[span(n, n)])).await.unwrap();
    }
    store.settle().await.unwrap();
    store.shutdown().await;
    let meta: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join("spans/meta.json")).unwrap()).unwrap();
    assert_eq!(meta["segments"].as_array().unwrap().len() as u64, COMMITS);
}

/// What is accepted and not yet searchable is bounded; who sends more is told to come back, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_says_that_it_is_busy() {
    let dir = TempDir::new().unwrap();
    let mut config = config(dir.path());
    config.waiting_bytes = 4 << 20;
    config.commit_bytes = usize::MAX;
    config.commit_after = Duration::from_secs(3);
    config.commit_when_idle = Duration::from_secs(3);
    let store = Arc::new(EmbeddedStore::open(&config, Prices::builtin()).unwrap());
    let text = "lorem ipsum ".repeat(100_000);
    let sends: Vec<_> = (1..=8)
        .map(|n| {
            let (store, batch) = (Arc::clone(&store), traces(&[span(n, n).saying(&text, "")]));
            tokio::spawn(async move { store.append(batch).await })
        })
        .collect();
    let (mut taken, mut busy) = (0, 0);
    for send in sends {
        match send.await.unwrap() {
            Ok(()) => taken += 1,
            Err(AppendError::Busy { .. }) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(taken >= 3 && busy >= 3, "{taken} taken, {busy} busy");
    assert!(store.status().await.bytes_waiting <= 4 << 20);
    store.settle().await.unwrap();
    assert_eq!(store.status().await.spans_stored, taken);
    store.append(traces(&[span(9, 9)])).await.unwrap();
}

/// Files of an index that are no longer needed are kept while there is something to write over them, and no longer: what
/// was deleted is to leave the disk.
#[tokio::test]
async fn files_no_longer_needed_leave_the_disk_once_nothing_comes() {
    let dir = TempDir::new().unwrap();
    let mut config = config(dir.path());
    config.give_back_after = Duration::from_millis(500);
    let store = EmbeddedStore::open(&config, Prices::builtin()).unwrap();
    let kept = || fs::read_dir(dir.path().join("spans/spare")).map_or(0, Iterator::count);
    let mut came = 0;
    while kept() == 0 {
        came += 1;
        assert!(came < 200, "nothing is ever kept");
        store.append(traces(&[span(came, came).in_session("s1")])).await.unwrap();
        store.settle().await.unwrap();
    }
    let gone = async {
        while kept() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it is kept for ever");
    store.append(traces(&[span(came + 1, came + 1).in_session("s1")])).await.unwrap();
    store.settle().await.unwrap();
    assert_eq!(store.status().await.spans_stored, came + 1);
}

/// How far each thread of this process stands behind, in the steps of `nice`, by its name.
#[cfg(target_os = "linux")]
fn threads_behind() -> Vec<(String, i64)> {
    let threads = fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
    // A thread may have ended since.
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.join("stat")).ok());
    let behind = |stat: String| {
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        Some((name.to_owned(), rest.split_whitespace().nth(16)?.parse().ok()?))
    };
    stats.filter_map(behind).collect()
}

/// Merging takes as much of the processors as indexing does: none of the threads may be forgotten.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn threads_that_index_stand_behind_the_log() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    store.append(traces(&[span(1, 1).in_session("s1")])).await.unwrap();
    store.settle().await.unwrap();
    let of_index = |name: &str| {
        ["writer", "merge_", "segment_", "thrd-tantivy"].iter().any(|begin| name.starts_with(begin))
    };
    // Other tests begin threads all the time, which take a moment until they stand where they belong.
    let settled = async {
        loop {
            let (index, others): (Vec<_>, Vec<_>) =
                threads_behind().into_iter().partition(|(name, _)| of_index(name));
            if index.len() >= 6 && index.iter().all(|(_, behind)| *behind == 19) {
                assert!(others.iter().any(|(name, behind)| name == "log" && *behind < 19), "{others:?}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled)
        .await
        .unwrap_or_else(|_| panic!("{:?}", threads_behind()));
}

#[tokio::test]
async fn another_boundary_applies_to_sessions_as_they_go_on() {
    let dir = TempDir::new().unwrap();
    let turn = |n: u64, minute: i64| span(n, n).during(minute * 60_000, minute * 60_000 + 1000);
    let spans = [turn(1, 0).in_session("s"), turn(2, 60).in_session("s"), turn(3, 0).of_user("alice")];
    let store = open(dir.path());
    store.append(batch(BatchContent::Traces(request(&spans)))).await.unwrap();
    store.shutdown().await;
    drop(store);

    let lifecycle =
        Lifecycle { boundary: Boundary::Inactivity(30 * 60 * 1_000_000_000), ..Lifecycle::default() };
    let split = EmbeddedConfig { lifecycle, ..config(dir.path()) };
    let store = EmbeddedStore::open(&split, Prices::builtin()).unwrap();
    let parts = async |id: &str| {
        let found = store.session(&project(), &id.into(), at(0)).await.unwrap();
        found.map(|session| session.part_count)
    };
    assert_eq!((parts("s").await, parts("synthetic:alice").await), (Some(0), None), "as it was stored");
    let more = [turn(4, 120).in_session("s"), turn(5, 120).of_user("alice"), span(3, 33).below(3)];
    store.append(batch(BatchContent::Traces(request(&more)))).await.unwrap();
    store.settle().await.unwrap();
    assert_eq!((parts("s").await, parts("synthetic:alice").await), (Some(3), Some(2)));

    store.shutdown().await;
    drop(store);
    let store = open(dir.path());
    store.append(batch(BatchContent::Traces(request(&[span(3, 34).below(3)])))).await.unwrap();
    store.settle().await.unwrap();
    let found = store.session(&project(), &"synthetic:alice".into(), at(0)).await.unwrap().unwrap();
    assert_eq!((found.trace_count, found.part_count), (1, 0), "what is looked at anew names no session");
}
