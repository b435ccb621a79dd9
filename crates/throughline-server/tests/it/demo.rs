//! `throughline demo`, as it is run: what its applications say through the SDK is what the API shows.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{ServerProcess, free_address};

const SESSIONS: usize = 30;

fn get(demo: &ServerProcess, path: &str) -> Vec<Value> {
    let (status, answer) = demo.get(path);
    assert_eq!(status, 200, "{path}: {answer}");
    answer["data"].as_array().unwrap().clone()
}

/// The demo with its sessions of the past in the store.
fn demo() -> ServerProcess {
    let sessions = SESSIONS.to_string();
    let arguments = ["--store-engine", "memory", "--days", "2", "--sessions", &sessions].map(AsRef::as_ref);
    let demo = ServerProcess::run("demo", free_address(), free_address(), &arguments);
    let deadline = Instant::now() + Duration::from_secs(60);
    while get(&demo, "/api/v1/sessions?limit=200").len() < SESSIONS {
        assert!(Instant::now() < deadline, "the past was not in after a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
    demo
}

#[test]
fn its_sessions_have_actor_scope_attributes_events_and_costs() {
    let demo = demo();
    let sessions = get(&demo, "/api/v1/sessions?limit=200");
    // One that is still being played may not have come to its first call of a model yet.
    let over = |session: &&Value| session["state"] == "ended" || session["state"] == "idle";
    let over: Vec<_> = sessions.iter().filter(over).collect();
    assert!(over.len() > SESSIONS / 2, "{sessions:?}");
    for session in over {
        assert_eq!(session["scope"], json!({ "type": "organization", "id": "org_northwind" }));
        let actor = &session["actor"];
        assert_eq!((&actor["type"], &actor["id"]), (&json!("user"), &session["userId"]), "{session}");
        assert!(actor["tags"]["plan"].is_string() && session["title"].is_string(), "{session}");
        assert!(session["traceCount"].as_u64() >= Some(1) && session["eventCount"].as_u64() >= Some(1));
        assert!(session["totalTokens"].as_u64() > Some(600) && session["totalCost"].is_f64(), "{session}");
        assert!(
            !session["models"].as_array().unwrap().is_empty()
                && !session["tags"].as_array().unwrap().is_empty()
        );
    }
    let started = get(&demo, "/api/v1/events?filter=name:conversation.started&limit=200");
    assert!(started.len() >= SESSIONS);
    for event in started {
        assert!(
            event["attributes"]["ctx.channel"].is_string()
                && event["attributes"]["ctx.customer.city"].is_string()
        );
        assert!(event["actor"]["tags"]["plan"].is_string() && event["sessionId"].is_string(), "{event}");
    }
}

#[test]
fn its_failures_are_events_in_the_trace_that_failed() {
    let demo = demo();
    let failed = get(&demo, "/api/v1/events?filter=name:conversation.turn_failed");
    // The oldest: of one that fails just now only the event may be there yet.
    let event = failed.last().expect("with this seed somebody's turn fails");
    assert_eq!(event["level"], "error");
    let path = format!("/api/v1/traces/{}", event["traceId"].as_str().unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    while demo.get(&path).1["status"] != "error" && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    let (_, trace) = demo.get(&path);
    assert_eq!((&trace["sessionId"], &trace["status"]), (&event["sessionId"], &json!("error")));
    assert_eq!(trace["metadata"]["channel"], event["attributes"]["ctx.channel"], "{trace}");
    let observations = trace["observations"].as_array().unwrap();
    let root = observations.iter().find(|one| one["id"] == event["spanId"]).unwrap();
    assert_eq!((&root["type"], &root["error"]["message"]), (&json!("chain"), &event["error"]["message"]));
    // Calls before it may have gone well.
    let failed = |one: &&Value| one["parentId"] == root["id"] && one["status"] == "error";
    assert!(observations.iter().any(|one| failed(&one)), "{trace}");
}
