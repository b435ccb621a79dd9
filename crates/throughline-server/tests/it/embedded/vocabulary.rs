//! Records stored in the words of a vocabulary.

use std::fs;

use tempfile::TempDir;
use throughline_model::SessionId;
use throughline_server::domain::arrival::BatchContent;
use throughline_server::domain::price::Prices;
use throughline_server::store::Store;
use throughline_server::store::embedded::{EmbeddedConfig, EmbeddedStore};

use super::config;
use crate::conformance::requests::{request, span};
use crate::conformance::{batch, project};

const TEXT: &str = "where is the order that was promised for yesterday, and who has it now";

async fn store_some(store: &EmbeddedStore, traces: std::ops::Range<u64>) {
    for trace in traces {
        let spans = [span(trace, trace).in_session("s1").saying(TEXT, TEXT)];
        store.append(batch(BatchContent::Traces(request(&spans)))).await.unwrap();
    }
    store.settle().await.unwrap();
}

#[tokio::test]
async fn records_before_and_after_a_vocabulary_are_read_alike() {
    let dir = TempDir::new().unwrap();
    let config = EmbeddedConfig { sample_bytes: 4 << 10, ..config(dir.path()) };
    let open = || EmbeddedStore::open(&config, Prices::builtin());
    let store = open().unwrap();
    let vocabulary = dir.path().join("vocabularies/1");
    store_some(&store, 1..30).await;
    assert!(fs::read_to_string(&vocabulary).unwrap().lines().any(|word| word == "promised"));
    store_some(&store, 30..60).await;
    let session = SessionId::from("s1");
    let read = async |store: &EmbeddedStore| {
        let detail = store.session_traces(&project(), &session, None, 100).await.unwrap();
        let timeline = store.timeline(&project(), &session, None, 500).await.unwrap();
        (format!("{:?}", detail.rows), format!("{:?}", timeline.rows))
    };
    let before = read(&store).await;
    assert_eq!(before.1.matches(TEXT).count(), 59 * 4, "each text in its record and in its trace");
    store.shutdown().await;
    drop(store);
    let store = open().unwrap();
    assert_eq!(read(&store).await, before);
    drop(store);
    fs::write(&vocabulary, "").unwrap();
    let Err(error) = open() else { panic!("it was opened without its words") };
    assert!(error.to_string().contains("vocabularies/1 is damaged"), "{error}");
}
