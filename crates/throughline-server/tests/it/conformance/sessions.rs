use throughline_model::SessionId;

use super::requests::{generation, span};
use super::{TestStore, all_sessions, matching, put, session, session_ids, trace};
use throughline_server::domain::filter::Target;

async fn sessions_of_observations(store: &TestStore, id: u64) -> Vec<Option<String>> {
    let found = trace(store, id).await.unwrap();
    let of = |session: &Option<SessionId>| session.as_ref().map(|id| id.to_string());
    let observations = found.observations.iter().map(|observation| of(&observation.session_id));
    std::iter::once(of(&found.trace.session_id)).chain(observations).collect()
}

pub(crate) async fn a_late_root_brings_its_children_into_its_session(store: &TestStore) {
    put(store, &[generation(1, 2, 10, 1).below(1), generation(1, 3, 10, 1).below(1)]).await;
    let before = trace(store, 1).await.unwrap().trace;
    assert_eq!((before.session_id, before.flags), (None, vec!["root_missing".to_owned()]));
    assert_eq!(all_sessions(store).await, []);
    put(store, &[span(1, 1).in_session("s").of_user("alice")]).await;
    assert_eq!(sessions_of_observations(store, 1).await, vec![Some("s".to_owned()); 4]);
    let found = session(store, "s").await.unwrap();
    assert_eq!(
        (found.observation_count, found.total_tokens, found.user_id),
        (3, 22, Some("alice".to_owned()))
    );
    assert_eq!(found.flags, [""; 0]);
    let users = matching("user:alice model:gpt-4o", Target::Session);
    assert_eq!(session_ids(store, &users).await, ["s"]);
}

pub(crate) async fn a_session_named_on_a_child_covers_the_trace(store: &TestStore) {
    put(store, &[span(1, 1), span(1, 2).below(1)]).await;
    put(store, &[span(1, 4).below(1).in_session("late")]).await;
    put(store, &[span(1, 3).below(1).in_session("s")]).await;
    put(store, &[span(1, 5).below(1)]).await;
    assert_eq!(sessions_of_observations(store, 1).await, vec![Some("s".to_owned()); 6]);
    assert_eq!(session(store, "late").await, None);
}

pub(crate) async fn children_may_come_first_one_by_one(store: &TestStore) {
    for trace in 1..=3 {
        for span in [
            generation(trace, trace * 10 + 3, 10, 1).below(trace * 10 + 2),
            span(trace, trace * 10 + 2).below(trace * 10 + 1),
            span(trace, trace * 10 + 1).in_session("s").named("turn"),
        ] {
            put(store, &[span]).await;
        }
    }
    let found = session(store, "s").await.unwrap();
    assert_eq!((found.trace_count, found.observation_count, found.total_tokens), (3, 9, 33));
    assert_eq!((found.title.as_deref(), found.flags.len()), (Some("turn"), 0));
}

pub(crate) async fn a_trace_moves_to_the_session_its_root_names(store: &TestStore) {
    put(store, &[span(1, 2).below(1).in_session("first"), span(2, 9).in_session("first")]).await;
    assert_eq!(session(store, "first").await.unwrap().trace_count, 2);
    put(store, &[span(1, 1).in_session("second")]).await;
    assert_eq!(session(store, "first").await.unwrap().observation_count, 1);
    assert_eq!(session(store, "second").await.unwrap().observation_count, 2);
    put(store, &[span(2, 8).in_session("second")]).await;
    assert_eq!(session(store, "first").await, None, "nothing is left in it");
    assert_eq!(session(store, "second").await.unwrap().observation_count, 4);
    assert_eq!(all_sessions(store).await.len(), 1);
}

pub(crate) async fn conflicts_are_flagged(store: &TestStore) {
    put(store, &[span(1, 1).in_session("a").of_user("u"), span(1, 2).below(1).in_session("b").of_user("u")])
        .await;
    let found = trace(store, 1).await.unwrap().trace;
    assert_eq!(
        (found.session_id, found.flags),
        (Some(SessionId::from("a")), vec!["session_conflict".to_owned()])
    );
    assert_eq!(session(store, "a").await.unwrap().flags, ["session_conflict"]);
    assert_eq!(session(store, "b").await, None);
}

pub(crate) async fn the_session_tells_what_was_said(store: &TestStore) {
    let messages =
        r#"[{"role":"system","content":"Be kind."},{"role":"user","content":"Where is  my\norder?"}]"#;
    put(store, &[span(2, 20).in_session("s").saying("And now?", "It is there.")]).await;
    put(store, &[span(1, 10).in_session("s").saying(messages, "On its way.")]).await;
    put(store, &[span(3, 5).in_session("s").named("warm-up")]).await;
    let found = session(store, "s").await.unwrap();
    assert_eq!(found.title.as_deref(), Some("Where is my order?"), "of the first that says something");
    assert_eq!(found.last_output.as_deref(), Some("It is there."));
}
