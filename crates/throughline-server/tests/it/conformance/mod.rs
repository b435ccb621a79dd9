//! What every engine must do, whatever it is made of: one suite, run by each engine with [`conformance!`].

pub(crate) mod agreement;
pub(crate) mod analytics;
pub(crate) mod billing;
pub(crate) mod boundaries;
pub(crate) mod events;
pub(crate) mod filters;
pub(crate) mod hostile;
pub(crate) mod lifecycle;
pub(crate) mod lists;
pub(crate) mod parts;
pub(crate) mod records;
pub(crate) mod requests;
pub(crate) mod scores;
pub(crate) mod sessions;
pub(crate) mod timeline;
pub(crate) mod unfinished;

use std::any::Any;
use std::ops::Deref;
use std::sync::Arc;

use throughline_model::{Event, ProjectId, Session, SessionId, Timestamp, Trace, TraceId};
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::filter::{Filter, Target};
use throughline_server::domain::lifecycle::{Boundary, Lifecycle};
use throughline_server::domain::price::Prices;
use throughline_server::domain::query::{Cursor, ListQuery, MAX_LIMIT, Page, Sort, SortField, TraceDetail};
use throughline_server::store::Store;
use throughline_server::store::memory::MemoryStore;

use self::requests::{Spec, at, request, trace_id};

/// Makes a test of every case for one engine. The expression makes an empty [`TestStore`] and may wait.
macro_rules! conformance {
    ($engine:ident, $new:expr) => {
        crate::conformance::conformance! { $engine, $new,
            agreement::any_order_and_any_batches_read_alike,
            analytics::sessions_are_counted_and_spread,
            analytics::an_abandoned_session_is_over_and_its_last_turn_failed,
            analytics::journeys_tell_where_sessions_go_and_end,
            analytics::goals_tell_how_many_reach_them_how_soon_and_at_what_cost,
            billing::an_agent_repeating_its_calls_counts_once,
            billing::failed_calls_leave_cost_alone,
            billing::errors_are_counted_and_the_root_tells_the_status,
            billing::usage_is_grouped_most_used_first,
            billing::usage_is_grouped_by_the_trace_and_its_tags,
            billing::the_largest_groups_are_told_and_all_others_summed_up,
            billing::calls_without_a_price_are_found,
            billing::costs_computed_afresh_are_the_same,
            boundaries::pauses_and_ends_split_a_session_where_that_is_on,
            boundaries::traces_of_a_user_that_name_no_session_form_one,
            boundaries::what_splits_and_forms_sessions_can_be_asked_for,
            events::events_belong_where_they_say_else_where_their_trace_does,
            events::events_alone_are_no_trace,
            events::an_event_can_name_the_session_of_its_trace,
            events::an_event_is_known_by_its_id,
            filters::every_field_finds_its_sessions,
            filters::every_field_finds_its_traces,
            filters::every_field_finds_its_events,
            hostile::texts_are_kept_as_they_are,
            hostile::ids_may_be_any_text,
            hostile::ten_megabytes_of_text_are_kept,
            hostile::parents_in_a_circle_end,
            lifecycle::an_ended_session_reopens_when_more_begins,
            lifecycle::a_deleted_session_is_gone_and_may_come_again,
            lifecycle::projects_know_nothing_of_each_other,
            lifecycle::what_is_shut_down_takes_nothing,
            lifecycle::arrivals_are_told_once,
            lists::an_empty_store_has_empty_lists,
            lists::sessions_are_sorted_and_paged_without_gaps,
            lists::traces_are_sorted_and_paged_without_gaps,
            lists::events_are_sorted_and_paged_without_gaps,
            lists::pages_of_a_search_leave_nothing_out,
            lists::a_range_takes_what_was_going_on_in_it,
            lists::users_are_summed_over_their_sessions,
            parts::spans_may_come_in_parts,
            records::what_is_appended_is_found,
            records::more_of_the_same_changes_nothing,
            records::senders_at_the_same_time_count_once,
            records::events_may_come_as_log_records,
            records::messages_logged_in_a_model_call_are_its_input_and_output,
            records::the_whole_texts_of_a_trace_are_found,
            scores::scores_find_what_they_are_on,
            scores::of_scores_with_the_same_id_the_latest_stands,
            scores::scores_stay_when_a_session_reopens,
            scores::scores_are_counted_by_name,
            sessions::a_late_root_brings_its_children_into_its_session,
            sessions::a_session_named_on_a_child_covers_the_trace,
            sessions::children_may_come_first_one_by_one,
            sessions::a_trace_moves_to_the_session_its_root_names,
            sessions::conflicts_are_flagged,
            sessions::the_session_tells_what_was_said,
            timeline::a_timeline_is_in_order_and_paged,
            unfinished::a_trace_that_began_is_shown_until_its_span_replaces_the_word,
            unfinished::whatever_comes_first_the_end_is_the_same,
            unfinished::what_began_decides_where_its_trace_belongs,
            unfinished::silence_makes_a_trace_abandoned,
            unfinished::beginnings_go_with_their_session,
            timeline::what_is_exported_can_be_replayed,
            timeline::a_trace_can_be_read_piece_by_piece,
        }
    };
    ($engine:ident, $new:expr, $($room:ident::$case:ident,)*) => {
        mod $engine {
            #[allow(unused_imports)]
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let store: crate::conformance::TestStore = $new;
                    crate::conformance::$room::$case(&store).await;
                    store.shutdown().await;
                }
            )*
        }
    };
}
pub(crate) use conformance;

/// A store under test, with what must stay as long as it does.
pub(crate) struct TestStore {
    store: Arc<dyn Store>,
    _kept: Box<dyn Any + Send + Sync>,
}

impl TestStore {
    pub(crate) fn new(store: Arc<dyn Store>, kept: impl Any + Send + Sync) -> Self {
        Self { store, _kept: Box::new(kept) }
    }

    pub(crate) fn memory() -> Self {
        Self::new(Arc::new(memory()), ())
    }
}

/// The engine that computes everything afresh.
pub(crate) fn memory() -> MemoryStore {
    MemoryStore::new(Prices::builtin()).with_lifecycle(lifecycle())
}

/// How sessions begin and end in every store under test: as a rule they are not split.
pub(crate) fn lifecycle() -> Lifecycle {
    const SECOND: i64 = 1_000_000_000;
    let split = [("half hours", 1800), ("other", 1), ("seed 1", 30), ("seed 2", 100)];
    let split = split.map(|(project, pause)| (project.into(), Boundary::Inactivity(pause * SECOND)));
    Lifecycle { boundary: Boundary::Off, projects: split.into(), ..Lifecycle::default() }
}

impl Deref for TestStore {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

pub(crate) fn project() -> ProjectId {
    ProjectId::default()
}

/// Now, for whoever asks: ten seconds after the beginning.
pub(crate) fn now() -> Timestamp {
    at(10_000)
}

pub(crate) fn batch(content: BatchContent) -> Batch {
    Batch { project: project(), received: now(), content }
}

/// Appends spans and waits until they can be found.
pub(crate) async fn put(store: &TestStore, spans: &[Spec]) {
    store.append(batch(BatchContent::Traces(request(spans)))).await.unwrap();
    store.settle().await.unwrap();
}

pub(crate) async fn put_events(store: &TestStore, events: &[Event]) {
    store.append(batch(BatchContent::Events(events.to_vec()))).await.unwrap();
    store.settle().await.unwrap();
}

pub(crate) fn by(by: SortField, descending: bool) -> ListQuery {
    let sort = Sort { by, descending };
    ListQuery { filter: Filter::All, from: None, to: None, sort, limit: MAX_LIMIT, after: None, now: now() }
}

pub(crate) fn everything() -> ListQuery {
    by(SortField::StartTime, false)
}

pub(crate) fn matching(filter: &str, target: Target) -> ListQuery {
    let filter =
        Filter::parse(filter, &[target], now()).unwrap_or_else(|error| panic!("{filter}: {error:?}"));
    ListQuery { filter, ..everything() }
}

pub(crate) async fn session(store: &TestStore, id: &str) -> Option<Session> {
    store.session(&project(), &SessionId::from(id), now()).await.unwrap()
}

pub(crate) async fn trace(store: &TestStore, id: u64) -> Option<TraceDetail> {
    store.trace(&project(), &trace_id(id)).await.unwrap()
}

pub(crate) async fn all_sessions(store: &TestStore) -> Vec<Session> {
    store.sessions(&project(), &everything()).await.unwrap().rows
}

pub(crate) async fn session_ids(store: &TestStore, query: &ListQuery) -> Vec<String> {
    let page = store.sessions(&project(), query).await.unwrap();
    page.rows.into_iter().map(|session| session.id.to_string()).collect()
}

/// Traces by their number.
pub(crate) async fn trace_numbers(store: &TestStore, query: &ListQuery) -> Vec<u64> {
    let page = store.traces(&project(), query).await.unwrap();
    page.rows.iter().map(|trace: &Trace| number(trace.id)).collect()
}

pub(crate) async fn event_ids(store: &TestStore, query: &ListQuery) -> Vec<String> {
    let page = store.events(&project(), query).await.unwrap();
    page.rows.into_iter().map(|event| event.id.to_string()).collect()
}

pub(crate) fn number(id: TraceId) -> u64 {
    u128::from_be_bytes(*id.as_bytes()) as u64
}

/// All rows of a list, read page by page. `read` reads the page after the given place.
pub(crate) async fn all_pages<T>(mut read: impl AsyncFnMut(Option<Cursor>) -> Page<T>) -> Vec<T> {
    let mut rows = Vec::new();
    let mut after = None;
    for _ in 0..1000 {
        let page = read(after).await;
        assert!(page.next.is_none() || !page.rows.is_empty(), "a page that leads on has rows");
        rows.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return rows;
        }
    }
    panic!("the list never ends");
}

conformance!(memory, crate::conformance::TestStore::memory());
