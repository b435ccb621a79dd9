//! How errors are described. They are made and written by [`crate::http::Error`]; nothing here is ever built.
#![expect(dead_code, reason = "types that only describe")]

use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// What every error looks like.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ErrorDetail {
    /// For programs: `invalid_filter`, `invalid_parameter`, `invalid_cursor`, `unknown_session`, `unknown_trace`, `busy`, ...
    code: String,
    /// For people.
    message: String,
    /// Find the request in the server's log by it.
    request_id: String,
    /// Which parameter was not understood.
    parameter: Option<String>,
    /// Where in the filter the trouble begins, in characters from 0.
    position: Option<usize>,
    /// How many characters of the filter are meant; 0 where something is missing.
    length: Option<usize>,
}

#[derive(IntoResponses)]
#[response(status = 400, description = "A parameter was not understood, or is not known to this route")]
pub(super) struct InvalidRequest(ErrorBody);

#[derive(IntoResponses)]
#[response(status = 404, description = "There is no such session")]
pub(super) struct UnknownSession(ErrorBody);

#[derive(IntoResponses)]
#[response(status = 404, description = "There is no such trace")]
pub(super) struct UnknownTrace(ErrorBody);

#[derive(IntoResponses)]
#[response(status = 500, description = "The store could not be read; the server's log says why")]
pub(super) struct ReadFailed(ErrorBody);

#[derive(IntoResponses)]
#[response(status = 503, description = "The store cannot be written to now; try again after `Retry-After`")]
pub(super) struct WriteFailed(ErrorBody);
