//! The one mapping from what went wrong to what a client sees, over HTTP, gRPC and on a page.
//!
//! Which error goes where: rooms below the doors have their own small error types, in their own words. Doors turn
//! them into [`Error`] with `?`. What a client can act on says so in its message; what it cannot is
//! [`Kind::Internal`]: logged once with the request id, and the client sees only that id.
//!
//! A handler's answer carries the error as a response extension without a body. The body is written once, by the
//! outermost layer, which knows the request id; a door with its own format (OTLP, pages) takes the error out before.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use prost::Message;
use serde_json::{Map, Value, json};
use tonic_types::StatusExt;

use crate::store::{AppendError, ReadError};

use super::RequestId;

/// What went wrong, in the terms that protocols have codes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    BadRequest,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    /// The client stopped in the middle of its request.
    Timeout,
    TooLarge,
    UnsupportedMediaType,
    /// Too much at once; the client should slow down.
    Busy,
    /// The server cannot do its work now; trying again later may help.
    Unavailable,
    /// A failure of ours that the client can do nothing about.
    Internal,
}

impl Kind {
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn grpc(self) -> tonic::Code {
        match self {
            Self::BadRequest | Self::UnsupportedMediaType => tonic::Code::InvalidArgument,
            Self::Forbidden => tonic::Code::PermissionDenied,
            Self::NotFound => tonic::Code::NotFound,
            Self::MethodNotAllowed => tonic::Code::Unimplemented,
            Self::Conflict => tonic::Code::Aborted,
            Self::Timeout => tonic::Code::DeadlineExceeded,
            Self::TooLarge | Self::Busy => tonic::Code::ResourceExhausted,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Internal => tonic::Code::Internal,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// An answer other than the one hoped for.
///
/// ```
/// # use throughline_server::http::{Error, Kind};
/// let error = Error::bad_request("unknown field `usr`").code("invalid_filter").with("position", 4);
/// assert_eq!(error.kind(), Kind::BadRequest);
/// ```
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    code: &'static str,
    message: String,
    fields: Map<String, Value>,
    retry_after: Option<Duration>,
}

/// What a page or body shows of an error.
#[derive(Debug, Clone)]
pub struct ErrorView<'a> {
    pub status: StatusCode,
    pub code: &'a str,
    pub message: &'a str,
    pub request_id: &'a RequestId,
    /// What was asked for.
    pub address: &'a Uri,
    /// What the reader has chosen is in their cookies.
    pub headers: &'a HeaderMap,
}

/// Writes an error as an HTML page; made by the dashboard, handed in by `app`.
pub type ErrorPage = fn(&ErrorView<'_>) -> String;

impl Error {
    /// An error with the usual code of its kind. The message is shown to the client.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, code: kind.code(), message: message.into(), fields: Map::new(), retry_after: None }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// A failure of ours. `cause` is for the operator's log; the client sees only the request id.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, cause.to_string())
    }

    /// A code more telling than the kind's own: `invalid_filter`.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// An extra field beside `code` and `message`: where in the filter, which setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// When to try again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the client is told.
    pub fn public_message(&self) -> &str {
        match self.kind {
            Kind::Internal => "something went wrong on the server; its log has more under this request id",
            _ => &self.message,
        }
    }

    /// Takes the error out of a handler's answer, for a door that writes it in its own format.
    pub fn take_from(response: &mut Response) -> Option<Self> {
        response.extensions_mut().remove()
    }

    /// Logs what only the operator may see. Called once per error, by whoever writes the answer.
    pub fn log(&self, request_id: &RequestId) {
        match self.kind {
            Kind::Internal => tracing::error!(%request_id, "request failed: {}", self.message),
            Kind::Unavailable => tracing::warn!(%request_id, "request turned away: {}", self.message),
            _ => tracing::debug!(%request_id, "request refused: {} ({})", self.message, self.code),
        }
    }

    /// The API's JSON body.
    pub fn to_json(&self, request_id: &RequestId) -> Value {
        let mut error = self.fields.clone();
        error.insert("code".to_owned(), self.code.into());
        error.insert("message".to_owned(), self.public_message().into());
        error.insert("requestId".to_owned(), request_id.as_str().into());
        json!({ "error": error })
    }

    /// The same as a `google.rpc.Status` message, which is what OTLP/HTTP answers with.
    pub fn to_rpc_status(&self) -> tonic_types::pb::Status {
        tonic_types::pb::Status {
            code: self.kind.grpc() as i32,
            message: self.public_message().to_owned(),
            details: Vec::new(),
        }
    }

    /// The same as a gRPC status, with `RetryInfo` where trying again makes sense.
    pub fn to_grpc(&self) -> tonic::Status {
        let mut details = tonic_types::ErrorDetails::new();
        if let Some(wait) = self.retry_after {
            details.set_retry_info(Some(wait));
            return tonic::Status::with_error_details(self.kind.grpc(), self.public_message(), details);
        }
        tonic::Status::new(self.kind.grpc(), self.public_message())
    }

    pub(super) fn view<'a>(
        &'a self,
        request_id: &'a RequestId,
        address: &'a Uri,
        headers: &'a HeaderMap,
    ) -> ErrorView<'a> {
        let (status, code, message) = (self.kind.status(), self.code, self.public_message());
        ErrorView { status, code, message, request_id, address, headers }
    }

    /// An answer with this error's status and headers around `body`.
    pub fn respond(&self, content_type: &'static str, body: impl Into<Body>) -> Response {
        let mut response = Response::new(body.into());
        *response.status_mut() = self.kind.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(wait) = self.retry_after {
            // Whole seconds, and never "at once".
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(wait.as_millis().div_ceil(1000).max(1) as u64));
        }
        response
    }

    /// The answer with a protobuf `google.rpc.Status` as its body.
    pub fn respond_protobuf(&self) -> Response {
        self.respond("application/x-protobuf", self.to_rpc_status().encode_to_vec())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::internal(error)
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        const WHEN_BROKEN: Duration = Duration::from_secs(10);
        match error {
            AppendError::Busy { retry_after } => {
                Self::new(Kind::Busy, error.to_string()).retry_after(retry_after)
            }
            AppendError::Unavailable(_) => {
                Self::new(Kind::Unavailable, error.to_string()).retry_after(WHEN_BROKEN)
            }
        }
    }
}
