//! Every row of the table, and which row wins over which.

use std::collections::{BTreeSet, HashMap};

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Map, Value, json};
use throughline_model::otlp::mapping::{Field, sources};
use throughline_model::otlp::{attributes, observation};

use crate::rows::{CLAUDE_CODE, cases, said};
use crate::support::{NOW, request, span, with_facts};

fn body(attributes: &Value, scope: &str) -> Vec<u8> {
    // Long enough for every time to first token.
    let span = Span { end_time_unix_nano: NOW as u64 + 10_000_000_000, ..span(attributes) };
    request(&json!({}), scope, vec![span])
}

#[test]
fn every_row_has_a_case_and_says_what_it_should() {
    let rows: BTreeSet<String> = sources().map(|row| format!("{:?} {}", row.field, row.key)).collect();
    let cases = cases();
    let tested: BTreeSet<String> =
        cases.iter().map(|case| format!("{:?} {}", case.field, case.key)).collect();
    let odd: Vec<_> = rows.symmetric_difference(&tested).collect();
    assert!(odd.is_empty(), "rows without a case, or cases without a row: {odd:?}");
    for case in cases {
        with_facts(&body(&case.attributes, case.scope), |facts| {
            assert_eq!(said(facts, case.field), case.expected, "{:?} {}", case.field, case.key);
        });
    }
}

#[test]
fn what_a_row_takes_is_not_shown_again_among_the_attributes() {
    let kept = |field| matches!(field, Field::ServerAddress);
    for case in cases().into_iter().filter(|case| !kept(case.field)) {
        with_facts(&body(&case.attributes, case.scope), |facts| {
            assert_eq!(attributes(&facts.attributes), Map::new(), "{:?} {}", case.field, case.key);
        });
    }
}

#[test]
fn of_two_rows_the_first_wins_and_the_other_stays_an_attribute() {
    let ranks: HashMap<_, _> = sources().map(|row| ((row.field, row.key), row.rank)).collect();
    let many = |field| matches!(field, Field::Metadata | Field::Parameter | Field::Ignored);
    let mut cases = cases();
    cases.retain(|case| !many(case.field) && !matches!(case.field, Field::TotalTokens));
    cases.sort_by_key(|case| (case.field as u8, ranks[&(case.field, case.key)]));
    let mut pairs = 0;
    for pair in cases.windows(2).filter(|pair| pair[0].field == pair[1].field) {
        let [better, worse] = pair else { unreachable!() };
        if better.expected == worse.expected {
            continue;
        }
        let mut both = worse.attributes.clone();
        both.as_object_mut().unwrap().extend(better.attributes.as_object().unwrap().clone());
        let scope = if worse.scope == CLAUDE_CODE { worse.scope } else { better.scope };
        with_facts(&body(&both, scope), |facts| {
            let place = format!("{:?}: {} before {}", better.field, better.key, worse.key);
            assert_eq!(said(facts, better.field), better.expected, "{place}");
            // A source of two fields that loses one still shows in the other.
            let shown = sources().filter(|row| row.key == worse.key).count() > 1;
            let same_key = better.attributes.as_object().unwrap().contains_key(worse.key);
            if !worse.key.ends_with('*') && !shown && !same_key {
                let kept = attributes(&facts.attributes);
                assert_eq!(kept.get(worse.key), worse.attributes.get(worse.key), "{place}");
            }
        });
        pairs += 1;
    }
    assert!(pairs > 100, "only {pairs} pairs compared");
}

#[test]
fn claude_codes_names_are_everybodys_outside_its_scopes() {
    for case in cases().into_iter().filter(|case| case.scope == CLAUDE_CODE && case.key != "prompt") {
        with_facts(&body(&case.attributes, "shop"), |facts| {
            assert_ne!(said(facts, case.field), case.expected, "{}", case.key);
            assert_eq!(Value::Object(attributes(&facts.attributes)), case.attributes, "{}", case.key);
        });
    }
}

#[test]
fn empty_and_misshapen_values_are_no_source() {
    let attributes = json!({"session.id": "", "gen_ai.conversation.id": "chat", "gen_ai.usage.input_tokens": "many",
        "llm.token_count.prompt": 5, "openinference.span.kind": "UNKNOWN", "gen_ai.operation.name": "chat",
        "llm.cost.total": "free", "metadata": "not an object"});
    with_facts(&body(&attributes, "test"), |facts| {
        assert_eq!(facts.session_id.as_deref(), Some("chat"));
        assert_eq!(facts.usage.unwrap().total(), 5);
        assert_eq!(facts.kind.as_str(), "generation");
        assert_eq!(facts.given_cost, None);
        let kept: Vec<_> = facts.attributes.iter().map(|(key, _)| &**key).collect();
        assert!(kept.contains(&"metadata") && kept.contains(&"llm.cost.total"), "{kept:?}");
    });
}

#[test]
fn kinds_are_guessed_only_where_nobody_names_one() {
    for (attributes, kind) in [
        (json!({}), "span"),
        (json!({"gen_ai.tool.name": "lookup"}), "tool"),
        (json!({"gen_ai.response.model": "gpt-4o"}), "generation"),
        (json!({"ai.operationId": "ai.generateText", "ai.model.id": "gpt-4o"}), "span"),
        (json!({"ai.operationId": "ai.streamText.doStream"}), "generation"),
        (json!({"ai.operationId": "ai.toolCall"}), "tool"),
        (json!({"lmnr.span.type": "DEFAULT", "gen_ai.request.model": "m"}), "generation"),
        (json!({"model": "Ford T"}), "span"),
    ] {
        with_facts(&body(&attributes, "test"), |facts| assert_eq!(facts.kind.as_str(), kind, "{attributes}"));
    }
    let named = |name: &str| Span { name: name.to_owned(), ..span(&json!({})) };
    for (name, kind) in [
        ("claude_code.llm_request", "generation"),
        ("claude_code.tool", "tool"),
        ("claude_code.hook", "span"),
    ] {
        let body = request(&json!({}), "com.anthropic.claude_code.tracing", vec![named(name)]);
        with_facts(&body, |facts| assert_eq!(facts.kind.as_str(), kind, "{name}"));
    }
}

#[test]
fn a_tool_without_a_name_of_its_own_is_called_by_its_span() {
    for (name, extra, tool) in [
        ("execute_tool lookup", "x", "lookup"),
        ("lookup", "x", "lookup"),
        ("lookup.tool", "traceloop.entity.name", "lookup"),
    ] {
        let attributes = json!({"throughline.observation.type": "tool", extra: "lookup"});
        let body = request(&json!({}), "s", vec![Span { name: name.to_owned(), ..span(&attributes) }]);
        with_facts(&body, |facts| assert_eq!(facts.tool_name.as_deref(), Some(tool), "{name}"));
    }
}

#[test]
fn the_resource_speaks_where_the_span_is_silent() {
    let resource = json!({"session.id": "whole process", "user.id": "u", "service.name": "shop", "service.version": "2",
        "deployment.environment": "test", "host.name": "h1"});
    let bodies =
        [json!({}), json!({"session.id": "own", "gen_ai.agent.version": "9", "service.name": "peer"})]
            .map(|attributes| request(&resource, "test", vec![span(&attributes)]));
    with_facts(&bodies[0], |facts| {
        assert_eq!(facts.session_id.as_deref(), Some("whole process"));
        assert_eq!((facts.service.as_deref(), facts.environment.as_deref()), (Some("shop"), Some("test")));
        assert_eq!(facts.resource[0].0, "host.name");
    });
    with_facts(&bodies[1], |facts| {
        assert_eq!(facts.session_id.as_deref(), Some("own"));
        assert_eq!((facts.service.as_deref(), facts.version.as_deref()), (Some("shop"), Some("2")));
    });
}

#[test]
fn an_observation_shows_what_its_resource_and_metadata_say_of_the_work() {
    let resource =
        json!({"k8s.pod.name": "p1", "process.pid": 7, "telemetry.sdk.language": "rust", "region": "eu"});
    let attributes = json!({"region": "own", "order": 7, "langfuse.observation.metadata.country": "\"CH\""});
    with_facts(&request(&resource, "s", vec![span(&attributes)]), |facts| {
        let shown = Value::Object(observation(facts).attributes);
        assert_eq!(
            shown,
            json!({"k8s.pod.name": "p1", "region": "own", "order": 7, "metadata.country": "CH"})
        );
    });
}

#[test]
fn a_session_named_in_metadata_counts_and_a_very_long_id_is_cut() {
    let attributes = json!({"metadata": "{\"thread_id\": \"t1\"}", "user.id": "u".repeat(5000)});
    with_facts(&body(&attributes, "test"), |facts| {
        assert_eq!(facts.session_id.as_deref(), Some("t1"));
        let user = facts.user_id.as_deref().unwrap();
        assert!(user.len() < 200 && user.starts_with("uuu") && user.contains('~'), "{user}");
    });
}
