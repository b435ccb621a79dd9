//! Whose data a request is about.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use throughline_model::ProjectId;

/// The project that a request reads or writes. Without keys configured that is always the default one: credentials
/// that clients send anyway are accepted and ignored.
#[derive(Debug, Clone, Default)]
pub struct Project(pub ProjectId);

impl<S: Sync> FromRequestParts<S> for Project {
    type Rejection = Infallible;

    async fn from_request_parts(_parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::default())
    }
}
