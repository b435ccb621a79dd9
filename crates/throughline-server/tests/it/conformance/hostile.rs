use serde_json::json;
use throughline_model::SessionId;
use throughline_server::domain::filter::Target;

use super::requests::{event_in, generation, span, trace_id};
use super::{
    TestStore, all_sessions, event_ids, everything, matching, project, put, put_events, session, session_ids,
    trace,
};

pub(crate) async fn texts_are_kept_as_they_are(store: &TestStore) {
    let texts = [
        "</script><script>alert(1)</script>",
        "{\"unfinished\": [1, 2",
        "nul \0 bell \u{7} escape \u{1b}[31m bidi \u{202e} zero width \u{200b}",
        "' OR 1=1; DROP TABLE sessions; --",
        "🦀👩‍👩‍👧‍👦 e\u{301} ﷺ ｆｕｌｌ",
        "\\u0000 \\ \" \r\n\t",
        "   ",
    ];
    for (n, text) in texts.iter().enumerate() {
        let id = n as u64 + 1;
        let spec =
            span(id, id).named(text).saying(text, text).of_user(text).tags(&[text]).text("some.key", text);
        put(store, &[spec.in_session(&format!("s{id}"))]).await;
        let found = trace(store, id).await.unwrap();
        assert_eq!(found.trace.input, Some(json!(text)));
        let observation = &found.observations[0];
        assert_eq!((observation.name.as_str(), &observation.output), (*text, &Some(json!(text))));
        assert_eq!(observation.attributes.get("some.key"), Some(&json!(text)));
    }
    assert_eq!(all_sessions(store).await.len(), texts.len());
}

pub(crate) async fn ids_may_be_any_text(store: &TestStore) {
    let long = "x".repeat(500);
    let ids = [
        "Zürich ☕",
        "a/b?c=d&e#f",
        "../../etc/passwd",
        "line\nbreak",
        "日本語",
        "\"quoted\"",
        "A",
        "a",
        "0",
        &long,
    ];
    for (n, id) in ids.iter().enumerate() {
        let n = n as u64 + 1;
        put(store, &[span(n, n).in_session(id).of_user(id)]).await;
        put_events(store, &[event_in(id, n as i64, Some(id), None)]).await;
    }
    for (n, id) in ids.iter().enumerate() {
        let found = session(store, id).await.unwrap_or_else(|| panic!("{id:?} is gone"));
        assert_eq!((found.id.as_str(), found.trace_count, found.event_count), (*id, 1, 1), "{id:?}");
        assert_eq!(found.user_id.as_deref(), Some(*id));
        let page = store.session_traces(&project(), &SessionId::from(*id), None, 10).await.unwrap();
        assert_eq!(page.rows.iter().map(|trace| trace.id).collect::<Vec<_>>(), [trace_id(n as u64 + 1)]);
    }
    assert_eq!(session_ids(store, &everything()).await.len(), ids.len());
    assert_eq!(event_ids(store, &everything()).await, ids);
    assert_eq!(session_ids(store, &matching("user:\"Zürich ☕\"", Target::Session)).await, ["Zürich ☕"]);
    assert_eq!(session_ids(store, &matching("session:a", Target::Session)).await, ["a"]);
}

pub(crate) async fn ten_megabytes_of_text_are_kept(store: &TestStore) {
    let text = "Zürich ☕ ".repeat(10 << 20 >> 4) + "end";
    put(store, &[generation(1, 1, 1, 1).in_session("s").saying(&text, "short").text("some.key", &text)])
        .await;
    let found = trace(store, 1).await.unwrap();
    assert!(found.observations[0].input == Some(json!(text)) && found.trace.input == Some(json!(text)));
    let listed = session(store, "s").await.unwrap();
    assert!(listed.title.unwrap().starts_with("Zürich ☕ Zürich"));
}

pub(crate) async fn parents_in_a_circle_end(store: &TestStore) {
    let circle =
        [generation(1, 1, 1, 0).below(3), generation(1, 2, 1, 0).below(1), generation(1, 3, 1, 0).below(2)];
    put(store, &circle[..1]).await;
    put(store, &circle[1..]).await;
    put(
        store,
        &[generation(1, 4, 5, 0).below(3).in_session("s"), generation(2, 9, 7, 0).below(9).in_session("s")],
    )
    .await;
    let found = session(store, "s").await.unwrap();
    assert_eq!((found.observation_count, found.total_tokens), (5, 12), "what hangs on the circle counts");
}
