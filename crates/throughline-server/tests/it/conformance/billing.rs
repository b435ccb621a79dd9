use throughline_model::{Money, Status};
use throughline_server::domain::analytics::Interval;
use throughline_server::domain::arrival::BatchContent;
use throughline_server::domain::filter::{Filter, Target};
use throughline_server::domain::price::{CallRange, Reprice, RepricedModel, Repricing};
use throughline_server::domain::query::{
    MAX_LIMIT, UsageGroup, UsageOrder, UsagePoint, UsageQuery, UsageReport, UsageRow, unpriced,
};

use super::requests::{at, generation, span, trace_id};
use super::{TestStore, batch, matching, project, put, session, trace};

pub(crate) async fn an_agent_repeating_its_calls_counts_once(store: &TestStore) {
    let agent = || generation(1, 1, 100, 10).kind("AGENT").in_session("s");
    let call = |id, tokens| generation(1, id, tokens, 0).below(1);
    put(store, &[agent()]).await;
    assert_eq!(session(store, "s").await.unwrap().total_tokens, 110, "alone it counts");
    put(store, &[call(2, 60)]).await;
    assert_eq!(session(store, "s").await.unwrap().total_tokens, 60);
    put(store, &[call(3, 40), generation(1, 4, 7, 0).kind("TOOL").below(2)]).await;
    assert_eq!(session(store, "s").await.unwrap().total_tokens, 100, "a call goes before what is below it");
    put(store, &[call(5, 1).below(2)]).await;
    assert_eq!(trace(store, 1).await.unwrap().trace.total_tokens, 41, "the innermost call counts");
    let usage = store.usage(&project(), &UsageQuery::by(UsageGroup::Type, at(0))).await.unwrap().rows;
    assert_eq!((usage.len(), usage[0].observation_count, usage[0].usage.total()), (1, 2, 41));
}

pub(crate) async fn failed_calls_leave_cost_alone(store: &TestStore) {
    let failed = span(1, 2).below(1).kind("LLM").text("gen_ai.request.model", "gpt-4o").failing("too long");
    let failed = failed.text("langfuse.observation.cost_details", r#"{"total": 0}"#);
    put(store, &[span(1, 1).in_session("s"), failed]).await;
    let found = session(store, "s").await.unwrap();
    assert_eq!(
        (found.total_cost, found.total_tokens, found.models.join(" ")),
        (None, 0, "gpt-4o".to_owned())
    );
    put(store, &[generation(1, 3, 1000, 100).below(1).text("gen_ai.response.model", "gpt-4o-mini")]).await;
    let unknown = span(1, 4).below(1).kind("LLM").text("gen_ai.response.model", "my-model");
    put(store, &[unknown.number("gen_ai.usage.output_tokens", 5)]).await;
    let found = session(store, "s").await.unwrap();
    assert_eq!(found.total_tokens, 1105);
    assert!(found.total_cost.is_some(), "of what is known");
    assert!(found.models.contains(&"my-model".to_owned()), "{:?}", found.models);
}

pub(crate) async fn errors_are_counted_and_the_root_tells_the_status(store: &TestStore) {
    let failed = || span(1, 2).below(1).failing("no").in_session("s");
    put(store, &[failed()]).await;
    assert_eq!(trace(store, 1).await.unwrap().trace.status, Status::Error, "while its root is unknown");
    put(store, &[span(1, 1), span(2, 3).in_session("s").failing("no"), span(2, 4).below(3)]).await;
    let (first, second) = (trace(store, 1).await.unwrap().trace, trace(store, 2).await.unwrap().trace);
    assert_eq!((first.status, first.error_count), (Status::Unset, 1));
    assert_eq!((second.status, second.error_count), (Status::Error, 1));
    assert_eq!(session(store, "s").await.unwrap().error_count, 2);
}

pub(crate) async fn usage_is_grouped_most_used_first(store: &TestStore) {
    let call = |trace, id, input, model: &str, user: &str| {
        let root = span(trace, id).kind("LLM").text("gen_ai.response.model", model).of_user(user);
        root.number("gen_ai.usage.input_tokens", input).during(id as i64 * 100, id as i64 * 200)
    };
    let calls = [
        call(1, 1, 10, "gpt-4o", "alice"),
        call(2, 2, 20, "gpt-4o", "bob").failing("slow"),
        call(3, 3, 400, "my-model", "alice").from("batch", "test"),
    ];
    put(store, &calls).await;
    put(
        store,
        &[
            span(4, 4),
            generation(4, 5, 1, 0).kind("AGENT").below(4),
            call(4, 6, 5, "gpt-4o", "carol").below(5),
        ],
    )
    .await;

    let rows = store.usage(&project(), &UsageQuery::by(UsageGroup::Model, at(0))).await.unwrap().rows;
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.group.as_str(), row.observation_count, row.usage.total(), row.cost))
        .collect();
    let cost = Some(Money::from_picodollars(35 * 2_500_000));
    assert_eq!(told, [("my-model", 1, 400, None), ("gpt-4o", 3, 35, cost)]);
    assert_eq!(rows[1].error_count, 1);
    let near = |found: f64, expected: f64| (found - expected).abs() <= expected * 0.03;
    assert!(near(rows[0].duration_p50, 300.0) && near(rows[0].duration_p95, 300.0), "{:?}", rows[0]);

    let by = async |filter: &str, group| {
        let filter = matching(filter, Target::Observation).filter;
        let (from, to) = (Some(at(0)), Some(at(550)));
        let asked = UsageQuery { filter, from, to, ..UsageQuery::by(group, at(0)) };
        let rows = store.usage(&project(), &asked).await.unwrap().rows;
        rows.into_iter().map(|row| (row.group, row.usage.total())).collect::<Vec<_>>()
    };
    assert_eq!(by("", UsageGroup::Service).await, [("batch".to_owned(), 400), ("shop".to_owned(), 30)]);
    let users = [("bob".to_owned(), 20), ("alice".to_owned(), 10)];
    assert_eq!(by("model:gpt-4o", UsageGroup::User).await, users);
    assert_eq!(by("error:true", UsageGroup::Name).await, [("span 2".to_owned(), 20)]);
    assert_eq!(by("tool:none", UsageGroup::Type).await, []);
}

pub(crate) async fn usage_is_grouped_by_the_trace_and_its_tags(store: &TestStore) {
    let call = |trace: u64, session: &str, tags: &[&str]| {
        let root =
            span(trace, trace * 10).text("langfuse.trace.name", "answer").in_session(session).tags(tags);
        [root.during(0, 500), generation(trace, trace * 10 + 1, 100, 0).below(trace * 10).during(0, 300)]
    };
    put(store, &call(1, "s1", &["beta", "vip"])).await;
    put(store, &call(2, "s2", &["vip"])).await;
    // The name comes last, and with it another call, which failed.
    put(store, &[generation(3, 31, 7, 0).below(30).failing("slow").in_session("s2")]).await;
    put(store, &[span(3, 30).named("search"), generation(3, 32, 1, 0).below(30)]).await;
    let by = async |group: UsageGroup, filter: &str, sessions: &str| {
        let asked = UsageQuery {
            filter: matching(filter, group.target()).filter,
            sessions: matching(sessions, Target::Session).filter,
            ..UsageQuery::by(group, at(0))
        };
        let rows = store.usage(&project(), &asked).await.unwrap().rows;
        let told = |row: &UsageRow| {
            format!(
                "{}: {} calls, {} failed, {} tokens",
                row.group,
                row.observation_count,
                row.error_count,
                row.usage.total()
            )
        };
        rows.iter().map(told).collect::<Vec<_>>().join("; ")
    };
    let names = "answer: 2 calls, 0 failed, 200 tokens; search: 2 calls, 1 failed, 8 tokens";
    assert_eq!(by(UsageGroup::Trace, "", "").await, names);
    let tags = "vip: 2 calls, 0 failed, 200 tokens; beta: 1 calls, 0 failed, 100 tokens; : 2 calls, 1 failed, 8 tokens";
    assert_eq!(by(UsageGroup::Tag, "", "").await, tags);
    assert_eq!(by(UsageGroup::Trace, "tag:beta", "").await, "answer: 1 calls, 0 failed, 100 tokens");
    let of_session = "answer: 1 calls, 0 failed, 100 tokens; search: 2 calls, 1 failed, 8 tokens";
    assert_eq!(by(UsageGroup::Trace, "", "session:s2").await, of_session);
    let calls = "generation: 3 calls, 1 failed, 108 tokens";
    assert_eq!(by(UsageGroup::Type, "", "session:s2").await, calls);
    assert_eq!(by(UsageGroup::Model, "", "session:nobody").await, "");
}

pub(crate) async fn the_largest_groups_are_told_and_all_others_summed_up(store: &TestStore) {
    const USERS: u64 = 300;
    // The later a user, the more tokens and the less cost, of which the last third says nothing.
    let call = |n: u64, user: u64| {
        let call = span(n, n).of_user(&format!("user {user:03}")).kind("LLM");
        let call = call.text("gen_ai.response.model", "my-model");
        let call = call.number("gen_ai.usage.input_tokens", 10 * user as i64);
        let call = call.during(user as i64 * 60_000, user as i64 * 60_000 + n as i64);
        let cost = format!(r#"{{"total": {}}}"#, USERS - user);
        if user < 200 { call.text("langfuse.observation.cost_details", &cost) } else { call }
    };
    for first in [1, 101, 201] {
        let calls: Vec<_> =
            (first..first + 100).flat_map(|user| [call(user, user), call(1000 + user, user)]).collect();
        put(store, &calls).await;
    }
    put(store, &[generation(9000, 9000, 1, 0)]).await;
    let ask = async |order, limit, interval| {
        let asked = UsageQuery { order, limit, interval, ..UsageQuery::by(UsageGroup::User, at(0)) };
        store.usage(&project(), &asked).await.unwrap()
    };
    let names = |report: &UsageReport| {
        report
            .rows
            .iter()
            .map(|row| row.group.trim_start_matches("user ").to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let most = ask(UsageOrder::Tokens, 3, None).await;
    assert_eq!(names(&most), "300 299 298");
    let row = &most.rows[0];
    assert_eq!(
        (row.observation_count, row.usage.total(), row.duration_p50, row.duration_p95),
        (2, 6000, 300.0, 1300.0)
    );
    let others = most.others.unwrap();
    let tokens = 20 * (1..298).sum::<u64>() + 1;
    assert_eq!((others.groups, others.observation_count, others.usage.total()), (298, 595, tokens));
    let dollars: u64 = (1..200).map(|user| 2 * (USERS - user)).sum();
    let cost = i128::from(dollars) * 1_000_000_000_000 + 2_500_000;
    assert_eq!(others.cost, Some(Money::from_picodollars(cost)));

    let dear = ask(UsageOrder::Cost, 2, Some(Interval::Hour)).await;
    assert_eq!(names(&dear), "001 002");
    let points =
        |series: &[UsagePoint]| series.iter().map(|point| point.observation_count).collect::<Vec<_>>();
    assert_eq!(points(&dear.rows[0].series), [2]);
    assert_eq!(points(&dear.others.unwrap().series), [115, 120, 120, 120, 120, 2]);

    let all = ask(UsageOrder::Cost, MAX_LIMIT, None).await;
    assert_eq!((all.rows.len(), all.others), (301, None));
    assert_eq!(all.rows[200].group, "user 300", "what has no price comes last, most tokens first");
}

fn by_model(filter: Filter) -> UsageQuery {
    UsageQuery { filter, ..UsageQuery::by(UsageGroup::Model, at(0)) }
}

pub(crate) async fn calls_without_a_price_are_found(store: &TestStore) {
    let call = |id, model: &str| {
        let call = span(1, id).kind("LLM").text("gen_ai.response.model", model);
        call.number("gen_ai.usage.input_tokens", 10)
    };
    let given = call(3, "their-model").text("langfuse.observation.cost_details", r#"{"total": 0.5}"#);
    let empty = span(1, 4).kind("LLM").text("gen_ai.response.model", "silent-model");
    put(store, &[call(1, "gpt-4o"), call(2, "my-model"), given, empty, call(5, "my-model")]).await;
    let rows = store.usage(&project(), &by_model(unpriced())).await.unwrap().rows;
    let told: Vec<_> = rows.iter().map(|row| (row.group.as_str(), row.usage.total(), row.cost)).collect();
    assert_eq!(told, [("my-model", 20, None)]);
    let dear = matching("cost:>=0.50", Target::Observation).filter;
    let rows = store.usage(&project(), &by_model(dear)).await.unwrap().rows;
    let found: Vec<_> = rows.iter().map(|row| row.group.as_str()).collect();
    assert_eq!(found, ["their-model"], "what the source gave counts");
}

pub(crate) async fn costs_computed_afresh_are_the_same(store: &TestStore) {
    let agent = generation(1, 1, 110, 0).kind("AGENT").in_session("s");
    put(store, &[agent, generation(1, 2, 100, 10).below(1), generation(2, 3, 4, 0).in_session("s")]).await;
    let before = session(store, "s").await.unwrap();
    let range = CallRange { from: Some(at(0)), to: Some(at(30)) };
    let told = store.repricing(&project(), range).await.unwrap();
    let cost = Some(Money::from_picodollars(100 * 2_500_000 + 10 * 10_000_000));
    let model = RepricedModel { model: "gpt-4o".to_owned(), calls: 1, changed: 0, old: cost, new: cost };
    assert_eq!(told, Repricing { models: vec![model], traces: Vec::new() });
    let traces = vec![trace_id(1), trace_id(2), trace_id(3)];
    store.append(batch(BatchContent::Reprice(Reprice { range, traces }))).await.unwrap();
    store.settle().await.unwrap();
    assert_eq!(session(store, "s").await.unwrap(), before);
}
