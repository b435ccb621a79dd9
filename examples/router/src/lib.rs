//! An application with authentication, a timeout, a nested router, a handler that fails and an error handler: see
//! `main.rs` for how to try it.

use std::fmt;
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use throughline::Telemetry;
use throughline_channel::report_error;
use throughline_tower::error_handling::HandleErrorLayer;
use throughline_tower::{Router, SessionLayer, routing::get};
use tower::timeout::TimeoutLayer;

#[derive(Debug)]
struct NoReceipt(u64);

impl fmt::Display for NoReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {} has no receipt", self.0)
    }
}

impl std::error::Error for NoReceipt {}

impl IntoResponse for NoReceipt {
    fn into_response(self) -> Response {
        report_error(&self);
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

async fn auth(request: Request, next: Next) -> Response {
    if !request.headers().contains_key("x-user-id") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    next.run(request).await
}

async fn require_admin(request: Request, next: Next) -> Response {
    match request.headers().get("x-user-id") {
        Some(user) if user == "admin" => next.run(request).await,
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn show_order(Path(order): Path<u64>) -> String {
    tokio::time::sleep(Duration::from_millis(20)).await;
    format!("order {order}\n")
}

async fn receipt(Path(order): Path<u64>) -> Result<String, NoReceipt> {
    tokio::time::sleep(Duration::from_millis(10)).await;
    Err(NoReceipt(order))
}

async fn slow(Path(order): Path<u64>) -> String {
    tokio::time::sleep(Duration::from_secs(30)).await;
    format!("order {order}, at last\n")
}

/// A body without an end: sent until the client has enough.
async fn follow(Path(order): Path<u64>) -> Body {
    Body::from_stream(stream::unfold(0_u32, move |step| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Ok::<_, std::convert::Infallible>(format!("order {order}: step {step}\n")), step + 1))
    }))
}

async fn stats() -> &'static str {
    "7 orders\n"
}

async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "nothing here\n")
}

async fn on_timeout(error: BoxError) -> (StatusCode, String) {
    (StatusCode::GATEWAY_TIMEOUT, format!("{error}\n"))
}

/// The application; what it does is told to `telemetry`.
pub fn app(telemetry: &Telemetry) -> Router {
    let admin = Router::new().route("/stats", get(stats)).route_layer(from_fn(require_admin));
    Router::new()
        .route("/orders/{order}", get(show_order))
        .route("/orders/{order}/receipt", get(receipt))
        .route("/orders/{order}/slow", get(slow))
        .route("/orders/{order}/follow", get(follow))
        .nest("/admin", admin)
        .fallback(not_found)
        .layers((HandleErrorLayer::new(on_timeout), TimeoutLayer::new(Duration::from_secs(3))))
        .layer(from_fn(auth))
        .layer(
            SessionLayer::new(telemetry)
                .id_from_header("x-session-id")
                .actor_from_header("user", "x-user-id"),
        )
}
