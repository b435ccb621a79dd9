//! Every request under `/api` in a session, with the SDK alone: what Next.js has `middleware.ts` and its matcher for.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, OriginalUri, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use throughline::{SessionBuilder, Telemetry, emit};

/// An application of which only the part under `/api` is in sessions.
pub fn app(telemetry: &Telemetry) -> Router {
    let carts = telemetry.clone();
    let api = Router::new()
        .route("/cart", get(async move || show_cart(&carts)))
        // Of its own, so that what is not found is in a session too.
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(from_fn_with_state(telemetry.clone(), in_session));
    Router::new().nest("/api", api).route("/", get(async || "hello\n"))
}

async fn in_session(State(telemetry): State<Telemetry>, request: Request, next: Next) -> Response {
    session_of(&telemetry, &request)
        .run(async {
            emit!(telemetry, "request.started");
            let response = next.run(request).await;
            emit!(telemetry, "request.completed", "ctx.request.status" => response.status().as_u16());
            response
        })
        .await
}

/// Who asks for what.
fn session_of(telemetry: &Telemetry, request: &Request) -> SessionBuilder {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    // Inside a nested router the request's own path is without `/api`.
    let uri = request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    telemetry
        .session()
        .actor("user", header("x-user-id").unwrap_or("anonymous"))
        .scope("organization", header("x-org-id").unwrap_or("unknown"))
        .attribute("ctx.request.method", request.method().as_str())
        .attribute("ctx.request.path", uri.path())
        .attribute(
            "ctx.request.ip",
            peer.map_or_else(|| "unknown".to_owned(), |peer| peer.0.ip().to_string()),
        )
}

fn show_cart(telemetry: &Telemetry) -> &'static str {
    emit!(telemetry, "cart.viewed", "ctx.cart.items" => 2);
    "2 bicycles\n"
}
