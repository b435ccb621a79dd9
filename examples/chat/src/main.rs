//! A chat whose conversations are sessions. Start the server (`throughline serve`), then this, chat a little, and follow
//! the links to the session and its replay:
//!
//! ```console
//! $ cargo run --package chat-example
//! ```
//!
//! The model is a script, unless `OPENAI_BASE_URL` (with `OPENAI_API_KEY` and `OPENAI_MODEL`) names an endpoint. Data
//! goes to `OTEL_EXPORTER_OTLP_ENDPOINT`, `http://127.0.0.1:4318` if that is not set.

use std::time::Duration;

use chat_example::app;
use chat_example::model::Model;
use throughline::Telemetry;
use throughline::transport::Otlp;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = Telemetry::builder("chat").transport(Otlp::from_env()?).build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("chat on http://{}", listener.local_addr()?);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    let app = app(&telemetry, Model::from_environment());
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    let report = tokio::task::spawn_blocking(move || telemetry.shutdown(Duration::from_secs(5))).await?;
    println!("lost: {}", report.lost());
    Ok(())
}
