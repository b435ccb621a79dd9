//! What programs read: the JSON API under `/api/v1`, exports, the live stream, health and metrics.
//!
//! One file per resource, with its handler, query and response. [`routes()`] is the table of them; each route's path
//! and documentation stand on its handler, and [`openapi`] is made of the same table, so neither can miss one.

mod analytics;
mod cursor;
mod errors;
mod events;
mod export;
mod health;
mod ingest;
mod langfuse;
mod list;
mod metrics;
mod openapi;
mod params;
mod repricing;
mod scores;
mod session_cost;
mod sessions;
mod stream;
mod timeline;
mod traces;
mod users;

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::State;

/// Every route of the API.
pub fn routes() -> Router<State> {
    table().split_for_parts().0.merge(langfuse::not_offered())
}

/// The description of the API, as served at `/api/openapi.json`.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut api = table().split_for_parts().1;
    api.merge(ingest::Ingest::openapi());
    openapi::complete(api)
}

fn table() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::get_session, sessions::delete_session))
        .routes(routes!(sessions::end_session))
        .routes(routes!(session_cost::get_session_cost))
        .routes(routes!(timeline::get_timeline))
        .routes(routes!(export::export_session))
        .routes(routes!(export::export_session_short))
        .routes(routes!(traces::list_traces))
        .routes(routes!(traces::get_trace))
        .routes(routes!(events::list_events))
        .routes(routes!(users::list_users))
        .routes(routes!(scores::list_scores))
        .merge(langfuse::table())
        .merge(analytics::table())
        .routes(routes!(repricing::preview_repricing, repricing::apply_repricing))
        .routes(routes!(stream::stream))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(openapi::get_openapi))
}
