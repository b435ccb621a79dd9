//! OTLP over HTTP, and event envelopes.

use ::http::{HeaderMap, Method, StatusCode};
use axum::body::Body;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use axum::{Extension, Router};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::http::{Error, Kind, Project, RequestId, State, is_local_origin};

use super::content::{self, Encoding, Format};
use super::intake::{self, Outcome, Parcel, Signal};
use super::{Room, events, langfuse, reply, scores};

/// The prefixes that OTLP paths are found under: the default, Langfuse's, and one for proxies that share a host.
const PREFIXES: [&str; 3] = ["", "/api/public/otel", "/otel"];

/// Routes of OTLP/HTTP and `POST /api/v1/events`.
pub fn routes(room: Room) -> Router<State> {
    let mut router = Router::new().route("/api/v1/events", post(events::receive).options(preflight));
    for prefix in PREFIXES {
        router = router
            .route(&format!("{prefix}/v1/traces"), door(Signal::Traces))
            .route(&format!("{prefix}/v1/logs"), door(Signal::Logs))
            .route(&format!("{prefix}/v1/metrics"), door(Signal::Metrics));
    }
    router.merge(scores::routes()).merge(langfuse::routes()).layer(Extension(room)).layer(cors())
}

/// Pages under development on this machine may send: OpenTelemetry in a browser does so across origins. What is stored
/// they may not read, so no other room has this layer.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(|origin, _| is_local_origin(origin)))
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
}

/// Answered by the layer, which must have a route to stand before.
async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}

fn door(signal: Signal) -> MethodRouter<State> {
    post(move |state: Extract<State>, room, project, id, headers: HeaderMap, body: Body| {
        receive(signal, state, room, project, id, (headers, body))
    })
    .options(preflight)
}

async fn receive(
    signal: Signal,
    Extract(state): Extract<State>,
    Extension(room): Extension<Room>,
    Project(project): Project,
    Extension(id): Extension<RequestId>,
    (headers, mut body): (HeaderMap, Body),
) -> Response {
    let format = Format::of(&headers).filter(|format| *format != Format::JsonLines);
    let Some(format) = format else {
        content::discard(body).await;
        return unknown_format().into_response();
    };
    match take(&state, &room, project, (signal, format), &headers, &mut body).await {
        Ok(outcome) => reply::taken(signal, format, &outcome),
        Err(error) => {
            error.log(&id);
            content::discard(body).await;
            let mut response = reply::refused(format, &error);
            if error.kind() == Kind::UnsupportedMediaType {
                content::name_accepted(response.headers_mut());
            }
            response
        }
    }
}

async fn take(
    state: &State,
    room: &Room,
    project: throughline_model::ProjectId,
    kind: (Signal, Format),
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Outcome, Error> {
    let parcel = parcel(state, room, headers, body).await?;
    intake::take_otlp(state, project, kind, parcel).await
}

/// Reads a body as far as the caps allow.
pub(super) async fn parcel(
    state: &State,
    room: &Room,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Parcel, Error> {
    let encoding = Encoding::of(headers)?;
    let mut lease = room.lease();
    let bytes = content::read(headers, body, state.limits.body_bytes, &mut lease).await?;
    state.metrics.received_bytes.add(bytes.len());
    Ok(Parcel { bytes, encoding, lease })
}

fn unknown_format() -> Error {
    Error::new(
        Kind::UnsupportedMediaType,
        "the content type is not one that OTLP uses; send application/x-protobuf or application/json",
    )
}
