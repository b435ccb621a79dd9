//! The description of the API: what does not belong to one route, and the route that serves it.

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::OpenApi;
use utoipa::openapi::info::{Info, License};
use utoipa::openapi::tag::Tag;
use utoipa::{PartialSchema, ToSchema};

use super::errors::ErrorBody;
use crate::domain::filter::FIELDS;

const ABOUT: &str = "\
Throughline takes OpenTelemetry in and shows sessions: everything with one session id, its traces (turns, requests), \
their observations (spans) and its events.

Data comes in over OTLP (HTTP, and gRPC on its own port) or as event envelopes. Times are RFC 3339 in UTC, durations milliseconds, costs \
US dollars; an unknown cost is `null`, never 0. Every answer has an `x-request-id`; errors repeat it.

## Lists
All lists take the same parameters and answer `{\"data\":[...],\"nextCursor\":\"...\"}`. To page, repeat the request \
with `cursor` set to the `nextCursor` of the page before until that is `null`. Rows that change while you page may move, \
but what does not change is neither skipped nor repeated. Parameters that a route does not know are refused.

## Filter language
`user:alice cost:>0.10 tag:conversion model:\"gpt-4o\" error:true duration:>2m attr.ctx.order.id:ord_789 refund AND NOT \
env:staging`

Terms side by side must all match. `OR` binds less than that, `NOT` or `-` before a term more; parentheses group. \
`model:a,b` is a or b; `>`, `>=`, `<` and `<=` follow the colon: `tokens:>=20k`. Values with spaces or special \
characters go in double quotes. Outside of quotes, `*` at either end of a text value leaves that end open \
(`model:gpt-4*`), and `field:*` asks for any value at all. Bare words search inputs, outputs and messages: whole words, \
upper and lower case alike; a phrase in quotes wants all its words in the same observation or event. A field without a \
value matches nothing, so `-cost:>1` finds what has no known cost, too.

On sessions and traces, what only observations and events have (`type`, `model`, `tool`, `level`, `attr.`, ...) means \
any of them; two such terms may be met by different ones.

| field | what it is | of | example |
|---|---|---|---|
";

/// Adds to the routes what describes all of them.
pub(super) fn complete(mut api: OpenApi) -> OpenApi {
    let mut about = ABOUT.to_owned();
    for field in FIELDS {
        let row =
            format!("| `{}` | {} | {} | `{}` |\n", field.name, field.help, field.targets(), field.example);
        about.push_str(
            &row.replace("| `attr.` |", "| `attr.key` |").replace("| `metadata.` |", "| `metadata.key` |"),
        );
    }
    let mut info = Info::new("Throughline", env!("CARGO_PKG_VERSION"));
    info.description = Some(about);
    info.license = Some(License::new("MIT OR Apache-2.0"));
    api.info = info;
    let tags = [
        ("ingest", "The ways in."),
        ("sessions", "Everything with one session id."),
        ("traces", "One unit of work each: a chat turn, a request."),
        ("events", "Single named facts."),
        ("users", "Who the sessions were had with."),
        ("scores", "Feedback on sessions, traces and observations."),
        ("analytics", "Sums over many sessions."),
        ("live", "What is arriving."),
        ("langfuse", "Routes for clients of Langfuse."),
        ("operation", "For those who run the server."),
    ];
    let tag = |(name, description): (&str, &str)| {
        let mut tag = Tag::new(name);
        tag.description = Some(description.to_owned());
        tag
    };
    api.tags = Some(tags.map(tag).into());
    // the router collects what handlers name, and errors are named only by their responses
    let mut schemas = vec![(ErrorBody::name().into_owned(), ErrorBody::schema())];
    ErrorBody::schemas(&mut schemas);
    api.components.get_or_insert_default().schemas.extend(schemas);
    api
}

/// Read this description
///
/// OpenAPI, as JSON.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "operation",
    responses((status = 200, description = "The description", content_type = "application/json", body = serde_json::Value))
)]
pub(super) async fn get_openapi() -> impl IntoResponse {
    static TEXT: LazyLock<String> = LazyLock::new(|| super::openapi().to_json().unwrap_or_default());
    ([(CONTENT_TYPE, "application/json")], TEXT.as_str())
}
