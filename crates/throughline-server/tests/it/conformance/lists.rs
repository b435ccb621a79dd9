use std::fmt::Debug;

use throughline_model::{Event, ProjectId};
use throughline_server::domain::filter::Target;
use throughline_server::domain::query::{ListQuery, Page, SortField, UsageGroup, UsageQuery};

use super::requests::{at, event, event_in, generation, span, trace_id};
use super::{
    TestStore, all_pages, by, event_ids, everything, matching, number, project, put, put_events, session,
    session_ids, trace, trace_numbers,
};

const FIELDS: [SortField; 7] = [
    SortField::StartTime,
    SortField::EndTime,
    SortField::Duration,
    SortField::TotalTokens,
    SortField::TotalCost,
    SortField::ErrorCount,
    SortField::TraceCount,
];

pub(crate) async fn an_empty_store_has_empty_lists(store: &TestStore) {
    for filter in ["", "refund", "user:alice", "NOT user:alice"] {
        let query = |target| matching(filter, target);
        assert!(session_ids(store, &query(Target::Session)).await.is_empty());
        assert!(trace_numbers(store, &query(Target::Trace)).await.is_empty());
        assert!(event_ids(store, &query(Target::Event)).await.is_empty());
        assert!(store.users(&project(), &query(Target::Session)).await.unwrap().rows.is_empty());
    }
    assert!(session(store, "s").await.is_none() && trace(store, 1).await.is_none());
    let usage = store.usage(&project(), &UsageQuery::by(UsageGroup::Model, at(0))).await.unwrap().rows;
    assert!(usage.is_empty());
    assert_eq!(store.status().await.spans_stored, 0);
    assert!(store.trace(&ProjectId::from("never heard of"), &trace_id(1)).await.unwrap().is_none());
}

/// Reads a list page by page, upwards and downwards, and holds it against itself read at once.
async fn check_paging<T: Debug>(
    what: &str,
    ids: impl Fn(&T) -> String,
    place: impl Fn(&ListQuery, &T) -> i64,
    read: impl AsyncFn(ListQuery) -> throughline_server::domain::query::Page<T>,
    count: usize,
) {
    for field in FIELDS {
        let mut orders = Vec::new();
        for descending in [false, true] {
            let query = by(field, descending);
            let whole = read(query.clone()).await;
            assert!(whole.next.is_none());
            let mut values: Vec<i64> = whole.rows.iter().map(|row| place(&query, row)).collect();
            if descending {
                values.reverse();
            }
            assert!(values.is_sorted(), "{what} by {field:?}, descending {descending}: {values:?}");
            let mut order: Vec<String> = whole.rows.iter().map(&ids).collect();
            for limit in [1, 3, count] {
                let paged =
                    all_pages(async |after| read(ListQuery { limit, after, ..query.clone() }).await).await;
                let paged: Vec<String> = paged.iter().map(&ids).collect();
                assert_eq!(paged, order, "{what} by {field:?}, {limit} at a time");
            }
            if descending {
                order.reverse();
            }
            orders.push(order);
        }
        assert_eq!(orders[0], orders[1], "{what} by {field:?}: downwards is upwards reversed");
        let mut distinct = orders.swap_remove(0);
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), count, "{what} by {field:?}");
    }
}

/// Twelve sessions with many ties.
async fn put_sessions(store: &TestStore) {
    let mut spans = Vec::new();
    for n in 1..=12_u64 {
        let name = format!("s{n}");
        let start = n as i64 / 3 * 100;
        let turn =
            |id| span(n * 10 + id, n * 10 + id).in_session(&name).during(start, start + n as i64 % 2 * 50);
        let call = |id: u64| generation(n * 10 + id, n * 10 + id + 5, n as i64 % 3, 0).below(n * 10 + id);
        spans.extend([turn(1), call(1).during(start, start + 1)]);
        if n % 4 == 0 {
            spans.push(turn(2).failing("no"));
        }
    }
    put(store, &spans).await;
}

pub(crate) async fn sessions_are_sorted_and_paged_without_gaps(store: &TestStore) {
    put_sessions(store).await;
    let read = async |query: ListQuery| store.sessions(&project(), &query).await.unwrap();
    let id = |session: &throughline_model::Session| session.id.to_string();
    check_paging("sessions", id, |query, row| query.sort.place_of_session(row).value, read, 12).await;
}

pub(crate) async fn traces_are_sorted_and_paged_without_gaps(store: &TestStore) {
    put_sessions(store).await;
    let read = async |query: ListQuery| store.traces(&project(), &query).await.unwrap();
    let id = |trace: &throughline_model::Trace| trace.id.to_string();
    check_paging("traces", id, |query, row| query.sort.place_of_trace(row).value, read, 15).await;
}

pub(crate) async fn events_are_sorted_and_paged_without_gaps(store: &TestStore) {
    let events: Vec<_> = (0..10).map(|n| event_in(&format!("e{n}"), n / 3, Some("s"), None)).collect();
    put_events(store, &events[5..]).await;
    put_events(store, &events[..5]).await;
    let read = async |query: ListQuery| store.events(&project(), &query).await.unwrap();
    let id = |event: &throughline_model::Event| event.id.to_string();
    check_paging("events", id, |query, row| query.sort.place_of_event(row).value, read, 10).await;
}

/// Pages of what records say are the whole list cut up, also where an engine reads no more than a page takes.
pub(crate) async fn pages_of_a_search_leave_nothing_out(store: &TestStore) {
    // The word is said in an event long before the trace it is in; sessions are old and new in one.
    let early = Event { name: "refund.asked".to_owned(), ..event_in("early", 1, None, Some(47)) };
    put_events(store, &[early]).await;
    for numbers in [1..=16_u64, 33..=48, 17..=32] {
        let turn = |n: u64| {
            let said = if n.is_multiple_of(3) { "refund" } else { "order" };
            let turn = span(n, n * 10).during(n as i64 * 100, n as i64 * 100 + 150).saying(said, "done");
            let call = generation(n, n * 10 + 1, 1, 1).during(n as i64 * 100 + 20, n as i64 * 100 + 30);
            let turn = turn.in_session(&format!("s{}", n % 20));
            if n.is_multiple_of(2) { vec![turn] } else { vec![turn, call.below(n * 10)] }
        };
        put(store, &numbers.flat_map(turn).collect::<Vec<_>>()).await;
    }
    for filter in ["refund", "NOT refund", "refund model:gpt-4o", "refund OR model:gpt-4o"] {
        for field in [SortField::StartTime, SortField::EndTime] {
            let query = |target| ListQuery { sort: by(field, true).sort, ..matching(filter, target) };
            let traces = async |query: ListQuery| {
                let page = store.traces(&project(), &query).await.unwrap();
                Page { rows: page.rows.iter().map(|trace| number(trace.id)).collect(), next: page.next }
            };
            let sessions = async |query: ListQuery| {
                let page = store.sessions(&project(), &query).await.unwrap();
                Page { rows: page.rows.into_iter().map(|session| session.id).collect(), next: page.next }
            };
            let whole_traces = traces(query(Target::Trace)).await.rows;
            let whole_sessions = sessions(query(Target::Session)).await.rows;
            assert!(!whole_traces.is_empty() && !whole_sessions.is_empty(), "{filter}");
            assert_eq!(whole_traces.contains(&47), !filter.contains("NOT"), "{filter}");
            for limit in [1, 2, 7] {
                let page = |after, target| ListQuery { limit, after, ..query(target) };
                let paged = all_pages(async |after| traces(page(after, Target::Trace)).await).await;
                assert_eq!(paged, whole_traces, "{filter:?} by {field:?}, {limit} at a time");
                let paged = all_pages(async |after| sessions(page(after, Target::Session)).await).await;
                assert_eq!(paged, whole_sessions, "{filter:?} by {field:?}, {limit} at a time");
            }
        }
    }
}

pub(crate) async fn a_range_takes_what_was_going_on_in_it(store: &TestStore) {
    put(store, &[span(1, 1).during(0, 100).in_session("a"), span(2, 2).during(200, 300).in_session("b")])
        .await;
    put(store, &[span(3, 3).during(50, 250).in_session("c")]).await;
    put_events(store, &[event("e1", 100), event("e2", 200)]).await;
    for (from, to, traces, events) in [
        (None, None, vec![1, 3, 2], vec!["e1", "e2"]),
        (Some(100), None, vec![1, 3, 2], vec!["e1", "e2"]),
        (Some(101), None, vec![3, 2], vec!["e2"]),
        (None, Some(200), vec![1, 3], vec!["e1"]),
        (Some(101), Some(200), vec![3], vec![]),
        (Some(301), None, vec![], vec![]),
        (None, Some(0), vec![], vec![]),
    ] {
        let query = ListQuery { from: from.map(at), to: to.map(at), ..everything() };
        assert_eq!(trace_numbers(store, &query).await, traces, "{from:?} to {to:?}");
        assert_eq!(session_ids(store, &query).await.len(), traces.len(), "{from:?} to {to:?}");
        assert_eq!(event_ids(store, &query).await, events, "{from:?} to {to:?}");
    }
}

pub(crate) async fn users_are_summed_over_their_sessions(store: &TestStore) {
    put(
        store,
        &[
            generation(1, 1, 1000, 100).during(0, 10).in_session("a").of_user("alice"),
            generation(2, 2, 1000, 0).during(500, 600).in_session("b").of_user("alice").failing("no"),
            span(3, 3).during(700, 800).in_session("b"),
            span(4, 4).during(5, 6).in_session("c").of_user("bob"),
            span(5, 5).in_session("nobody's"),
        ],
    )
    .await;
    let users = store.users(&project(), &by(SortField::TotalTokens, true)).await.unwrap().rows;
    assert_eq!(users.iter().map(|user| user.id.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
    let alice = &users[0];
    assert_eq!(
        (alice.session_count, alice.trace_count, alice.error_count, alice.total_tokens),
        (2, 3, 1, 2100)
    );
    assert_eq!((alice.first_seen, alice.last_seen), (at(0), at(800)));
    assert_eq!(alice.total_cost.unwrap().picodollars(), 2000 * 2_500_000 + 100 * 10_000_000);
    assert_eq!(users[1].total_cost, None);
    let failing =
        ListQuery { sort: by(SortField::StartTime, false).sort, ..matching("error:true", Target::Session) };
    let users = store.users(&project(), &failing).await.unwrap().rows;
    assert_eq!((users.len(), users[0].session_count), (1, 1));
    let page = store.users(&project(), &ListQuery { limit: 1, ..everything() }).await.unwrap();
    assert_eq!(page.rows[0].id, "alice");
    let rest = ListQuery { after: page.next, limit: 1, ..everything() };
    let page = store.users(&project(), &rest).await.unwrap();
    assert_eq!((page.rows[0].id.as_str(), page.next), ("bob", None));
    let ids = trace_numbers(store, &everything()).await;
    assert!(ids.contains(&number(trace_id(5))));
}
