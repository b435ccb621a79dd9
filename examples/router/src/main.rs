//! An application with authentication, a timeout, a nested router, a handler that fails and an error handler. Start the
//! server (`throughline serve`), then this, ask it something, and look at the traces:
//!
//! ```console
//! $ cargo run --package router-example
//! $ curl -H 'x-user-id: alice' http://127.0.0.1:3000/orders/7
//! $ curl -H 'x-user-id: alice' http://127.0.0.1:3000/orders/7/receipt      # fails
//! $ curl -H 'x-user-id: alice' http://127.0.0.1:3000/orders/7/slow         # runs into the timeout
//! $ curl -m 1 -H 'x-user-id: alice' http://127.0.0.1:3000/orders/7/slow    # hangs up before that
//! $ curl -m 1 -H 'x-user-id: alice' http://127.0.0.1:3000/orders/7/follow  # hangs up while the answer comes
//! $ curl http://127.0.0.1:3000/admin/stats                                 # may not
//! ```
//!
//! Data goes to `OTEL_EXPORTER_OTLP_ENDPOINT`, `http://127.0.0.1:4318` if that is not set.

use std::time::Duration;

use router_example::app;
use throughline::Telemetry;
use throughline::transport::Otlp;
use throughline_tower::LayerExporter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = Telemetry::builder("shop").transport(Otlp::from_env()?).build()?;
    let _export = LayerExporter::new(&telemetry).start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(&telemetry)).with_graceful_shutdown(stop).await?;
    let report = tokio::task::spawn_blocking(move || telemetry.shutdown(Duration::from_secs(5))).await?;
    println!("lost: {}", report.lost());
    Ok(())
}
