//! The parameters that Langfuse's clients may send, as they are described; [`super::page::Given`] reads them.
#![expect(dead_code, reason = "types that only describe")]

use utoipa::IntoParams;

/// A page by its number.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct Paging {
    /// The number of the page, from 1 to 1000
    page: Option<u32>,
    /// The most rows of a page: 1 to 1000, 50 if not given
    limit: Option<u32>,
}

/// A page by where the one before ended.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct CursorPaging {
    /// Where to go on
    cursor: Option<String>,
    /// The most rows of a page: 1 to 1000, 50 if not given
    limit: Option<u32>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct SessionsAsked {
    /// Only what was going on at or after this time
    from_timestamp: Option<String>,
    /// Only what began before this time
    to_timestamp: Option<String>,
    /// One of these
    environment: Option<Vec<String>>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct TracesAsked {
    /// Only what was going on at or after this time
    from_timestamp: Option<String>,
    /// Only what began before this time
    to_timestamp: Option<String>,
    /// `timestamp.desc` or `timestamp.asc`
    order_by: Option<String>,
    /// Taken, and all is answered
    fields: Option<String>,
    /// Those of this user
    user_id: Option<String>,
    /// Those of this name
    name: Option<String>,
    /// Those in this session
    session_id: Option<String>,
    /// All of these
    tags: Option<Vec<String>>,
    /// One of these
    environment: Option<Vec<String>>,
    /// One of these
    version: Option<Vec<String>>,
    /// The same as `version`: releases and versions are one
    release: Option<Vec<String>>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct ObservationsAsked {
    /// The trace they are in
    trace_id: Option<String>,
    /// One of these: `GENERATION`, `SPAN`, `EVENT`, `TOOL`, ...
    r#type: Option<Vec<String>>,
    /// One of these
    name: Option<Vec<String>>,
    /// One of `DEBUG`, `DEFAULT`, `WARNING`, `ERROR`
    level: Option<Vec<String>>,
    /// One of these
    user_id: Option<Vec<String>>,
    /// The observation they are in
    parent_observation_id: Option<String>,
    /// One of these
    environment: Option<Vec<String>>,
    /// One of these
    version: Option<Vec<String>>,
    /// Only what began at or after this time
    from_start_time: Option<String>,
    /// Only what began before this time
    to_start_time: Option<String>,
}

/// What the second version can be asked beside.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct MoreObservationsAsked {
    /// Taken, and all is answered
    fields: Option<String>,
    /// One of these
    session_id: Option<Vec<String>>,
    /// Whether they are in no other observation
    is_root_observation: Option<bool>,
    /// Taken; metadata is never cut short
    expand_metadata: Option<String>,
    /// Taken; texts that are JSON are answered as such
    parse_io_as_json: Option<bool>,
}

/// What every version of the list of scores can be asked.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct ScoresAsked {
    /// Only what was given at or after this time
    from_timestamp: Option<String>,
    /// Only what was given before this time
    to_timestamp: Option<String>,
    /// What is judged: one of these
    name: Option<Vec<String>>,
    /// Those on one of these sessions or in it
    session_id: Option<Vec<String>>,
    /// Those on one of these traces or in it
    trace_id: Option<Vec<String>>,
    /// One of these
    environment: Option<Vec<String>>,
    /// Taken, and all is answered
    fields: Option<String>,
    /// Those on one of these observations
    observation_id: Option<Vec<String>>,
    /// One of `NUMERIC`, `BOOLEAN`, `CATEGORICAL`, `TEXT`
    data_type: Option<Vec<String>>,
    /// One of these; every score's is `API`
    source: Option<Vec<String>>,
    /// One of these; no score has one
    config_id: Option<Vec<String>>,
    /// One of these; no score has one
    queue_id: Option<Vec<String>>,
}

/// What the first two versions can be asked beside.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct NumberedScoresAsked {
    /// Those on the 1000 latest traces of this user
    user_id: Option<String>,
    /// One of these ids
    score_ids: Option<Vec<String>>,
    /// The number that `operator` compares with
    value: Option<f64>,
    /// One of `<`, `>`, `<=`, `>=`, `!=`, `=`
    operator: Option<String>,
    /// One of these; no score has one
    dataset_run_id: Option<String>,
}

/// What the third version can be asked beside.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct TypedScoresAsked {
    /// One of these ids
    id: Option<Vec<String>>,
    /// One of these: numbers, `true`, `false` or categories
    value: Option<Vec<String>>,
    /// Numbers from this one on
    value_min: Option<f64>,
    /// Numbers up to this one
    value_max: Option<f64>,
    /// One of these; no score has one
    author_user_id: Option<Vec<String>>,
    /// One of these; no score has one
    experiment_id: Option<Vec<String>>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct MetricsAsked {
    /// What is asked, as JSON
    #[param(
        example = r#"{"view":"observations","metrics":[{"measure":"totalTokens","aggregation":"sum"}]}"#
    )]
    query: String,
}

/// The names of the parameters that `P` describes.
pub(super) fn names<P: IntoParams>() -> Vec<String> {
    P::into_params(|| None).into_iter().map(|parameter| parameter.name).collect()
}
