//! Every request in a session, by `SessionLayer`: what Express has `app.use` for.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use throughline::{Telemetry, emit};
use throughline_tower::SessionLayer;

/// An application whose handlers say nothing of users and requests, and whose events know both.
pub fn app(telemetry: &Telemetry) -> Router {
    let sessions = SessionLayer::new(telemetry)
        // Where the headers below are missing.
        .with(|session, _| session.actor("user", "anonymous").scope("organization", "unknown"))
        .actor_from_header("user", "x-user-id")
        .scope_from_header("organization", "x-org-id")
        // `request.started`, and `request.completed` when the last byte of the answer is out.
        .emit_requests();
    let (orders, payments) = (telemetry.clone(), telemetry.clone());
    Router::new()
        .route("/orders/{id}", get(async move |path| show_order(&orders, path).await))
        .route("/orders", post(async move || pay(&payments)))
        .layer(sessions)
}

async fn show_order(telemetry: &Telemetry, axum::extract::Path(id): axum::extract::Path<u32>) -> String {
    emit!(telemetry, "order.viewed", "ctx.order.id" => id);
    format!("order {id}\n")
}

fn pay(telemetry: &Telemetry) -> StatusCode {
    let declined = std::io::Error::other("card declined by issuer");
    emit!(telemetry, error, "payment.failed", error: &declined, "ctx.payment.provider" => "stripe");
    StatusCode::PAYMENT_REQUIRED
}
