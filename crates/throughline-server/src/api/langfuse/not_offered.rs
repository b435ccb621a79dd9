//! What Langfuse's clients may ask for and this server does not do: said plainly, with where to go instead.
//!
//! As 404 or 405 and never as 501: clients try a server's errors again, and take those two for an answer. A prompt that
//! is not there makes them use their fallback.

use axum::Router;
use axum::extract::{Path, Request};
use axum::routing::{any, delete};

use crate::http::{Error, Kind, State};

/// The first segments of paths, and what they are for.
const AREAS: [(&str, &str); 22] = [
    ("prompts", "prompt management"),
    ("datasets", "datasets"),
    ("dataset-items", "datasets"),
    ("dataset-run-items", "datasets"),
    ("experiments", "experiments"),
    ("experiment-items", "experiments"),
    ("annotation-queues", "annotation queues"),
    ("comments", "comments"),
    ("score-configs", "configurations of scores: any name and type of score is taken as it comes"),
    ("models", "a list of models over this API: prices are the file that `prices.file` names"),
    ("llm-connections", "connections to models"),
    ("evaluators", "evaluators"),
    ("evaluation-rules", "evaluators"),
    ("media", "storage of media: what is sent inside of a text is kept"),
    ("metrics", "metrics by day in this form: /api/v1/analytics/usage?interval=day has them"),
    ("feedback", "feedback to its makers over this API"),
    ("organizations", "organizations"),
    ("projects", "management of projects and keys"),
    ("scim", "users over SCIM"),
    ("integrations", "integrations"),
    ("unstable", "dashboards and skills over this API"),
    ("otel", "anything but traces, logs and metrics over OTLP"),
];

/// Routes for what nothing else answers.
pub(in crate::api) fn routes() -> Router<State> {
    let deletion = "deletes whole sessions, not single traces: DELETE /api/v1/sessions/{id}";
    let refuse = move || async move { refusal(Kind::MethodNotAllowed, &format!("this server {deletion}")) };
    let keep = async || {
        refusal(
            Kind::MethodNotAllowed,
            "this server does not delete scores; one with the same id replaces it",
        )
    };
    Router::new()
        .route("/api/public/traces", delete(refuse))
        .route("/api/public/traces/{traceId}", delete(refuse))
        .route("/api/public/scores/{scoreId}", delete(keep))
        .route("/api/public/{*rest}", any(unknown))
}

async fn unknown(Path(rest): Path<String>, request: Request) -> Error {
    let mut segments = rest.split('/');
    let is_version =
        |segment: &&str| segment.strip_prefix('v').is_some_and(|digits| digits.parse::<u8>().is_ok());
    let area = segments.find(|segment| !is_version(segment)).unwrap_or_default();
    match AREAS.iter().find(|(name, _)| *name == area) {
        Some((_, what)) => refusal(Kind::NotFound, &format!("this server does not offer {what}")),
        None => {
            let path: String = request.uri().path().chars().take(200).collect();
            Error::not_found(format!("nothing is at {path}"))
        }
    }
}

fn refusal(kind: Kind, message: &str) -> Error {
    Error::new(kind, message).code("not_offered")
}
