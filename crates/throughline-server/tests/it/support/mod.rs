//! A real server on free ports, and what tests need to talk to it.

mod client;
mod engine;
pub(crate) mod otlp;
mod recording_store;

use std::collections::BTreeMap;
use std::sync::Arc;

use throughline_model::Timestamp;
use throughline_server::app::{self, Addresses, Running};
use throughline_server::config::{Config, Environment, Values};
use throughline_server::http::Clock;
use throughline_server::store::Store;

pub(crate) use client::{Reply, Request};
pub(crate) use engine::Engine;
pub(crate) use recording_store::{Mood, RecordingStore};

/// What the servers of tests take for now: 2026-11-21T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_nanos(1_795_262_400_000_000_000);

/// A configuration on free ports, without the machine's environment or files.
pub(crate) fn config(flags: &[(&'static str, &str)]) -> Config {
    let mut given: BTreeMap<&'static str, String> = [
        ("listen.http", "127.0.0.1:0".to_owned()),
        ("listen.grpc", "127.0.0.1:0".to_owned()),
        ("listen.drain", "2s".to_owned()),
        ("store.engine", "memory".to_owned()),
    ]
    .into();
    given.extend(flags.iter().map(|(key, value)| (*key, (*value).to_owned())));
    Config::from_values(&Values::gather(&given, Environment::default(), None).unwrap()).unwrap()
}

/// A running server.
pub(crate) struct TestServer {
    pub(crate) addresses: Addresses,
    running: Option<Running>,
    /// Where the store is, if it is on disk; deleted with the server.
    directory: Option<tempfile::TempDir>,
}

impl TestServer {
    /// A server on a fresh store of an engine.
    pub(crate) async fn on(engine: Engine) -> (Self, Arc<dyn Store>) {
        let (store, directory) = engine.open();
        let mut server = Self::with_store(store.clone(), &[]).await;
        server.directory = directory;
        (server, store)
    }

    pub(crate) async fn with_store(store: Arc<dyn Store>, flags: &[(&'static str, &str)]) -> Self {
        Self::starting(store, flags, NOW).await
    }

    /// A server that takes another time for now.
    pub(crate) async fn with_store_at(store: Arc<dyn Store>, now: Timestamp) -> Self {
        Self::starting(store, &[], now).await
    }

    async fn starting(store: Arc<dyn Store>, flags: &[(&'static str, &str)], now: Timestamp) -> Self {
        let running = app::start_with(&config(flags), store, Clock::fixed(now)).await.unwrap();
        Self { addresses: running.addresses, running: Some(running), directory: None }
    }

    /// A server whose store only records what it is given.
    pub(crate) async fn recording() -> (Self, Arc<RecordingStore>) {
        Self::recording_with(&[]).await
    }

    pub(crate) async fn recording_with(flags: &[(&'static str, &str)]) -> (Self, Arc<RecordingStore>) {
        let store = Arc::new(RecordingStore::default());
        (Self::with_store(store.clone(), flags).await, store)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addresses.http)
    }

    pub(crate) fn grpc_url(&self) -> String {
        format!("http://{}", self.addresses.grpc.unwrap())
    }

    pub(crate) fn get(&self, path: &str) -> Request {
        Request::new("GET", &self.url(), path)
    }

    pub(crate) fn post(&self, path: &str) -> Request {
        Request::new("POST", &self.url(), path)
    }

    pub(crate) async fn stop(mut self) {
        self.running.take().unwrap().stop().await;
    }
}
