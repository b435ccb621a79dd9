//! Spans that come in parts: whatever the order, the pieces and the repetitions, the whole is the same.

use proptest::prelude::*;
use serde_json::{Value, json};
use throughline_model::otlp::{PartialSpan, SpanFacts, check_traces, each_span};
use throughline_model::{Level, ObservationType, SpanId, Timestamp, TraceId};

use crate::support::now;

const BEGIN: i64 = 1_795_168_800_000_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(BEGIN + seconds * 1_000_000_000)
}

fn part() -> PartialSpan {
    PartialSpan::new(TraceId::from_bytes([1; 16]).unwrap(), SpanId::from_bytes([2; 8]).unwrap())
}

fn with_facts(part: &PartialSpan, f: impl FnOnce(&SpanFacts<'_>)) {
    let body = part.to_body();
    let checked = check_traces(&body, now()).unwrap();
    assert_eq!((checked.accepted, checked.first_reason, checked.body), (1, None, None));
    let mut f = Some(f);
    each_span(&body, |raw| f.take().unwrap()(&raw.facts())).unwrap();
    assert!(f.is_none());
}

#[test]
fn a_call_is_told_in_two_parts() {
    let mut began = part();
    began.name(at(1), "answer");
    began.start(at(1), at(1));
    began.parent(at(1), SpanId::from_bytes([3; 8]).unwrap());
    began.say(at(1), "langfuse.observation.type", "generation".into());
    began.say(at(1), "langfuse.observation.input", json!([{"role": "user", "content": "Hi"}]));
    began.say(at(1), "throughline.tags", json!(["b"]));
    let mut ended = part();
    ended.end(at(4), at(3));
    ended.say(at(4), "langfuse.observation.output", "Hello".into());
    ended.say(at(4), "langfuse.observation.level", "ERROR".into());
    ended.say(at(4), "throughline.tags", json!(["a", "b"]));
    ended.say(at(4), "langfuse.observation.model.name", Value::Null);
    let mut whole = ended.clone();
    whole.merge(began);
    with_facts(&whole, |facts| {
        assert_eq!((&*facts.name, facts.kind), ("answer", ObservationType::Generation));
        assert_eq!((facts.start, facts.end), (at(1), at(3)));
        assert_eq!(facts.parent_id, SpanId::from_bytes([3; 8]));
        assert_eq!(facts.input.as_deref(), Some(r#"[{"content":"Hi","role":"user"}]"#));
        assert_eq!((facts.output.as_deref(), facts.model.as_deref()), (Some("Hello"), None));
        assert_eq!((facts.level, facts.is_error()), (Level::Error, true));
        assert_eq!(facts.tags, ["a", "b"]);
        assert_eq!(facts.attributes, []);
    });
    // While no end is known, it lasted as long as anything in it.
    let mut open = part();
    open.start(at(1), at(1));
    open.reach(at(2), at(9));
    open.reach(at(3), at(4));
    with_facts(&open, |facts| assert_eq!(facts.end, at(9)));
    open.end(at(0), at(5));
    with_facts(&open, |facts| assert_eq!(facts.end, at(5)));
    // A guess counts only until something is said, and says nothing of the time.
    let mut guessed = part();
    guessed.name(PartialSpan::GUESS, "turn");
    guessed.say(at(2), "user.id", "alice".into());
    with_facts(&guessed, |facts| assert_eq!((&*facts.name, facts.start), ("turn", at(2))));
    // Only the end is known: it is a span all the same.
    with_facts(&ended, |facts| assert_eq!((&*facts.name, facts.start), ("unnamed", at(4))));
}

#[test]
fn a_span_that_came_whole_has_no_parts() {
    let mut body = Vec::new();
    each_span(&part().to_body(), |raw| assert_eq!(PartialSpan::read(&raw), Some(part()))).unwrap();
    let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"whole"}]}]}]}"#;
    body.extend(throughline_model::otlp::traces_from_json(json).unwrap());
    each_span(&body, |raw| assert_eq!(PartialSpan::read(&raw), None)).unwrap();
}

fn any_part() -> impl Strategy<Value = PartialSpan> {
    let fact = (0..4_i64, 0..8_usize, prop_oneof![Just(json!("x")), Just(json!(2)), Just(json!(["t", "s"]))]);
    prop::collection::vec(fact, 0..6).prop_map(|facts| {
        let mut part = part();
        for (seconds, which, value) in facts {
            match which {
                0 => part.name(at(seconds), &value.to_string()),
                1 => part.start(at(seconds), at(seconds - 2)),
                2 => part.end(at(seconds), at(seconds + value.to_string().len() as i64)),
                3 => part.say(at(seconds), "throughline.tags", value),
                4 => part.reach(at(seconds), at(seconds + 3)),
                _ => part.say(at(seconds), ["user.id", "n", "session.id"][which - 5], value),
            }
        }
        part
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_pieces_and_repetitions_do_not_matter(
        parts in prop::collection::vec(any_part(), 1..6),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut whole = part();
        parts.iter().for_each(|part| whole.merge(part.clone()));
        // Each time written and read back, as a store does, with some of it twice.
        let mut stored = part();
        let again = order.iter().map(|index| index.get(&parts));
        for part in again.chain(parts.iter().rev()) {
            stored.merge(part.clone());
            let body = stored.to_body();
            each_span(&body, |raw| stored = PartialSpan::read(&raw).unwrap()).unwrap();
        }
        prop_assert_eq!(&stored, &whole);
        prop_assert_eq!(stored.to_body(), whole.to_body());
    }
}
