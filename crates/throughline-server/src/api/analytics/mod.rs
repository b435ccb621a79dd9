//! Sums over many sessions: statistics, journeys, goals, scores and usage.

mod goals;
mod journeys;
mod scores;
mod sessions;
mod spread;
mod unpriced;
mod usage;

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{list, params};
use crate::domain::analytics::{Interval, Selection};
use crate::domain::filter::Target;
use crate::http::{Error, State};

/// What a handler answers with.
type Answer<T> = Result<Json<T>, Error>;

pub(super) fn table() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(sessions::get_session_statistics))
        .routes(routes!(journeys::get_journeys))
        .routes(routes!(goals::get_goals))
        .routes(routes!(scores::get_score_statistics))
        .routes(routes!(usage::get_usage))
        .routes(routes!(unpriced::get_unpriced))
}

/// Reads which sessions are asked for.
fn selection(
    filter: Option<&String>,
    from: Option<&String>,
    to: Option<&String>,
    state: &State,
) -> Result<Selection, Error> {
    let now = state.clock.now();
    let filter = params::filter(filter, &[Target::Session], state)?;
    let (from, to) = list::range(from, to, now)?;
    Ok(Selection { filter, from, to, now })
}

/// Reads `interval`; if it is not given, what fits the range.
fn interval(text: Option<&String>, selection: &Selection) -> Result<Interval, Error> {
    let to = selection.to.unwrap_or(selection.now);
    let fitting = Interval::fitting(selection.from, to);
    let other = if fitting == Interval::Hour { Interval::Day } else { Interval::Hour };
    params::choice("interval", text, &[(fitting.as_str(), fitting), (other.as_str(), other)])
}
