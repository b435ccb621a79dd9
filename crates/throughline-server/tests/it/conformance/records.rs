use serde_json::json;
use throughline_model::otlp::{events_to_logs, logs_from_json};
use throughline_model::{Level, ObservationType, Status};
use throughline_server::domain::arrival::BatchContent;

use super::requests::{at, event_in, generation, request, span, span_id, trace_id};
use super::{
    TestStore, all_sessions, batch, everything, project, put, put_events, session, trace, trace_numbers,
};

pub(crate) async fn what_is_appended_is_found(store: &TestStore) {
    let root = span(1, 1).named("turn").during(0, 100).in_session("s").of_user("alice").tags(&["b", "a"]);
    let root = root.from("shop", "production").saying("Where is it?", "On its way.");
    let call = generation(1, 2, 1000, 100).below(1).saying("[]", "On its way.");
    put(store, &[root, call, span(1, 3).below(2).text("gen_ai.tool.name", "find").during(25, 250)]).await;

    let found = trace(store, 1).await.unwrap();
    let shown = &found.trace;
    assert_eq!((shown.name.as_str(), shown.user_id.as_deref()), ("turn", Some("alice")));
    assert_eq!((shown.start_time, shown.end_time, shown.duration), (at(0), at(250), 250.0));
    assert_eq!((shown.observation_count, shown.error_count, shown.event_count), (3, 0, 0));
    assert_eq!((shown.usage.input_uncached, shown.usage.output, shown.total_tokens), (1000, 100, 1100));
    assert_eq!(shown.total_cost.unwrap().picodollars(), 3_500_000_000);
    assert_eq!(
        (shown.tags.join(" "), shown.models.join(" "), shown.services.join(" ")),
        ("a b".to_owned(), "gpt-4o".to_owned(), "shop".to_owned(),)
    );
    assert_eq!((&shown.input, &shown.output), (&Some(json!("Where is it?")), &Some(json!("On its way."))));
    let ids: Vec<_> = found.observations.iter().map(|observation| observation.id).collect();
    assert_eq!(ids, [span_id(1), span_id(2), span_id(3)], "in order of start time");
    for observation in &found.observations {
        assert_eq!(observation.session_id.as_ref().map(|id| id.as_str()), Some("s"));
        assert_eq!(observation.user_id.as_deref(), Some("alice"));
    }
    let call = &found.observations[1];
    assert_eq!(
        (call.kind, call.parent_id, call.cost),
        (ObservationType::Generation, Some(span_id(1)), shown.total_cost,)
    );

    let session = session(store, "s").await.unwrap();
    assert_eq!((session.trace_count, session.observation_count, session.total_tokens), (1, 3, 1100));
    assert_eq!(
        (session.title.as_deref(), session.last_output.as_deref()),
        (Some("Where is it?"), Some("On its way."),)
    );
    assert_eq!((session.total_cost, session.environment.as_deref()), (shown.total_cost, Some("production")));
    assert_eq!(all_sessions(store).await, [session]);
    let listed = store.traces(&project(), &everything()).await.unwrap().rows;
    assert_eq!((listed.len(), listed[0].id, listed[0].status), (1, shown.id, Status::Unset));
}

pub(crate) async fn more_of_the_same_changes_nothing(store: &TestStore) {
    let spans =
        [span(1, 1).in_session("s"), generation(1, 2, 10, 1).below(1), generation(1, 2, 10, 1).below(1)];
    put(store, &spans).await;
    let before = (session(store, "s").await, trace(store, 1).await.map(|found| found.observations));
    for _ in 0..3 {
        put(store, &spans).await;
    }
    put(store, &[generation(1, 2, 10, 1).below(1), span(2, 2).in_session("s")]).await;
    let found = session(store, "s").await.unwrap();
    assert_eq!((found.trace_count, found.observation_count, found.total_tokens), (2, 3, 11));
    assert_eq!(before.1, trace(store, 1).await.map(|found| found.observations));
    assert_eq!(before.0.map(|session| session.total_cost), Some(found.total_cost));
    let status = store.status().await;
    assert_eq!((status.spans_stored, status.duplicates_dropped), (3, 11));
    assert_eq!(trace_numbers(store, &everything()).await, [1, 2]);
}

pub(crate) async fn senders_at_the_same_time_count_once(store: &TestStore) {
    let send = async |sender: usize| {
        for n in 0..40_u64 {
            // Everybody sends the same forty spans, each beginning elsewhere.
            let id = (n + sender as u64 * 7) % 40 + 1;
            let spans = [generation(id % 5 + 1, id, 10, 1).in_session("s")];
            store.append(batch(BatchContent::Traces(request(&spans)))).await.unwrap();
        }
    };
    futures_util::future::join_all((0..6).map(send)).await;
    store.settle().await.unwrap();
    let found = session(store, "s").await.unwrap();
    assert_eq!((found.trace_count, found.observation_count, found.total_tokens), (5, 40, 440));
    assert_eq!(store.status().await.spans_stored, 40);
}

pub(crate) async fn events_may_come_as_log_records(store: &TestStore) {
    let mut event = event_in("as a record", 5, Some("s"), Some(1));
    event.attributes.insert("ctx.order.id".to_owned(), json!("ord_789"));
    event.level = Level::Error;
    let records = events_to_logs(std::slice::from_ref(&event));
    for _ in 0..2 {
        store.append(batch(BatchContent::Logs(records.clone().into()))).await.unwrap();
    }
    put_events(store, std::slice::from_ref(&event)).await;
    assert_eq!(store.events(&project(), &everything()).await.unwrap().rows, [event]);
    let found = session(store, "s").await.unwrap();
    assert_eq!((found.event_count, found.error_count), (1, 1));
}

pub(crate) async fn the_whole_texts_of_a_trace_are_found(store: &TestStore) {
    let long = "all of it ".repeat(5000);
    let first = generation(1, 2, 1, 1).below(1).saying("first in", "first out");
    let last = generation(1, 3, 1, 1).below(1).saying(&long, &long);
    put(store, &[span(1, 1), first.clone(), last]).await;
    let shown = trace(store, 1).await.unwrap().trace;
    assert_eq!((shown.input, shown.output), (Some(json!("first in")), Some(json!(long))));
    let listed = store.traces(&project(), &everything()).await.unwrap().rows;
    let shortened = listed[0].output.as_ref().and_then(|value| value.as_str()).unwrap();
    assert!(shortened.len() < 5000 && shortened.starts_with("all of it"));
    let explicit = first.text("langfuse.trace.output", r#"{"answer": 42}"#);
    put(store, std::slice::from_ref(&explicit)).await;
    assert_eq!(trace(store, 1).await.unwrap().trace.output, Some(json!(long)), "it was there already");
    let mut explicit = explicit;
    explicit.id = 4;
    put(store, &[explicit]).await;
    assert_eq!(trace(store, 1).await.unwrap().trace.output, Some(json!({"answer": 42})));
}

/// Log records of a model call that carries no content itself, each said at its millisecond.
fn logged(trace: u64, span: u64, records: &[(&str, i64, &str, &str)]) -> BatchContent {
    let record = |&(name, millis, role, content): &(&str, i64, &str, &str)| {
        let text = |key: &str, text: &str| json!({ "key": key, "value": { "stringValue": text } });
        let body = json!({ "kvlistValue": { "values": [text("role", role), text("content", content)] } });
        json!({ "eventName": name, "timeUnixNano": at(millis).as_nanos().to_string(), "body": body,
            "traceId": trace_id(trace).to_string(), "spanId": span_id(span).to_string() })
    };
    let records: Vec<_> = records.iter().map(record).collect();
    let request = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] });
    BatchContent::Logs(logs_from_json(request.to_string().as_bytes()).unwrap().into())
}

pub(crate) async fn messages_logged_in_a_model_call_are_its_input_and_output(store: &TestStore) {
    let messages = |trace| {
        logged(
            trace,
            1,
            &[
                ("gen_ai.choice", 14, "assistant", "On its way."),
                ("gen_ai.user.message", 12, "user", "Where is it?"),
                ("gen_ai.system.message", 11, "system", "Be brief."),
            ],
        )
    };
    let call = |trace| {
        let call = generation(trace, 1, 10, 5).in_session(&format!("s{trace}"));
        BatchContent::Traces(request(&[call]))
    };
    // Before their call, and after it; again and again.
    for content in [messages(1), call(1), call(2), messages(2), messages(1), call(1)] {
        store.append(batch(content)).await.unwrap();
        store.settle().await.unwrap();
    }
    for number in [1, 2] {
        let found = trace(store, number).await.unwrap();
        let call = found.observations.iter().find(|one| one.id == span_id(1)).unwrap();
        let message = |role: &str, content: &str| json!({ "role": role, "content": content });
        let (asked, answered) = (message("user", "Where is it?"), message("assistant", "On its way."));
        assert_eq!(call.input, Some(json!([message("system", "Be brief."), asked])));
        assert_eq!(call.output, Some(json!([answered])));
        assert_eq!(
            (&found.trace.input, &found.trace.output),
            (&Some(json!([asked])), &Some(json!([answered])))
        );
        assert_eq!((found.trace.observation_count, found.trace.total_tokens), (4, 15));
        let session = session(store, &format!("s{number}")).await.unwrap();
        let said = (session.title.as_deref(), session.last_output.as_deref());
        assert_eq!(said, (Some("Where is it?"), Some("On its way.")));
    }
    // What a call says itself goes before.
    put(store, &[generation(3, 1, 10, 5).saying("own question", "own answer")]).await;
    store.append(batch(messages(3))).await.unwrap();
    store.settle().await.unwrap();
    let found = trace(store, 3).await.unwrap();
    let call = found.observations.iter().find(|one| one.id == span_id(1)).unwrap();
    assert_eq!((&call.input, &call.output), (&Some(json!("own question")), &Some(json!("own answer"))));
    assert_eq!(found.trace.input, Some(json!("own question")));
}
