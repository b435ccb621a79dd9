//! The pages: sessions, one session and its replay, one trace, events, analytics, live. Every state of every page is an address, and every page
//! is complete without JavaScript, except that the live page needs it.
//!
//! A page is a struct and the template of the same name; what it shows is worked out in plain values before the
//! template sees it. Texts from outside reach the browser only through askama's escaping.

mod address;
mod analytics;
mod assets;
mod column;
mod conversation;
mod cost_view;
mod documents;
mod error_page;
mod event_list;
mod events_page;
mod finder;
mod frame;
mod history;
mod layers;
mod list;
mod list_place;
mod live_page;
mod message;
mod notation;
mod passage;
mod record_panel;
mod replay_page;
#[cfg(test)]
mod sample;
mod scores;
mod session_end;
mod session_header;
mod session_page;
mod session_parts;
mod sessions_page;
mod snippets;
mod theme;
mod time_scale;
mod token_chart;
mod trace_page;
mod traces_page;
mod tree;
mod turn;
mod turn_reader;
mod waterfall;

use axum::Router;
use axum::extract::Path;
use axum::response::Redirect;
use axum::routing::{get, post};

use crate::http;

pub use error_page::error_page;

/// The pages' routes.
pub fn routes() -> Router<http::State> {
    Router::new()
        .route("/", get(async || Redirect::to("/sessions")))
        .route("/sessions", get(sessions_page::sessions))
        .route("/sessions/{id}", get(session_page::session))
        .route("/sessions/{id}/end", post(session_end::end))
        .route("/sessions/{id}/thumbs", post(scores::on_session))
        .route("/traces/{id}/thumbs", post(scores::on_trace))
        .route("/sessions/{id}/replay", get(replay_page::replay))
        .route("/traces", get(traces_page::traces))
        .route("/traces/{id}", get(trace_page::trace))
        // The addresses that Langfuse's clients make of a trace's id, newer and older ones.
        .route(
            "/project/{project}/traces/{id}",
            get(async |Path((_, id)): Path<(String, String)>| to_trace(&id)),
        )
        .route("/trace/{id}", get(async |Path(id): Path<String>| to_trace(&id)))
        .route("/events", get(events_page::events))
        .route("/analytics", get(analytics::overview))
        .route("/analytics/goals", get(analytics::goals))
        .route("/analytics/journeys", get(analytics::journeys))
        .route("/analytics/scores", get(analytics::scores))
        .route("/analytics/usage", get(analytics::usage))
        .route("/analytics/users", get(analytics::users))
        .route("/live", get(live_page::live))
        .route("/theme", post(theme::choose))
        .route("/assets/{version}/{name}", get(assets::asset))
}

fn to_trace(id: &str) -> Redirect {
    Redirect::to(&address::Address::trace(crate::domain::langfuse::trace_id(id)).to_string())
}
