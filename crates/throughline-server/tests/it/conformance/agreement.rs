//! Two stores that were given the same records, each in its own order and pieces, answer every question alike.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::json;
use throughline_model::{Actor, Attributes, Event, Level, ProjectId, Scope, SessionId, SpanId};
use throughline_server::domain::analytics::Interval;
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::filter::Target;
use throughline_server::domain::query::{
    ListQuery, MAX_LIMIT, SortField, UsageGroup, UsageOrder, UsageQuery,
};
use throughline_server::domain::score::{Score, ScoreValue};

use super::requests::{Spec, at, event_in, request, span, start_in, trace_id};
use super::scores::score;
use super::{TestStore, all_pages, analytics, batch, by, matching};

/// The engine under test against the one that computes everything afresh.
pub(crate) async fn any_order_and_any_batches_read_alike(store: &TestStore) {
    for seed in 0..3 {
        let project = format!("seed {seed}");
        engines_agree(&TestStore::memory(), store, &project, seed).await;
    }
}

/// Gives both stores the same random records, in different orders, pieces and repetitions, with ends and deletions
/// between, and compares everything that can be read.
async fn engines_agree(reference: &TestStore, other: &TestStore, project: &str, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let world = World::random(&mut rng);
    let mut known: Vec<Record> = Vec::new();
    for (round, records) in world.rounds(&mut rng).into_iter().enumerate() {
        known.extend(records);
        for store in [reference, other] {
            deliver(store, project, &known, &mut rng.fork()).await;
        }
        compare(reference, other, project, &format!("seed {seed}, round {round}")).await;
        let id = SessionId::from(*rng.choice(&SESSIONS).unwrap());
        let content = match round {
            0 => BatchContent::EndSession(id.clone()),
            _ => BatchContent::DeleteSession(id.clone()),
        };
        let received = at(rng.i64(0..1000));
        for store in [reference, other] {
            let batch = Batch { project: project.into(), received, content: content.clone() };
            store.append(batch).await.unwrap();
            store.settle().await.unwrap();
        }
        compare(reference, other, project, &format!("seed {seed}, after {content:?}")).await;
    }
}

const SESSIONS: [&str; 4] = ["s1", "s2", "s3", "Zürich ☕"];
const USERS: [&str; 3] = ["alice", "bob", "carol"];
const WORDS: [&str; 6] = ["refund", "order", "Zürich", "late", "[1, 2]", "{\"a\": \"thanks\"}"];

#[derive(Debug, Clone)]
enum Record {
    Span(Spec),
    Event(Box<Event>),
}

struct World {
    records: Vec<Record>,
}

impl World {
    fn random(rng: &mut Rng) -> Self {
        let mut spans = BTreeMap::new();
        for _ in 0..rng.usize(20..60) {
            let spec = random_span(rng);
            spans.entry((spec.trace, spec.id)).or_insert(Record::Span(spec));
        }
        let mut events: Vec<Event> = (0..rng.u32(5..25)).map(|n| random_event(n, rng)).collect();
        events.extend((0..rng.u32(5..25)).map(|_| random_score(rng)));
        let mut records: Vec<Record> =
            events.into_iter().map(|event| Record::Event(Box::new(event))).collect();
        records.extend(spans.into_values());
        rng.shuffle(&mut records);
        Self { records }
    }

    /// Three parts to be delivered one after the other.
    fn rounds(self, rng: &mut Rng) -> [Vec<Record>; 3] {
        let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
        for record in self.records {
            rounds[rng.usize(0..3)].push(record);
        }
        rounds
    }
}

fn random_span(rng: &mut Rng) -> Spec {
    let (trace, id) = (rng.u64(1..8), rng.u64(1..14));
    let start = rng.i64(0..40) * 10_000;
    let mut spec = span(trace, id).during(start, start + rng.i64(0..30) * 1000);
    if rng.u32(0..5) > 0 {
        spec = spec.below(rng.u64(1..14));
    }
    if rng.u32(0..4) == 0 {
        spec = spec.in_session(rng.choice(&SESSIONS).unwrap());
    }
    if rng.u32(0..4) == 0 {
        spec = spec.of_user(rng.choice(&USERS).unwrap());
    }
    if rng.bool() {
        spec = spec.kind(rng.choice(&["LLM", "AGENT", "TOOL", "CHAIN"]).unwrap());
    }
    if rng.bool() {
        let model = rng.choice(&["gpt-4o", "claude-haiku-4-5", "my-model"]).unwrap();
        spec =
            spec.text("gen_ai.response.model", model).number("gen_ai.usage.input_tokens", rng.i64(0..5000));
    }
    if rng.bool() {
        spec = spec.saying(rng.choice(&WORDS).unwrap(), rng.choice(&WORDS).unwrap());
    }
    if rng.u32(0..5) == 0 {
        spec = spec.failing(rng.choice(&WORDS).unwrap());
    }
    if rng.u32(0..3) == 0 {
        spec = spec.tags(&[rng.choice(&WORDS).unwrap()]);
        spec = spec.text("metadata", &json!({ "round": rng.u32(0..3) }).to_string());
    }
    if rng.u32(0..10) == 0 {
        spec = spec.text("langfuse.trace.name", rng.choice(&WORDS).unwrap());
    }
    spec.from(rng.choice(&["shop", "billing"]).unwrap(), rng.choice(&["test", "production"]).unwrap())
}

fn random_event(n: u32, rng: &mut Rng) -> Event {
    let session = (rng.u32(0..3) == 0).then(|| *rng.choice(&SESSIONS).unwrap());
    let trace = rng.bool().then(|| rng.u64(1..10));
    let mut attributes = Attributes::new();
    attributes.insert("word".to_owned(), json!(rng.choice(&WORDS).unwrap()));
    let id = rng.bool().then(|| (*rng.choice(&USERS).unwrap()).to_owned());
    let actor = Actor { kind: "user".to_owned(), id, tags: Attributes::new() };
    let scope = Scope { kind: "organization".to_owned(), id: format!("org {n}"), tags: Attributes::new() };
    if let Some(trace) = trace.filter(|_| rng.u32(0..4) == 0) {
        let (span, session) = (rng.u64(1..14), session.unwrap_or_default());
        let id = format!("e{n}").as_str().into();
        return Event { id, ..start_in(trace, span, session, rng.choice(&USERS).unwrap()) };
    }
    Event {
        level: *rng.choice(&Level::ALL).unwrap(),
        actor: rng.bool().then_some(actor),
        scope: rng.bool().then_some(scope),
        attributes,
        ..event_in(&format!("e{n}"), rng.i64(0..400) * 1000, session, trace)
    }
}

/// One of few that replace each other.
fn random_score(rng: &mut Rng) -> Event {
    let name = *rng.choice(&["accuracy", "thumbs"]).unwrap();
    let value = match rng.u32(0..4) {
        0 => ScoreValue::Number(rng.i32(-8..8).into()),
        1 => ScoreValue::Flag(rng.bool()),
        2 => ScoreValue::Text((*rng.choice(&WORDS).unwrap()).to_owned()),
        _ => ScoreValue::Category((*rng.choice(&WORDS).unwrap()).to_owned()),
    };
    let id = rng.u32(0..3).to_string();
    let score = score(&id, name, value, rng.i64(0..40) * 1000);
    let session = SessionId::from(*rng.choice(&SESSIONS).unwrap());
    match rng.u32(0..3) {
        0 => Score { session_id: Some(session), ..score },
        1 => Score { trace_id: Some(trace_id(rng.u64(1..8))), ..score },
        _ => Score { session_id: Some(session), trace_id: Some(trace_id(rng.u64(1..8))), ..score },
    }
    .into_event()
}

/// All of it in random order and pieces, some of it twice, sometimes waiting in between.
async fn deliver(store: &TestStore, project: &str, records: &[Record], rng: &mut Rng) {
    let mut order: Vec<&Record> = records.iter().collect();
    order.extend(records.iter().filter(|_| rng.u32(0..4) == 0));
    rng.shuffle(&mut order);
    while !order.is_empty() {
        let piece = order.split_off(order.len() - rng.usize(1..=order.len().min(9)));
        let spans: Vec<Spec> = piece
            .iter()
            .filter_map(|record| match record {
                Record::Span(spec) => Some(spec.clone()),
                Record::Event(_) => None,
            })
            .collect();
        let events: Vec<Event> = piece
            .iter()
            .filter_map(|record| match record {
                Record::Event(event) => Some(event.as_ref().clone()),
                Record::Span(_) => None,
            })
            .collect();
        for content in [BatchContent::Traces(request(&spans)), BatchContent::Events(events)] {
            store.append(Batch { project: project.into(), ..batch(content) }).await.unwrap();
        }
        if rng.u32(0..3) == 0 {
            store.settle().await.unwrap();
        }
    }
    store.settle().await.unwrap();
}

const FILTERS: [&str; 20] = [
    "",
    "score.accuracy:>0 -score.thumbs:true",
    "score.thumbs:order,true",
    "attr.gen_ai.evaluation.score.value:<0",
    "refund",
    "user:alice",
    "model:gpt-4o error:true",
    "tag:order OR tag:late",
    "type:tool",
    "env:production -service:shop",
    "cost:>0.001",
    "tokens:>3k",
    "duration:<20s",
    "level:>=error",
    "attr.metadata.round:1",
    "NOT session:s1",
    "zürich order",
    "synthetic:true",
    "unfinished:true -abandoned:true",
    "user:bob OR synthetic:false",
];

async fn compare(a: &TestStore, b: &TestStore, project: &str, context: &str) {
    let project = project.into();
    for filter in FILTERS {
        let context = format!("{context}, filter {filter:?}");
        let query = ListQuery { limit: 4, ..matching(filter, Target::Session) };
        for sort in [by(SortField::EndTime, true).sort, by(SortField::TotalCost, false).sort] {
            let read = async |store: &TestStore| {
                all_pages(async |after| {
                    store.sessions(&project, &ListQuery { after, sort, ..query.clone() }).await.unwrap()
                })
                .await
            };
            assert_eq!(read(a).await, read(b).await, "sessions, {context}");
        }
        let query = ListQuery { limit: 3, ..matching(filter, Target::Trace) };
        let read = async |store: &TestStore| {
            all_pages(async |after| {
                store.traces(&project, &ListQuery { after, ..query.clone() }).await.unwrap()
            })
            .await
        };
        assert_eq!(read(a).await, read(b).await, "traces, {context}");
        let query = matching(filter, Target::Session);
        let read = async |store: &TestStore| store.users(&project, &query).await.unwrap().rows;
        assert_eq!(read(a).await, read(b).await, "users, {context}");
    }
    for filter in
        ["", "refund", "user:alice", "level:>=warn", "session:s*", "attr.word:late", "score.accuracy:*"]
    {
        let query = ListQuery { limit: 5, ..matching(filter, Target::Event) };
        let read = async |store: &TestStore| {
            all_pages(async |after| {
                store.events(&project, &ListQuery { after, ..query.clone() }).await.unwrap()
            })
            .await
        };
        assert_eq!(read(a).await, read(b).await, "events, {context}, filter {filter:?}");
    }
    for filter in ["", "user:alice", "abandoned:true", "parts:>1 OR reopened:true"] {
        let filter = matching(filter, Target::Session).filter;
        let read = async |store: &TestStore| analytics::told(&**store, &project, filter.clone()).await;
        assert_eq!(read(a).await, read(b).await, "analytics, {context}, filter {filter:?}");
    }
    compare_details(a, b, &project, context).await;
    compare_usage(a, b, &project, context).await;
}

async fn compare_details(a: &TestStore, b: &TestStore, project: &ProjectId, context: &str) {
    for n in 1..10 {
        let read =
            async |store: &TestStore| format!("{:#?}", store.trace(project, &trace_id(n)).await.unwrap());
        assert_eq!(read(a).await, read(b).await, "trace {n}, {context}");
        assert_eq!(
            in_pieces(a, project, n).await,
            in_pieces(b, project, n).await,
            "trace {n} in pieces, {context}"
        );
    }
    let formed = USERS.map(|user| format!("synthetic:{user}"));
    for id in SESSIONS.into_iter().chain(formed.iter().map(String::as_str)).map(SessionId::from) {
        for now in [at(0), at(500_000), at(3_000_000)] {
            let read = async |store: &TestStore| store.session(project, &id, now).await.unwrap();
            assert_eq!(read(a).await, read(b).await, "session {id}, {context}");
        }
        let read = async |store: &TestStore| {
            let traces =
                all_pages(async |after| store.session_traces(project, &id, after.as_ref(), 2).await.unwrap());
            let items =
                all_pages(async |after| store.timeline(project, &id, after.as_ref(), 5).await.unwrap());
            format!("{:#?}\n{:#?}", traces.await, items.await)
        };
        assert_eq!(read(a).await, read(b).await, "session {id}, {context}");
    }
}

/// A trace's outline, every second of its observations in full, and its spans as received.
async fn in_pieces(store: &TestStore, project: &ProjectId, n: u64) -> String {
    let id = trace_id(n);
    let outline = store.trace_outline(project, &id).await.unwrap();
    let ids: Vec<SpanId> = outline.iter().flat_map(|outline| &outline.spans).map(|span| span.id).collect();
    let some: Vec<SpanId> = ids.iter().copied().step_by(2).collect();
    let observations = store.observations(project, &id, &some).await.unwrap();
    let received = store.received_spans(project, &id, &ids).await.unwrap();
    format!("{outline:#?}\n{observations:#?}\n{received:?}")
}

async fn compare_usage(a: &TestStore, b: &TestStore, project: &ProjectId, context: &str) {
    for group in UsageGroup::ALL {
        for (filter, sessions, order, limit) in [
            ("", "", UsageOrder::Tokens, MAX_LIMIT),
            ("", "", UsageOrder::Cost, 2),
            ("model:gpt-4o", "", UsageOrder::Tokens, 1),
            ("error:true", "", UsageOrder::Cost, MAX_LIMIT),
            ("", "user:alice", UsageOrder::Tokens, 2),
            ("tag:late", "-session:s1", UsageOrder::Cost, 1),
        ] {
            let asked = UsageQuery {
                filter: matching(filter, group.target()).filter,
                sessions: matching(sessions, Target::Session).filter,
                from: Some(at(50_000)),
                to: Some(at(300_000)),
                interval: Some(Interval::Hour),
                order,
                limit,
                ..UsageQuery::by(group, at(0))
            };
            let (mut a, mut b) =
                (a.usage(project, &asked).await.unwrap(), b.usage(project, &asked).await.unwrap());
            for (a, b) in a.rows.iter_mut().zip(&mut b.rows) {
                // Percentiles may be estimates.
                let near = |a: f64, b: f64| (a - b).abs() <= 0.03 * a.max(b);
                assert!(near(a.duration_p50, b.duration_p50), "{a:?} {b:?}, {context}");
                assert!(near(a.duration_p95, b.duration_p95), "{a:?} {b:?}, {context}");
                (a.duration_p50, a.duration_p95) = (b.duration_p50, b.duration_p95);
            }
            assert_eq!(a, b, "usage by {group:?}, {context}");
        }
    }
}
