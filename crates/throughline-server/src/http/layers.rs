//! The layers around all routes, in one place so that their order is plain to see.

use std::any::Any;

use axum::Router;
use axum::extract::{Request, State as Extract};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use super::{Error, ErrorPage, Guard, Kind, RequestId, State};

/// Pages load only what the binary itself serves; nothing runs inline and nobody may frame them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// What surrounds the routes of one listener.
#[derive(Clone, Copy, Default)]
pub struct Outside {
    /// Who may talk to the server; `None` when keys are configured.
    pub guard: Option<Guard>,
    /// How errors look in a browser; JSON without it.
    pub error_page: Option<ErrorPage>,
}

/// Puts the layers around merged routes: request id and error bodies outermost, then security headers, compression,
/// the guard and the panic catcher.
pub fn finish(routes: Router<State>, state: State, outside: Outside) -> Router {
    let metrics = state.metrics.clone();
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn(move |request, next| guarded(outside.guard, request, next)))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state((outside.error_page, metrics), answer))
        .with_state(state)
}

async fn no_route(request: Request) -> Error {
    Error::not_found(format!("nothing is at {}", shortened(request.uri().path())))
}

async fn wrong_method(request: Request) -> Error {
    let (method, path) = (request.method(), shortened(request.uri().path()));
    Error::new(Kind::MethodNotAllowed, format!("{path} does not answer to {method}"))
}

fn shortened(path: &str) -> String {
    path.chars().take(200).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    Error::internal(format_args!("a handler panicked: {text}")).into_response()
}

async fn guarded(guard: Option<Guard>, request: Request, next: Next) -> Response {
    match guard.map_or(Ok(()), |guard| guard.check(&request)) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Gives the request its id, and the answer its headers and, if it is an error, its body.
async fn answer(
    Extract((page, metrics)): Extract<(Option<ErrorPage>, std::sync::Arc<super::Metrics>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let speaks_langfuse = request.uri().path().starts_with("/api/public/");
    let page = page
        .filter(|_| wants_page(request.headers(), request.uri().path()))
        .map(|page| (page, request.uri().clone(), request.headers().clone()));
    let mut response = next.run(request).await;
    if let Some(error) = Error::take_from(&mut response) {
        error.log(&id);
        let body = match page {
            Some((page, uri, headers)) => {
                error.respond("text/html; charset=utf-8", page(&error.view(&id, &uri, &headers)))
            }
            None => {
                let mut body = error.to_json(&id);
                if speaks_langfuse {
                    // Where its clients look for what to say.
                    body["message"] = error.public_message().into();
                }
                error.respond("application/json", body.to_string())
            }
        };
        // What the handler or router added (`Allow`) stays; only the body and what describes it are new.
        let (parts, body) = body.into_parts();
        *response.body_mut() = body;
        response.headers_mut().remove(http::header::CONTENT_LENGTH);
        response.headers_mut().extend(parts.headers);
    }
    metrics.count_response(response.status());
    id.write_to(response.headers_mut());
    secure(response.headers_mut());
    response
}

/// Browsers ask for HTML by name; programs do not. The API stays JSON for everybody.
fn wants_page(headers: &HeaderMap, path: &str) -> bool {
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accepts.is_some_and(|accept| accept.contains("text/html"))
        && !["/api/", "/v1/", "/otel/"].iter().any(|prefix| path.starts_with(prefix))
}

/// A handler may set its own policy (an exported page does); the rest holds for every answer.
fn secure(headers: &mut HeaderMap) {
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
