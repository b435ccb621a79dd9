//! What is arriving, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State as Extract;
use axum::response::Sse;
use axum::response::sse::{self, KeepAlive};
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use throughline_model::ProjectId;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use utoipa::IntoParams;

use super::errors::InvalidRequest;
use super::params::{self, Params};
use crate::domain::arrival::{Arrival, ArrivalRecord};
use crate::domain::filter::{Filter, Target};
use crate::http::{Error, Project, State};

/// What to be told of.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamParams {
    /// Which observations and events: see "Filter language" above.
    filter: Option<String>,
}

/// Watch what arrives
///
/// Server-sent events, from now on: `event: observation` and `event: event` with the record as JSON, `event: lag` with
/// `{"missed":n}` when records came faster than they were read and the oldest were left out. A comment line at the
/// beginning says that watching has begun, and another every 15 seconds that the connection lives. Nothing is repeated
/// after a reconnect: what was missed is in the lists.
#[utoipa::path(
    get,
    path = "/api/v1/stream",
    tag = "live",
    params(StreamParams),
    responses(
        (status = 200, description = "Records as they become searchable", content_type = "text/event-stream", body = String),
        InvalidRequest
    )
)]
pub(super) async fn stream(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<StreamParams>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Error> {
    const HEARTBEAT: Duration = Duration::from_secs(15);
    let filter = params::filter(params.filter.as_ref(), &[Target::Observation, Target::Event], &state)?;
    let arrivals = BroadcastStream::new(state.store.subscribe());
    let messages =
        arrivals.filter_map(move |arrival| std::future::ready(message(arrival, &project, &filter)));
    let begun = futures_util::stream::iter([sse::Event::default().comment("watching")]);
    let until_closing = begun.chain(messages).take_until(state.closing.wait());
    Ok(Sse::new(until_closing.map(Ok)).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

fn message(
    arrival: Result<Arrival, BroadcastStreamRecvError>,
    project: &ProjectId,
    filter: &Filter,
) -> Option<sse::Event> {
    match arrival {
        Ok(arrival) if arrival.project != *project => None,
        Ok(Arrival { record: ArrivalRecord::Observation(observation), .. }) => {
            filter.matches(&*observation).then(|| event("observation", &observation))
        }
        Ok(Arrival { record: ArrivalRecord::Event(record), .. }) => {
            filter.matches(&*record).then(|| event("event", &record))
        }
        Err(BroadcastStreamRecvError::Lagged(missed)) => Some(event("lag", &json!({ "missed": missed }))),
    }
}

fn event(name: &str, data: &impl Serialize) -> sse::Event {
    // Records are plain data: writing them as JSON cannot fail for anything that they can hold.
    let data = serde_json::to_string(data).unwrap_or_default();
    sse::Event::default().event(name).data(data)
}
