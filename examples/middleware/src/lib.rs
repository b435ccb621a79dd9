//! Each request of an axum application in a session, in two ways: see the modules, and `src/bin` for how to try them.

pub mod by_hand;
pub mod by_layer;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use throughline::Telemetry;
use throughline::transport::Otlp;

/// Runs one of the applications on port 3000 until Ctrl-C, with its telemetry on the way to `throughline serve`.
///
/// # Errors
/// If the port is taken, or the telemetry's settings make no sense.
pub async fn run(app: fn(&Telemetry) -> Router) -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = Telemetry::builder("shop").transport(Otlp::from_env()?).build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    // With the peers' addresses, which `ctx.request.ip` comes from.
    let service = app(&telemetry).into_make_service_with_connect_info::<SocketAddr>();
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, service).with_graceful_shutdown(stop).await?;
    let report = tokio::task::spawn_blocking(move || telemetry.shutdown(Duration::from_secs(5))).await?;
    println!("lost: {}", report.lost());
    Ok(())
}
