//! The log behind HTTP: what the way there and back costs beside the append and the sync.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::post;

use crate::load::Load;
use crate::process::Latencies;

/// Posts so many requests of the load, one after the other, to a server that appends and syncs what it gets, and
/// nothing else; how long each took.
pub(crate) fn append_and_sync_behind_http(
    load: &Load,
    requests: usize,
    directory: &Path,
) -> anyhow::Result<Latencies> {
    let path = directory.join("http-floor");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let file = Arc::new(Mutex::new(file));
    let append = move |body: Bytes| {
        let file = Arc::clone(&file);
        async move {
            let append = move || {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.write_all(&body)?;
                file.sync_data()
            };
            match tokio::task::spawn_blocking(append).await {
                Ok(Ok(())) => StatusCode::OK,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            }
        }
    };
    let runtime = crate::runtime()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))?;
    let url = format!("http://{}/", listener.local_addr()?);
    let router = Router::new().route("/", post(append)).layer(DefaultBodyLimit::disable());
    runtime.spawn(axum::serve(listener, router).into_future());
    let agent = ureq::Agent::new_with_defaults();
    let (mut body, mut latencies) = (Vec::new(), Latencies::default());
    for number in 0..requests {
        load.request(number, &mut body);
        let begin = Instant::now();
        agent.post(&url).send(&body)?.body_mut().read_to_vec()?;
        latencies.push(begin.elapsed());
    }
    std::fs::remove_file(&path)?;
    Ok(latencies)
}
