use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use throughline_model::{
    Actor, Attributes, Event, Level, Money, ObservationType, SessionId, SessionState, SpanId, Status,
    Timestamp, Trace, TraceId, Usage,
};

use super::{SessionSummary, Stale};
use crate::domain::lifecycle::Boundary;
use crate::domain::trace_records::TraceRecords;
use crate::domain::trace_records::tests::span;
use crate::domain::trace_summary::TraceSummary;

const MINUTE: i64 = 60 * 1_000_000_000;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_nanos(minutes * MINUTE)
}

pub(super) fn trace(n: u8, start: i64, end: i64) -> TraceSummary {
    TraceSummary::new(Trace {
        unfinished: None,
        id: TraceId::from_bytes([n; 16]).unwrap(),
        session_id: Some("s".into()),
        user_id: None,
        name: format!("turn {n}"),
        input: None,
        output: None,
        metadata: Attributes::new(),
        tags: Vec::new(),
        start_time: at(start),
        end_time: at(end),
        duration: 0.0,
        usage: Usage::default(),
        total_tokens: 0,
        total_cost: None,
        models: Vec::new(),
        observation_count: 1,
        event_count: 0,
        error_count: 0,
        status: Status::Unset,
        services: Vec::new(),
        environment: None,
        version: None,
        flags: Vec::new(),
    })
}

fn event(n: u32, minute: i64) -> Event {
    Event {
        id: format!("evt_{n}").into(),
        name: format!("event {n}"),
        time: at(minute),
        level: Level::Info,
        service: "shop".into(),
        environment: "test".into(),
        version: None,
        session_id: Some("s".into()),
        trace_id: None,
        span_id: None,
        actor: None,
        scope: None,
        attributes: Attributes::new(),
        error: None,
        source: None,
    }
}

fn summary() -> SessionSummary {
    SessionSummary::new(SessionId::from("s"), Boundary::Off)
}

#[test]
fn says_what_the_first_and_the_last_trace_say() {
    let mut session = summary();
    let first = TraceSummary { title: Some("Where is it?".into()), ..trace(2, 0, 1) };
    let last =
        TraceSummary { title: Some("Thanks".into()), last_output: Some("Bye".into()), ..trace(1, 10, 11) };
    session.replace_trace(None, Some(&last)).unwrap();
    session.add_event(&event(1, -1)).unwrap();
    assert_eq!(session.session(at(0), Boundary::Off).title.as_deref(), Some("Thanks"));
    session.replace_trace(None, Some(&first)).unwrap();
    let shown = session.session(at(12), Boundary::Off);
    assert_eq!((shown.title.as_deref(), shown.last_output.as_deref()), (Some("Where is it?"), Some("Bye")));
    assert_eq!((shown.duration, shown.active_duration), (720_000.0, 180_000.0));
    assert_eq!((shown.trace_count, shown.event_count, shown.state), (2, 1, SessionState::Live));
    assert_eq!(session.session(at(16), Boundary::Off).state, SessionState::Idle);
    assert_eq!(session.session(at(41), Boundary::Off).state, SessionState::Ended);
}

#[test]
fn without_a_message_the_first_name_is_the_title() {
    let mut session = summary();
    session.replace_trace(None, Some(&trace(1, 5, 6))).unwrap();
    session.add_event(&event(1, 4)).unwrap();
    assert_eq!(session.session(at(7), Boundary::Off).title.as_deref(), Some("event 1"));
}

#[test]
fn an_event_names_the_user_only_by_a_user() {
    let mut session = summary();
    let actor =
        |kind: &str| Some(Actor { kind: kind.into(), id: Some("x1".into()), tags: Attributes::new() });
    session.add_event(&Event { actor: actor("system"), ..event(1, 0) }).unwrap();
    assert_eq!(session.session(at(1), Boundary::Off).user_id, None);
    session.add_event(&Event { actor: actor("user"), ..event(2, 1) }).unwrap();
    assert_eq!(session.session(at(1), Boundary::Off).user_id.as_deref(), Some("x1"));
    assert_eq!(session.session(at(1), Boundary::Off).actor.unwrap().kind, "user");
}

#[test]
fn an_event_names_the_session_that_its_session_began_in() {
    let mut session = summary();
    let mut nested = event(1, 0);
    nested.attributes.insert(throughline_model::keys::PARENT_SESSION_ID.to_owned(), "outer".into());
    session.add_event(&nested).unwrap();
    assert_eq!(session.session(at(1), Boundary::Off).parent_session_id, Some("outer".into()));
}

#[test]
fn what_begins_after_the_end_reopens() {
    let mut session = summary();
    session.replace_trace(None, Some(&trace(1, 0, 1))).unwrap();
    session.end(at(2)).unwrap();
    assert_eq!(session.session(at(2), Boundary::Off).state, SessionState::Ended);
    session.replace_trace(Some(&trace(1, 0, 1)), Some(&trace(1, 0, 3))).unwrap();
    assert_eq!(session.session(at(4), Boundary::Off).state, SessionState::Ended, "it had begun before");
    session.add_event(&event(1, 4)).unwrap();
    assert_eq!(session.session(at(4), Boundary::Off).state, SessionState::Live);
    assert_eq!(session.end(at(3)), Err(Stale), "who began after that?");
    assert_eq!(session.ends(), [at(2), at(3)]);
}

const HALF_HOUR: Boundary = Boundary::Inactivity(30 * MINUTE);

/// Number, start and end in minutes, traces and cause of every part.
fn parts(session: &SessionSummary) -> Vec<String> {
    let parts = session.session(at(0), HALF_HOUR).parts;
    let show = |part: throughline_model::SessionPart| {
        let minute = |time: Timestamp| time.as_nanos() / MINUTE;
        let cause = part.split_cause.map_or("", |cause| cause.as_str());
        let (from, to) = (minute(part.start_time), minute(part.end_time));
        format!("{} {from}-{to} {} {cause}", part.id, part.trace_count).trim_end().to_owned()
    };
    parts.into_iter().map(show).collect()
}

#[test]
fn pauses_and_ends_split_a_session_into_parts() {
    let mut session = SessionSummary::new(SessionId::from("s"), HALF_HOUR);
    session.replace_trace(None, Some(&trace(1, 0, 5))).unwrap();
    session.add_event(&event(1, 34)).unwrap();
    session.replace_trace(None, Some(&trace(2, 64, 70))).unwrap();
    assert_eq!(parts(&session), ["s#1 0-34 1", "s#2 64-70 1 inactivity"]);
    session.end(at(72)).unwrap();
    session.replace_trace(None, Some(&trace(3, 73, 74))).unwrap();
    assert_eq!(parts(&session)[1..], ["s#2 64-70 1 inactivity", "s#3 73-74 1 ended"]);
    let shown = session.session(at(75), HALF_HOUR);
    assert_eq!((shown.state, shown.reopened, shown.part_count), (SessionState::Live, true, 3));
    let unsplit = session.session(at(75), Boundary::Off);
    assert_eq!((unsplit.reopened, unsplit.part_count, unsplit.parts), (true, 0, Vec::new()));
    // Late, and with nothing but short pauses around it.
    session.add_event(&event(2, 50)).unwrap();
    assert_eq!(parts(&session), ["s#1 0-70 2", "s#2 73-74 1 ended"]);
    let alone = SessionSummary::afresh("s".into(), [&trace(1, 0, 5)], [], [], HALF_HOUR);
    assert_eq!(parts(&alone), ["s#1 0-5 1"]);
    assert!(!alone.session(at(6), HALF_HOUR).reopened);
}

#[test]
fn a_session_that_is_split_is_over_after_the_same_pause() {
    let boundary = Boundary::Inactivity(120 * MINUTE);
    let session = SessionSummary::afresh("s".into(), [&trace(1, 0, 1)], [], [], boundary);
    let states = [2, 10, 120, 121].map(|minute| session.session(at(minute), boundary).state);
    assert_eq!(states.map(SessionState::as_str), ["live", "idle", "idle", "ended"]);
}

#[test]
fn feedback_is_no_activity() {
    let mut session = summary();
    session.replace_trace(None, Some(&trace(1, 0, 1))).unwrap();
    session.end(at(2)).unwrap();
    let before = session.session(at(90), Boundary::Off);
    let score = Event { name: crate::domain::score::EVENT.to_owned(), ..event(1, 60) };
    session.add_event(&score).unwrap();
    let after = session.session(at(90), Boundary::Off);
    assert_eq!(
        (after.end_time, after.duration, after.active_duration),
        (before.end_time, before.duration, before.active_duration)
    );
    assert_eq!((after.state, after.event_count, after.title), (SessionState::Ended, 1, before.title));
    assert_eq!(session.session(at(61), Boundary::Off).state, SessionState::Ended, "it does not reopen");
}

#[test]
fn one_who_leaves_alone_leaves_nothing() {
    let mut session = summary();
    let alone = TraceSummary { title: Some("hi".into()), ..trace(1, 0, 1) };
    session.replace_trace(None, Some(&alone)).unwrap();
    session.replace_trace(Some(&alone), None).unwrap();
    assert!(session.is_empty());
    assert_eq!(session, summary());
}

#[test]
fn its_json_stays_small() {
    let mut session = summary();
    for n in 0..10_000 {
        let mut trace = trace(1, n * 10, n * 10 + 1);
        trace.trace.id = TraceId::from_bytes((n as u128 + 1).to_be_bytes()).unwrap();
        trace.trace.tags = vec![format!("tag {n}")];
        trace.trace.metadata.insert(format!("key {n}"), json!("x".repeat(1000)));
        session.replace_trace(None, Some(&trace)).unwrap();
    }
    let bytes = serde_json::to_string(&session).unwrap().len();
    assert!(bytes < 32 * 1024, "{bytes}");
}

#[derive(Debug, Clone)]
enum Step {
    /// Replaces, adds or takes away the trace with this number.
    Put(u8, Box<Option<TraceSummary>>),
    Say(Box<Event>),
    End(i64),
}

fn any_trace(n: u8) -> impl Strategy<Value = TraceSummary> {
    let names = |text: &'static str| prop::option::of(prop::sample::select(vec!["a", "b", text]));
    let bags = || prop::collection::btree_set(prop::sample::select(vec!["p", "q", "r"]), 0..3);
    let numbers = (0u64..5, 0u64..3, prop::option::of(-5i64..1_000_000_000_000_000), 0u64..1000);
    (0i64..90, 0i64..20, names("c"), names("d"), names("e"), bags(), bags(), numbers).prop_map(
        move |(start, length, user, title, environment, tags, keys, (events, errors, cost, tokens))| {
            let mut summary = trace(n, start, start + length);
            let own = |name: Option<&str>| name.map(str::to_owned);
            summary.title = own(title);
            summary.last_output = own(user);
            summary.actor =
                environment.map(|kind| Actor { kind: kind.into(), id: own(user), tags: Attributes::new() });
            summary.parent_session_id = title.map(SessionId::from);
            let trace = &mut summary.trace;
            trace.user_id = own(user);
            trace.environment = own(environment);
            trace.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            trace.models = trace.tags.clone();
            trace.metadata = keys.iter().map(|key| ((*key).to_owned(), json!(start))).collect();
            trace.event_count = events;
            trace.error_count = errors;
            trace.total_cost = cost.map(|cost| Money::from_picodollars(i128::from(cost) * 1_000_003));
            trace.usage = Usage { output: tokens, cache_read: tokens / 3, ..Usage::default() };
            trace.total_tokens = trace.usage.total();
            trace.status = if errors > 1 { Status::Error } else { Status::Unset };
            summary
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    let put = (1u8..6).prop_flat_map(|n| {
        prop::option::weighted(0.8, any_trace(n)).prop_map(move |new| Step::Put(n, Box::new(new)))
    });
    let say = (0u32..1_000_000, 0i64..90, any::<bool>()).prop_map(|(n, minute, fails)| {
        let level = if fails { Level::Error } else { Level::Info };
        let actor = Actor { kind: "user".into(), id: Some(format!("u{}", n % 3)), tags: Attributes::new() };
        let mut event = Event { level, actor: fails.then_some(actor), ..event(n, minute) };
        if n % 5 == 0 {
            event.name = crate::domain::score::EVENT.to_owned();
        }
        Step::Say(Box::new(event))
    });
    prop_oneof![6 => put, 2 => say, 1 => (0i64..100).prop_map(Step::End)]
}

proptest! {
    #[test]
    fn running_is_always_equal_to_afresh(
        steps in prop::collection::vec(any_step(), 1..40),
        seed in any::<u64>(),
        minutes in prop::sample::select(vec![0, 5, 12, 30]),
    ) {
        let id = SessionId::from("s");
        let boundary = if minutes == 0 { Boundary::Off } else { Boundary::Inactivity(minutes * MINUTE) };
        let mut running = SessionSummary::new(id.clone(), boundary);
        let mut traces: BTreeMap<u8, TraceSummary> = BTreeMap::new();
        let mut events: Vec<Event> = Vec::new();
        let mut rng = fastrand::Rng::with_seed(seed);
        for step in steps {
            let result = match step {
                Step::Put(n, new) => {
                    let old = traces.remove(&n);
                    traces.extend((*new).clone().map(|new| (n, new)));
                    running.replace_trace(old.as_ref(), (*new).as_ref())
                }
                Step::Say(event) if events.iter().any(|known| known.id == event.id) => Ok(()),
                Step::Say(event) => {
                    let result = running.add_event(&event);
                    events.push(*event);
                    result
                }
                Step::End(minute) => running.end(at(minute)),
            };
            let mut shuffled: Vec<&TraceSummary> = traces.values().collect();
            rng.shuffle(&mut shuffled);
            rng.shuffle(&mut events);
            let afresh = SessionSummary::afresh(id.clone(), shuffled, &events, running.ends(), boundary);
            if result.is_err() {
                running = afresh.clone();
            }
            for minute in [0, 50, 100, 200] {
                prop_assert_eq!(running.session(at(minute), boundary), afresh.session(at(minute), boundary));
            }
            prop_assert_eq!(running.first_turns(), afresh.first_turns());
            prop_assert_eq!(running.last_turn_failed(), afresh.last_turn_failed());
            prop_assert_eq!(running.is_empty(), traces.is_empty() && events.is_empty());
            let json = serde_json::to_string(&running).unwrap();
            running = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(serde_json::to_string(&running).unwrap(), json);
        }
    }

    /// What matters for cost: nothing that a session usually goes through makes it count again.
    #[test]
    fn growing_is_always_followed(order in prop::collection::vec(0u64..60, 60..200)) {
        let mut running = summary();
        let mut traces: BTreeMap<u64, TraceRecords> = BTreeMap::new();
        for n in order {
            let id = TraceId::from_bytes([(n % 6 + 1) as u8; 16]).unwrap();
            let records = traces.entry(n % 6).or_insert_with(|| TraceRecords::new(id));
            let old = records.summary();
            let mut facts = span(n + 1, (n >= 12).then(|| n - 5));
            facts.start = at(n as i64 / 6);
            facts.end = at(n as i64 / 6 + 4);
            facts.kind = ObservationType::Generation;
            facts.input = Some(format!("in {n}").into());
            facts.output = Some(format!("out {n}").into());
            facts.usage = Some(Usage { output: n, ..Usage::default() }).filter(|_| n % 2 == 0);
            facts.model = Some(format!("m{}", n % 5).into());
            facts.metadata = vec![(format!("k{}", n % 7).into(), throughline_model::otlp::AttributeValue::Int(1))];
            records.insert_span(&facts, Some(Money::from_picodollars(n.into())));
            prop_assert_eq!(running.replace_trace(old.as_ref(), records.summary().as_ref()), Ok(()));
            prop_assert!(records.contains_span(SpanId::from_bytes((n + 1).to_be_bytes()).unwrap()));
        }
        let all: Vec<TraceSummary> = traces.values().filter_map(TraceRecords::summary).collect();
        let afresh = SessionSummary::afresh(SessionId::from("s"), &all, [], [], Boundary::Off);
        prop_assert_eq!(running.session(at(0), Boundary::Off), afresh.session(at(0), Boundary::Off));
        prop_assert_eq!(running.first_turns(), afresh.first_turns());
    }
}
