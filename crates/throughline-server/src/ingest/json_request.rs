//! Requests whose body is one JSON value: read within the caps, and what is made of it stored.

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderMap, StatusCode};
use axum::body::Body;
use axum::extract::rejection::ExtensionRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use serde_json::Value;
use throughline_model::{Event, ProjectId, Timestamp};

use crate::domain::arrival::BatchContent;
use crate::http::{Error, Kind, Project, State};

use super::content::Format;
use super::http::parcel;
use super::{Room, content, intake};

/// A request whose body has not been read yet.
pub(super) struct JsonRequest {
    state: State,
    room: Room,
    project: ProjectId,
    headers: HeaderMap,
    body: Body,
}

impl FromRequest<State> for JsonRequest {
    type Rejection = ExtensionRejection;

    async fn from_request(request: Request, state: &State) -> Result<Self, ExtensionRejection> {
        let (mut parts, body) = request.into_parts();
        let Extension(room) = Extension::from_request_parts(&mut parts, state).await?;
        let Ok(Project(project)) = Project::from_request_parts(&mut parts, state).await;
        Ok(Self { state: state.clone(), room, project, headers: parts.headers, body })
    }
}

/// What is made of a body.
#[derive(Debug, Default)]
pub(super) struct Made<T> {
    /// What to answer once everything is stored.
    pub(super) answer: T,
    /// One-span `TracesData` messages, one after the other.
    pub(super) spans: Vec<u8>,
    pub(super) span_count: usize,
    pub(super) events: Vec<Event>,
    /// How many items were not taken.
    pub(super) rejected: usize,
}

impl JsonRequest {
    /// Reads the body, stores what `read` makes of it and answers.
    pub(super) async fn respond<T: Send + 'static>(
        mut self,
        read: impl FnOnce(Value, Timestamp) -> Result<Made<T>, Error> + Send + 'static,
        told: impl FnOnce(T) -> (StatusCode, Value),
    ) -> Response {
        match self.take(read).await {
            Ok(answer) => {
                let (status, body) = told(answer);
                (status, Json(body)).into_response()
            }
            Err(error) => {
                content::discard(self.body).await;
                let unsupported = error.kind() == Kind::UnsupportedMediaType;
                let mut response = error.into_response();
                if unsupported {
                    content::name_accepted(response.headers_mut());
                }
                response
            }
        }
    }

    async fn take<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(Value, Timestamp) -> Result<Made<T>, Error> + Send + 'static,
    ) -> Result<T, Error> {
        // Without a content type, a body is taken for what it should be.
        if !matches!(Format::of(&self.headers), Some(Format::Json)) && self.headers.contains_key(CONTENT_TYPE)
        {
            return Err(Error::new(Kind::UnsupportedMediaType, "the body comes as application/json"));
        }
        let parcel = parcel(&self.state, &self.room, &self.headers, &mut self.body).await?;
        let now = self.state.clock.now();
        let work = move |bytes: Bytes| read(serde_json::from_slice(&bytes).map_err(intake::malformed)?, now);
        let (made, lease) = intake::unpacked(&self.state, parcel, work).await?;
        let metrics = &self.state.metrics;
        metrics.events_rejected.add(made.rejected);
        metrics.events_accepted.add(made.events.len());
        metrics.spans_accepted.add(made.span_count);
        if made.span_count > 0 {
            let spans = BatchContent::Traces(made.spans.into());
            intake::append(&self.state, self.project.clone(), spans).await?;
        }
        if !made.events.is_empty() {
            let events = BatchContent::Events(made.events);
            intake::append(&self.state, self.project.clone(), events).await?;
        }
        drop(lease);
        Ok(made.answer)
    }
}
