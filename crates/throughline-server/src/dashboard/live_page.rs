//! `/live`: what is arriving, as it arrives. The stream itself is the API's; the page only listens.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;

use super::address::Address;
use super::finder::Finder;
use super::frame::{Asked, Frame, Section, Visit, html};
use crate::domain::filter::Target;
use crate::http::{Error, State};

const TARGETS: &[Target] = &[Target::Observation, Target::Event];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    filter: String,
}

#[derive(Template)]
#[template(path = "live.html")]
struct LivePage {
    frame: Frame,
    finder: Finder,
    /// The stream's address; empty if the filter is wrong.
    stream: String,
}

/// `GET /live`
pub(super) async fn live(
    Extract(state): Extract<State>,
    visit: Visit,
    Asked(parameters): Asked<Parameters>,
) -> Result<Response, Error> {
    let address = Address::page("/live").with("filter", &parameters.filter);
    let (finder, _) = Finder::read(&parameters.filter, TARGETS, state.clock.now(), &address, "/live");
    let wrong = finder.is_wrong();
    let stream = Address::page("/api/v1/stream").with("filter", &parameters.filter).to_string();
    let view = LivePage {
        frame: visit.frame(Section::Live, "Live"),
        finder,
        stream: if wrong { String::new() } else { stream },
    };
    let status = if wrong { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok((status, html(&view)?).into_response())
}
