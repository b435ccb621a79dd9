//! Everything that can be asked of a store, as text to compare.

use std::fmt::Write as _;

use throughline_model::{ProjectId, SessionId, Timestamp};
use throughline_server::domain::analytics::Interval;
use throughline_server::domain::filter::{Filter, Target};
use throughline_server::domain::query::{Cursor, ListQuery, Page, Sort, SortField, UsageGroup, UsageQuery};
use throughline_server::store::Store;

use crate::conformance::analytics;

use super::load::{EPOCH, trace_id};

const SORTS: [SortField; 7] = [
    SortField::StartTime,
    SortField::EndTime,
    SortField::Duration,
    SortField::TotalTokens,
    SortField::TotalCost,
    SortField::ErrorCount,
    SortField::TraceCount,
];

/// Filters that sessions and traces understand.
const FILTERS: [&str; 25] = [
    "",
    "user:u0",
    "NOT user:u0",
    "session:s*",
    "session:s1 OR user:u1",
    "model:gpt-4o",
    "model:gpt* AND NOT env:staging",
    "tokens:>500",
    "cost:>0.001",
    "cost:<0.01",
    "error:true",
    "error:false refund",
    "refund",
    "refund 退款",
    "type:tool duration:>1s",
    "name:chat service:chat",
    "level:>=warn",
    "attr.ctx.total:7",
    "attr.ctx.total:>5 NOT type:event",
    "tag:vip metadata.plan:pro",
    "status:error",
    "attr.note:*u*",
    "synthetic:true",
    "unfinished:true",
    "abandoned:true OR name:begun",
];
const SESSION_FILTERS: [&str; 10] = [
    "abandoned:true",
    "state:live",
    "state:ended",
    "turns:>1",
    "state:idle OR turns:1",
    "reopened:true",
    "synthetic:false",
    "parts:>1",
    "parts:<2 turns:>0",
    "parts:0",
];
const OBSERVATION_FILTERS: [&str; 8] = [
    "",
    "model:gpt-4o",
    "user:u0",
    "session:s1",
    "tokens:>500",
    "cost:>0.001",
    "error:true",
    "duration:<1s refund",
];
const EVENT_FILTERS: [&str; 6] =
    ["", "level:>=error", "session:s0", "attr.ctx.total:<3", "kubernetes", "service:shop"];

fn filter(text: &str, target: Target) -> Filter {
    Filter::parse(text, &[target], Timestamp::from_nanos(EPOCH)).unwrap()
}

fn query(filter: Filter, by: SortField, descending: bool, limit: usize) -> ListQuery {
    let now = Timestamp::from_nanos(EPOCH + 200_000_000_000);
    ListQuery { filter, from: None, to: None, sort: Sort { by, descending }, limit, after: None, now }
}

/// Writes down all pages of a list.
macro_rules! pages {
    ($out:expr, $query:expr, $cursor:ident => $page:expr) => {{
        let mut $cursor: Option<Cursor> = None;
        loop {
            let page: Page<_> = $page.await.unwrap();
            for row in &page.rows {
                writeln!($out, "  {row:?}").unwrap();
            }
            writeln!($out, "  next {:?}", page.next).unwrap();
            match page.next {
                Some(next) => $cursor = Some(next),
                None => break,
            }
        }
    }};
}

/// Everything that the store says of a project.
pub(super) async fn of(store: &dyn Store, project: &ProjectId) -> String {
    let mut out = String::new();
    for by in SORTS {
        for descending in [false, true] {
            writeln!(out, "sessions, traces and users by {by:?}, {descending}").unwrap();
            let all = query(Filter::All, by, descending, 2);
            pages!(out, all, after => store.sessions(project, &ListQuery { after: after.clone(), ..all.clone() }));
            pages!(out, all, after => store.traces(project, &ListQuery { after: after.clone(), ..all.clone() }));
            pages!(out, all, after => store.users(project, &ListQuery { after: after.clone(), ..all.clone() }));
        }
    }
    lists(&mut out, store, project).await;
    for session in ["s0", "s1", "s2", "synthetic:u0", "synthetic:u1"] {
        let id = SessionId::from(session);
        let now = Timestamp::from_nanos(EPOCH + 200_000_000_000);
        writeln!(out, "session {session}: {:?}", store.session(project, &id, now).await.unwrap()).unwrap();
        pages!(out, (), after => store.session_traces(project, &id, after.as_ref(), 2));
        pages!(out, (), after => store.timeline(project, &id, after.as_ref(), 3));
    }
    for n in 0..4 {
        writeln!(out, "trace {n}: {:?}", store.trace(project, &trace_id(n)).await.unwrap()).unwrap();
        let outline = store.trace_outline(project, &trace_id(n)).await.unwrap();
        let ids: Vec<_> = outline.iter().flat_map(|outline| &outline.spans).map(|span| span.id).collect();
        let received = store.received_spans(project, &trace_id(n), &ids).await.unwrap();
        writeln!(out, "  {outline:?}\n  {received:?}").unwrap();
    }
    out
}

async fn lists(out: &mut String, store: &dyn Store, project: &ProjectId) {
    for text in FILTERS.iter().chain(&SESSION_FILTERS) {
        writeln!(out, "sessions and users, {text}").unwrap();
        let some = query(filter(text, Target::Session), SortField::EndTime, true, 2);
        pages!(out, some, after => store.sessions(project, &ListQuery { after: after.clone(), ..some.clone() }));
        pages!(out, some, after => store.users(project, &ListQuery { after: after.clone(), ..some.clone() }));
    }
    for text in FILTERS {
        writeln!(out, "traces, {text}").unwrap();
        let some = query(filter(text, Target::Trace), SortField::StartTime, true, 2);
        pages!(out, some, after => store.traces(project, &ListQuery { after: after.clone(), ..some.clone() }));
    }
    for text in EVENT_FILTERS {
        writeln!(out, "events, {text}").unwrap();
        let some = query(filter(text, Target::Event), SortField::StartTime, true, 3);
        pages!(out, some, after => store.events(project, &ListQuery { after: after.clone(), ..some.clone() }));
    }
    let at = |steps: i64| Some(Timestamp::from_nanos(EPOCH + steps * 250_000_000));
    for (from, to) in [(at(10), None), (None, at(20)), (at(10), at(11))] {
        writeln!(out, "from {from:?} to {to:?}").unwrap();
        let some = ListQuery { from, to, ..query(Filter::All, SortField::StartTime, false, 100) };
        pages!(out, some, after => store.sessions(project, &ListQuery { after: after.clone(), ..some.clone() }));
        pages!(out, some, after => store.traces(project, &ListQuery { after: after.clone(), ..some.clone() }));
        pages!(out, some, after => store.events(project, &ListQuery { after: after.clone(), ..some.clone() }));
        let asked = UsageQuery { from, to, ..UsageQuery::by(UsageGroup::Name, Timestamp::from_nanos(EPOCH)) };
        let report = store.usage(project, &asked).await.unwrap();
        writeln!(out, "usage {report:?}").unwrap();
    }
    for text in ["", "user:u0", "error:true"] {
        let told = analytics::told(store, project, filter(text, Target::Session)).await;
        writeln!(out, "analytics, {text}\n{told}").unwrap();
    }
    for group in UsageGroup::ALL {
        for text in OBSERVATION_FILTERS {
            let (filter, interval) = (filter(text, group.target()), Some(Interval::Hour));
            let now = Timestamp::from_nanos(EPOCH);
            let asked = UsageQuery { filter, interval, limit: 2, ..UsageQuery::by(group, now) };
            let report = store.usage(project, &asked).await.unwrap();
            writeln!(out, "usage by {group:?}, {text}: {report:?}").unwrap();
        }
    }
}
