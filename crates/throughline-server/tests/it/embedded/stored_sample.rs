//! A data directory that was written once is read by every later version of the same format.
//!
//! `testdata/stores/1` holds what [`write`] leaves behind: some of it in both indexes, the rest only in the log; of what is
//! in the indexes, the last in the words of a vocabulary.
//! `UPDATE_STORED_SAMPLE=1 cargo test stored_sample` writes it anew; CONTRIBUTING.md says when that is right.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use throughline_model::{Event, Session};
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::filter::Target;
use throughline_server::domain::price::Prices;
use throughline_server::store::Store;
use throughline_server::store::embedded::{EmbeddedConfig, EmbeddedStore};

use super::config;
use crate::conformance::requests::{event_in, generation, request, span, trace_id};
use crate::conformance::{batch, everything, matching, project};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/stores/1")
}

fn small(dir: &Path) -> EmbeddedConfig {
    EmbeddedConfig { log_file_bytes: 16 << 10, index_threads: 1, sample_bytes: 4 << 10, ..config(dir) }
}

fn indexed() -> Vec<Batch> {
    vec![
        batch(BatchContent::Traces(request(&[
            span(1, 1).named("chat turn").in_session("chat").of_user("alice").tags(&["vip"]),
            generation(1, 2, 1200, 34).below(1).saying("Where is my parcel?", "It left Bergen yesterday."),
            span(1, 3).below(1).kind("TOOL").named("track").failing("the carrier timed out"),
        ]))),
        batch(BatchContent::Traces(request(&[span(2, 4).in_session("gone")]))),
        batch(BatchContent::Events(vec![
            event_in("shipped", 70, Some("chat"), None),
            event_in("inside", 15, None, Some(1)),
        ])),
        batch(BatchContent::EndSession("chat".into())),
        batch(BatchContent::DeleteSession("gone".into())),
    ]
}

/// Acknowledged, and not indexed when the writer died. One of the spans is a duplicate.
fn logged() -> Vec<Batch> {
    vec![
        batch(BatchContent::Traces(request(&[span(3, 5).in_session("cut off"), span(1, 3).below(1)]))),
        batch(BatchContent::Events(vec![event_in("last", 90, Some("cut off"), None)])),
    ]
}

/// Writes the sample into an empty directory.
async fn write(dir: &Path) {
    let mut config = small(dir);
    let store = EmbeddedStore::open(&config, Prices::builtin()).unwrap();
    for batch in indexed() {
        store.append(batch).await.unwrap();
        store.settle().await.unwrap();
    }
    assert!(dir.join("vocabularies/1").exists());
    store.shutdown().await;
    drop(store);
    config.commit_when_idle = std::time::Duration::from_secs(3600);
    config.commit_after = config.commit_when_idle;
    let store = EmbeddedStore::open(&config, Prices::builtin()).unwrap();
    for batch in logged() {
        store.append(batch).await.unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(path, to.join(name)).unwrap();
        }
    }
}

/// Traces, observations, events, errors, tokens, picodollars.
fn totals(session: &Session) -> (u64, u64, u64, u64, u64, Option<i128>) {
    (
        session.trace_count,
        session.observation_count,
        session.event_count,
        session.error_count,
        session.usage.total(),
        session.total_cost.map(|cost| cost.picodollars()),
    )
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

#[tokio::test]
async fn stored_sample_of_this_format_is_read_to_the_last_digit() {
    let dir = TempDir::new().unwrap();
    if std::env::var_os("UPDATE_STORED_SAMPLE").is_some() {
        write(dir.path()).await;
        drop(fs::remove_dir_all(sample()));
        copy(dir.path(), &sample());
    }
    let dir = TempDir::new().unwrap();
    copy(&sample(), dir.path());
    let opened = EmbeddedStore::open(&small(dir.path()), Prices::builtin());
    let store = opened.unwrap_or_else(|error| {
        panic!("{error}\nthe on-disk format has changed: see \"The on-disk format\" in CONTRIBUTING.md")
    });

    let sessions = store.sessions(&project(), &everything()).await.unwrap().rows;
    let sessions: Vec<_> = sessions.iter().map(|session| (session.id.as_str(), totals(session))).collect();
    // 1200 tokens in at $2.50 and 34 out at $10 a million.
    let cost = Some(1200 * 2_500_000 + 34 * 10_000_000);
    assert_eq!(sessions, [("chat", (1, 3, 2, 1, 1234, cost)), ("cut off", (1, 1, 1, 0, 0, None))]);

    let detail = store.trace(&project(), &trace_id(1)).await.unwrap().expect("the trace is there");
    assert_eq!((detail.trace.name.as_str(), detail.trace.user_id.as_deref()), ("chat turn", Some("alice")));
    assert_eq!(detail.trace.tags, ["vip"]);
    let names: Vec<&str> = detail.observations.iter().map(|observation| observation.name.as_str()).collect();
    assert_eq!(names, ["chat turn", "span 2", "track"]);
    assert_eq!(detail.observations[2].status_message.as_deref(), Some("the carrier timed out"));
    assert!(store.trace(&project(), &trace_id(2)).await.unwrap().is_none(), "it was deleted");

    let events = store.events(&project(), &everything()).await.unwrap().rows;
    assert_eq!(ids(&events), ["inside", "shipped", "last"]);
    assert_eq!(events[0].session_id.as_ref().map(|id| id.as_str()), Some("chat"));
    for (filter, found) in [("bergen", 1), ("user:alice model:gpt-4o tag:vip", 1), ("bergen oslo", 0)] {
        let rows = store.traces(&project(), &matching(filter, Target::Trace)).await.unwrap().rows;
        assert_eq!(rows.len(), found, "{filter}");
    }
    assert_eq!(store.status().await.duplicates_dropped, 1);
}
