//! Query strings and path segments, read strictly: what is not understood is refused, never ignored.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use throughline_model::{SessionId, TraceId};

use crate::domain::filter::{Filter, FilterError, Target};
use crate::http::{Error, State};

/// The query string, read into a struct that lists every parameter the route knows (all of them optional texts,
/// `deny_unknown_fields`).
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<State> for Params<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &State) -> Result<Self, Error> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(refuse_query(&rejection)),
        }
    }
}

/// All parameters are optional texts, so that what is wrong with a query string is either one that is unknown or one
/// that is given twice. Serde says so, of fields: "unknown field `sorted`, expected one of `filter`, `sort`".
fn refuse_query(rejection: &dyn std::error::Error) -> Error {
    let mut cause = rejection;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    let begin =
        ["unknown field", "duplicate field"].iter().find_map(|words| text.find(words)).unwrap_or_default();
    let message = text[begin..].replacen("field", "parameter", 1);
    let name = message.split('`').nth(1).unwrap_or_default();
    Error::bad_request(message.as_str()).code("invalid_parameter").with("parameter", name)
}

/// What was given for a parameter; an empty value, as HTML forms send it, is none.
pub(super) fn given(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|value| !value.is_empty())
}

/// A parameter whose value cannot be used, and what could be given instead.
pub(super) fn refuse(parameter: &str, value: &str, allowed: &str) -> Error {
    let shown: String = value.chars().take(100).collect();
    Error::bad_request(format!("{parameter}={shown:?} is not understood; give {allowed}"))
        .code("invalid_parameter")
        .with("parameter", parameter)
}

/// Reads `filter` for a list of `targets`; errors say where in it.
pub(super) fn filter(text: Option<&String>, targets: &[Target], state: &State) -> Result<Filter, Error> {
    filter_named("filter", given(text).unwrap_or_default(), targets, state)
}

/// Reads a parameter that is a filter but goes by another name.
pub(super) fn filter_named(
    parameter: &str,
    text: &str,
    targets: &[Target],
    state: &State,
) -> Result<Filter, Error> {
    Filter::parse(text, targets, state.clock.now()).map_err(|error| {
        let FilterError { position, length, message, hint, .. } = error;
        let refusal = Error::bad_request(match &hint {
            Some(hint) => format!("{parameter}: {message} ({hint})"),
            None => format!("{parameter}: {message}"),
        });
        refusal
            .code("invalid_filter")
            .with("parameter", parameter)
            .with("position", position)
            .with("length", length)
    })
}

/// The one of `choices` with the given name, or the first if none is given.
pub(super) fn choice<T: Copy>(
    parameter: &str,
    value: Option<&String>,
    choices: &[(&str, T)],
) -> Result<T, Error> {
    let Some(value) = given(value) else { return Ok(choices[0].1) };
    let found = choices.iter().find(|(name, _)| *name == value);
    found
        .map(|(_, choice)| *choice)
        .ok_or_else(|| refuse(parameter, value, &one_of(choices.iter().map(|c| c.0))))
}

/// `one of a, b, c`
pub(super) fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("one of {}", names.collect::<Vec<_>>().join(", "))
}

/// The session named in the path.
#[derive(Debug)]
pub(super) struct SessionPath(pub(super) SessionId);

impl FromRequestParts<State> for SessionPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Error> {
        segment(parts, state).await.map(|id| Self(id.into()))
    }
}

/// The trace named in the path.
#[derive(Debug)]
pub(super) struct TracePath(pub(super) TraceId);

impl FromRequestParts<State> for TracePath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Error> {
        let id: Result<TraceId, _> = segment(parts, state).await?.parse();
        id.map(Self).map_err(|error| Error::bad_request(error.to_string()).code("invalid_trace_id"))
    }
}

async fn segment(parts: &mut Parts, state: &State) -> Result<String, Error> {
    let path = Path::<String>::from_request_parts(parts, state).await;
    path.map(|Path(segment)| segment)
        .map_err(|error| Error::bad_request(error.body_text()).code("invalid_path"))
}
