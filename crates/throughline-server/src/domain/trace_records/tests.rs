use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;
use throughline_model::otlp::{AttributeValue, SpanFacts};
use throughline_model::{
    Actor, Event, Level, Money, ObservationType, SessionId, SpanId, Status, Timestamp, TraceId, Usage,
};

use super::{Inserted, TextSource, TraceRecords};

fn id(n: u64) -> SpanId {
    SpanId::from_bytes(n.to_be_bytes()).unwrap()
}

fn records() -> TraceRecords {
    TraceRecords::new(TraceId::from_bytes([7; 16]).unwrap())
}

/// A span without anything in it; begins at `n` and lasts ten nanoseconds.
pub(crate) fn span(n: u64, parent: Option<u64>) -> SpanFacts<'static> {
    SpanFacts {
        trace_id: TraceId::from_bytes([7; 16]).unwrap(),
        span_id: id(n),
        parent_id: parent.map(id),
        name: Cow::Owned(format!("span {n}")),
        start: Timestamp::from_nanos(n as i64),
        end: Timestamp::from_nanos(n as i64 + 10),
        kind: ObservationType::Span,
        ..SpanFacts::default()
    }
}

fn with_usage(n: u64, parent: Option<u64>, kind: ObservationType) -> SpanFacts<'static> {
    let usage = Usage { input_uncached: 1 << n.min(20), output: n, ..Usage::default() };
    SpanFacts { kind, usage: Some(usage), model: Some(format!("model-{n}").into()), ..span(n, parent) }
}

fn billable(spans: &[SpanFacts<'_>]) -> Vec<u64> {
    let mut records = records();
    for span in spans {
        records.insert_span(span, None);
    }
    let ids = spans.iter().map(|span| u64::from_be_bytes(*span.span_id.as_bytes()));
    let mut ids: Vec<u64> = ids.filter(|n| records.is_billable(id(*n))).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

use ObservationType::{Agent, Generation, Span};

#[test]
fn usage_counts_once_where_it_arose() {
    let agent = || with_usage(1, None, Agent);
    let call = || with_usage(2, Some(1), Generation);
    assert_eq!(billable(&[agent(), call()]), [2], "an agent repeats its calls");
    assert_eq!(billable(&[call(), agent()]), [2], "whoever comes first");
    assert_eq!(billable(&[agent()]), [1], "an agent alone counts");
    assert_eq!(
        billable(&[agent(), span(3, Some(1)), with_usage(4, Some(3), Generation)]),
        [4],
        "through a gap"
    );
    let around_and_below = [with_usage(1, None, Span), call(), with_usage(3, Some(2), Span)];
    assert_eq!(billable(&around_and_below), [2], "a call goes before spans around and below it");
    assert_eq!(billable(&[call(), with_usage(3, Some(2), Generation)]), [3], "the innermost call");
    assert_eq!(
        billable(&[with_usage(1, None, Span), with_usage(2, Some(1), Agent)]),
        [2],
        "the innermost span"
    );
    assert_eq!(
        billable(&[with_usage(1, Some(9), Span), with_usage(2, Some(9), Generation)]),
        [1, 2],
        "siblings"
    );
    assert_eq!(
        billable(&[with_usage(1, Some(2), Span), with_usage(2, Some(1), Span)]),
        [0u64; 0],
        "a circle"
    );
    assert_eq!(billable(&[with_usage(1, Some(1), Generation)]), [1], "its own parent is none");
}

#[test]
fn sums_follow_what_is_billable() {
    let mut records = records();
    records.insert_span(&with_usage(2, None, Agent), Some(Money::from_picodollars(5)));
    assert_eq!(records.summary().unwrap().trace.total_cost, Some(Money::from_picodollars(5)));
    assert_eq!(records.summary().unwrap().trace.models, ["model-2"]);
    records.insert_span(&with_usage(3, Some(2), Generation), None);
    let trace = records.summary().unwrap().trace;
    assert_eq!((trace.total_cost, trace.total_tokens), (None, 8 + 3), "unknown is not nothing");
    assert_eq!(trace.models, ["model-3"]);
    let given =
        SpanFacts { given_cost: Some(Money::from_picodollars(9)), ..with_usage(4, Some(2), Generation) };
    records.insert_span(&given, None);
    assert_eq!(records.summary().unwrap().trace.total_cost, Some(Money::from_picodollars(9)));
    let failed = SpanFacts {
        usage: None,
        given_cost: Some(Money::ZERO),
        status: Status::Error,
        ..with_usage(5, Some(2), Generation)
    };
    records.insert_span(&failed, None);
    let trace = records.summary().unwrap().trace;
    assert_eq!(trace.models, ["model-3", "model-4"]);
    assert_eq!((trace.total_cost, trace.error_count), (Some(Money::from_picodollars(9)), 1));
    assert_eq!(trace.status, Status::Unset, "the root did not fail");
}

#[test]
fn a_trace_of_failed_calls_still_says_which_models() {
    let mut records = records();
    let failed = SpanFacts { usage: None, status: Status::Error, ..with_usage(5, Some(2), Generation) };
    records.insert_span(&failed, None);
    let trace = records.summary().unwrap().trace;
    assert_eq!((trace.models.as_slice(), trace.status), (&["model-5".to_owned()][..], Status::Error));
    assert_eq!((trace.name.as_str(), trace.flags.as_slice()), ("span 5", &["root_missing".to_owned()][..]));
}

fn named(n: u64, parent: Option<u64>, session: &'static str) -> SpanFacts<'static> {
    SpanFacts { session_id: Some(session.into()), user_id: Some(session.into()), ..span(n, parent) }
}

#[test]
fn the_session_is_the_roots_else_the_earliest() {
    let mut records = records();
    records.insert_event(&event(1, Some("from an event")));
    assert_eq!(records.session_id(), None, "events alone are no trace");
    records.insert_span(&span(9, Some(8)), None);
    assert_eq!(records.session_id(), Some("from an event"));
    records.insert_span(&named(7, Some(6), "late"), None);
    assert_eq!(records.session_id(), Some("late"));
    records.insert_span(&named(6, Some(5), "early"), None);
    assert_eq!((records.session_id(), records.user_id()), (Some("early"), Some("early")));
    records.insert_span(&named(20, None, "root"), None);
    assert_eq!((records.session_id(), records.user_id()), (Some("root"), Some("root")));
    records.insert_span(&SpanFacts { is_app_root: true, ..named(21, Some(20), "app") }, None);
    assert_eq!(records.session_id(), Some("app"));
    let flags = records.summary().unwrap().trace.flags;
    assert_eq!(flags, ["session_conflict", "user_conflict"]);
}

#[test]
fn what_was_written_is_rewritten_only_when_no_longer_true() {
    let mut records = records();
    records.insert_span(&with_usage(3, Some(2), Agent), None);
    assert!(!records.rewrite_needed(), "nothing is written yet");
    records.mark_written();
    assert_eq!(records.insert_span(&with_usage(3, Some(2), Agent), None), Inserted::Duplicate);
    records.insert_span(&with_usage(2, None, Span), None);
    assert!(!records.rewrite_needed(), "the one that does not count is new");
    records.mark_written();
    records.insert_span(&with_usage(4, Some(3), Generation), None);
    assert!(records.rewrite_needed());
    records.mark_written();
    assert!(!records.rewrite_needed());
    records.insert_span(&named(5, Some(4), "s"), None);
    assert!(records.rewrite_needed());
    records.mark_written();
    records.insert_event(&event(1, Some("other")));
    records.insert_event(&event(2, None));
    assert!(!records.rewrite_needed());
}

#[test]
fn texts_come_from_who_says_so_then_the_root_then_the_generations() {
    let generation = |n: u64, input: &'static str, output: &'static str| SpanFacts {
        kind: Generation,
        input: Some(input.into()),
        output: Some(output.into()),
        ..span(n, Some(1))
    };
    let mut records = records();
    records.insert_span(&generation(5, "second", "last"), None);
    records.insert_span(
        &generation(4, r#"[{"role":"system","content":"be"},{"role":"user","content":" a  b "}]"#, "x"),
        None,
    );
    let summary = records.summary().unwrap();
    assert_eq!((summary.title.as_deref(), summary.last_output.as_deref()), (Some("a b"), Some("last")));
    assert!(summary.trace.input.unwrap().is_array());
    assert_eq!(records.input_source(), Some(TextSource { span: id(4), explicit: false }));
    records.insert_span(&SpanFacts { output: Some("root".into()), ..span(1, None) }, None);
    let summary = records.summary().unwrap();
    assert_eq!((summary.title.as_deref(), summary.trace.output), (Some("a b"), Some(json!("root"))));
    assert_eq!(records.output_source(), Some(TextSource { span: id(1), explicit: false }));
    let explicit = SpanFacts { trace_output: Some(r#"{"answer":42}"#.into()), ..span(9, Some(1)) };
    records.insert_span(&SpanFacts { trace_name: Some("turn".into()), ..explicit }, None);
    let trace = records.summary().unwrap().trace;
    assert_eq!((trace.name.as_str(), trace.output), ("turn", Some(json!({"answer": 42}))));
    assert_eq!(records.output_source(), Some(TextSource { span: id(9), explicit: true }));
}

#[test]
fn huge_texts_are_cut_but_still_tell_the_title() {
    let system = "ü".repeat(50_000);
    let input = json!([{"role": "system", "content": system}, {"role": "user", "content": "Where is it?"}]);
    let mut records = records();
    records.insert_span(&SpanFacts { input: Some(input.to_string().into()), ..span(1, None) }, None);
    let summary = records.summary().unwrap();
    assert_eq!(summary.title.as_deref(), Some("Where is it?"));
    assert!(summary.trace.input.unwrap().as_str().unwrap().len() < 2100);
    assert!(records.size_bytes() < 8000, "{}", records.size_bytes());
}

#[test]
fn events_count_here_only_if_they_name_no_session() {
    let mut records = records();
    records.insert_span(&span(5, None), None);
    assert_eq!(records.insert_event(&event(1, None)), Inserted::New);
    assert_eq!(records.insert_event(&event(1, None)), Inserted::Duplicate);
    records.insert_event(&Event { level: Level::Error, ..event(2, None) });
    records.insert_event(&Event { level: Level::Error, ..event(3, Some("elsewhere")) });
    let trace = records.summary().unwrap().trace;
    assert_eq!((trace.event_count, trace.error_count), (2, 1));
    assert_eq!((trace.start_time.as_nanos(), trace.end_time.as_nanos()), (5, 15));
}

fn event(n: i64, session: Option<&str>) -> Event {
    Event {
        id: format!("evt_{n}").into(),
        name: "said".into(),
        time: Timestamp::from_nanos(n),
        level: Level::Info,
        service: "shop".into(),
        environment: "test".into(),
        version: None,
        session_id: session.map(SessionId::from),
        trace_id: TraceId::from_bytes([7; 16]),
        span_id: None,
        actor: None,
        scope: None,
        attributes: serde_json::Map::new(),
        error: None,
        source: None,
    }
}

#[test]
fn a_chain_of_a_hundred_thousand_spans_is_no_trouble() {
    let mut records = records();
    for n in (1..=100_000_u64).rev() {
        let parent = Some(n - 1).filter(|parent| *parent > 0);
        records.insert_span(&with_usage(n, parent, Agent), None);
    }
    let trace = records.summary().unwrap().trace;
    assert_eq!(
        (trace.observation_count, trace.usage.output, trace.name.as_str()),
        (100_000, 100_000, "span 1")
    );
}

/// Spans over few ids and parents, so that gaps, circles, late and repeated ones are all common.
fn any_span() -> impl Strategy<Value = SpanFacts<'static>> {
    let kinds = prop::sample::select(vec![Span, Agent, Generation]);
    let name = prop::sample::select(vec![None, Some("a"), Some("b")]);
    let tokens = prop::option::of(1u64..100);
    let root = prop::bool::weighted(0.05);
    (1u64..30, prop::option::weighted(0.9, 1u64..30), kinds, tokens, name, 0i64..6, root).prop_map(
        |(n, parent, kind, tokens, name, start, is_app_root)| SpanFacts {
            kind,
            is_app_root,
            start: Timestamp::from_nanos(start),
            usage: tokens.map(|output| Usage { output, ..Usage::default() }),
            model: Some(format!("m{}", n % 3).into()),
            session_id: name.map(Cow::from),
            environment: name.map(Cow::from),
            input: Some(format!("in {n}").into()),
            output: Some(format!("out {n}").into()),
            tags: vec![format!("t{}", n % 4).into()],
            metadata: vec![("k".into(), AttributeValue::Int(n as i64))],
            actor: name.map(|name| Actor { kind: name.into(), id: None, tags: serde_json::Map::new() }),
            ..span(n, parent)
        },
    )
}

/// The rule as it is written, without any cleverness.
fn billable_by_definition(spans: &BTreeMap<SpanId, SpanFacts<'_>>) -> BTreeSet<SpanId> {
    let above = |id: SpanId| {
        let mut seen = BTreeSet::new();
        let mut parent = spans[&id].parent_id.filter(|parent| *parent != id);
        while let Some(id) = parent.filter(|id| seen.insert(*id)) {
            parent = spans.get(&id).and_then(|span| span.parent_id).filter(|parent| *parent != id);
        }
        seen
    };
    let carries = |id: &SpanId| spans.get(id).is_some_and(|span| span.usage.is_some());
    let calls = |id: &SpanId| carries(id) && spans[id].kind.is_model_call();
    let is_billable = |id: &SpanId| {
        let mut below = spans.keys().filter(|other| above(**other).contains(id));
        if calls(id) {
            !below.any(calls)
        } else {
            carries(id) && !below.any(carries) && !above(*id).iter().any(calls)
        }
    };
    spans.keys().copied().filter(is_billable).collect()
}

proptest! {
    #[test]
    fn order_changes_nothing_and_the_rule_holds(
        spans in prop::collection::vec(any_span(), 1..40),
        seed in any::<u64>(),
    ) {
        let mut first: BTreeMap<SpanId, SpanFacts<'_>> = BTreeMap::new();
        for span in spans {
            first.entry(span.span_id).or_insert(span);
        }
        let mut shuffled: Vec<_> = first.values().collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        let (mut ordered, mut random) = (records(), records());
        for span in first.values() {
            ordered.insert_span(span, None);
        }
        for (n, span) in shuffled.into_iter().enumerate() {
            random.insert_span(span, None);
            if n % 5 == 0 {
                random.mark_written();
            }
        }
        prop_assert_eq!(ordered.summary(), random.summary());
        prop_assert_eq!(ordered.input_source(), random.input_source());
        prop_assert_eq!(ordered.output_source(), random.output_source());
        let expected = billable_by_definition(&first);
        let found: BTreeSet<SpanId> = first.keys().copied().filter(|id| random.is_billable(*id)).collect();
        prop_assert_eq!(&found, &expected);
        let tokens: u64 = expected.iter().map(|id| first[id].usage.unwrap().total()).sum();
        let summary = random.summary().unwrap();
        prop_assert_eq!(summary.trace.total_tokens, tokens);
        let json = serde_json::to_string(&summary).unwrap();
        prop_assert_eq!(serde_json::from_str::<super::super::trace_summary::TraceSummary>(&json).unwrap(), summary);
    }
}
