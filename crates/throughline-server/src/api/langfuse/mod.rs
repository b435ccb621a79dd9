//! What is stored in the shapes of Langfuse's API, for programs that were written against it.
//!
//! A trace, observation or score is found by the id that its client gave it. Lists are cut into pages by number.

mod metrics;
mod not_offered;
mod observations;
mod page;
mod parameters;
mod score_query;
mod scores;
mod sessions;
mod traces;

use serde_json::Value;
use throughline_model::Attributes;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use not_offered::routes as not_offered;

use crate::domain::filter::{Comparison, Field, Filter, Literal, Pattern};
use crate::http::State;

/// The routes, to be merged into the table of the API.
pub(super) fn table() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(sessions::list_langfuse_sessions))
        .routes(routes!(sessions::get_langfuse_session))
        .routes(routes!(traces::list_langfuse_traces))
        .routes(routes!(traces::get_langfuse_trace))
        .routes(routes!(observations::list_langfuse_observations))
        .routes(routes!(observations::list_langfuse_observations_by_cursor))
        .routes(routes!(observations::get_langfuse_observation))
        .routes(routes!(scores::list_langfuse_scores))
        .routes(routes!(scores::list_langfuse_scores_as_second_version))
        .routes(routes!(scores::list_langfuse_scores_as_third_version))
        .routes(routes!(scores::get_langfuse_score))
        .routes(routes!(scores::get_langfuse_score_as_second_version))
        .routes(routes!(metrics::get_langfuse_metrics))
        .routes(routes!(metrics::get_langfuse_metrics_as_first_version))
}

/// Exactly this value.
fn is(field: Field, value: &str) -> Filter {
    Filter::field(field, Comparison::Equal, Literal::Text(Pattern::exact(value)))
}

/// The id that a client gave, if it is another than ours.
fn given_id(attributes: &Attributes, key: &str) -> Option<Value> {
    attributes.get(key).filter(|id| id.is_string()).cloned()
}
