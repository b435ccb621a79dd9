//! Spans that our SDK writes, read again.

use serde_json::{Map, json};
use throughline_model::otlp::{Origin, OutgoingSpan, check_traces, spans_to_traces};
use throughline_model::{ErrorInfo, ObservationType, Status, Timestamp, keys};

use crate::support::{NOW, now, with_facts};

#[test]
fn what_the_sdk_writes_is_what_is_read() {
    let error = ErrorInfo {
        name: "PaymentError".to_owned(),
        message: "card declined".to_owned(),
        code: Some("E_CARD".to_owned()),
        stack: Some("at pay".to_owned()),
    };
    let attributes = json!({
        keys::SESSION_ID: "sess_1", keys::PARENT_SESSION_ID: "sess_0", keys::TRACE_NAME: "turn", keys::INPUT: "{\"a\":1}",
        keys::ACTOR_TYPE: "user", keys::ACTOR_ID: "usr_1", keys::TAGS: ["a", "b"], keys::COST: 0.5,
        "throughline.metadata.channel": "web", "gen_ai.usage.input_tokens": 10, "ctx.order": 7,
    });
    let span = OutgoingSpan {
        trace_state: "congo=t61rcWkgMzE",
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap(),
        span_id: "00f067aa0ba902b7".parse().unwrap(),
        parent_id: None,
        kind: ObservationType::Layer,
        name: "POST /pay",
        start_time: Timestamp::from_nanos(NOW - 9),
        end_time: now(),
        status: Status::Error,
        status_message: Some("declined"),
        error: Some(&error),
        attributes: attributes.as_object().cloned().unwrap_or_else(Map::new),
    };
    let body = spans_to_traces(Origin { service: "shop", environment: "test", version: Some("2") }, [span]);
    assert_eq!(check_traces(&body, now()).unwrap().body, None);
    with_facts(&body, |facts| {
        assert_eq!((facts.kind, facts.status), (ObservationType::Layer, Status::Error));
        assert_eq!(facts.error, Some(error));
        assert_eq!(
            (facts.session_id.as_deref(), facts.parent_session_id.as_deref()),
            (Some("sess_1"), Some("sess_0"))
        );
        assert_eq!((facts.user_id.as_deref(), facts.trace_name.as_deref()), (Some("usr_1"), Some("turn")));
        assert_eq!((facts.version.as_deref(), facts.environment.as_deref()), (Some("2"), Some("test")));
        assert_eq!((facts.tags.len(), facts.metadata.len(), facts.attributes.len()), (2, 1, 1));
        assert_eq!(facts.given_cost.map(|cost| cost.dollars()), Some(0.5));
    });
}
