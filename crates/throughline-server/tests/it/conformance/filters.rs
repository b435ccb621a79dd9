use serde_json::json;
use throughline_model::{Actor, Attributes, ErrorInfo, Event, Level};
use throughline_server::domain::filter::Target;

use super::requests::{event_in, generation, span};
use super::{TestStore, event_ids, matching, put, put_events, session_ids, trace_numbers};

/// Three sessions: `alice` with traces 1 and 2, `bob` with 3, `carol` with events only; trace 4 is in none.
async fn put_all(store: &TestStore) {
    let alice = span(1, 1).named("support-turn").during(0, 2000).in_session("alice").of_user("alice");
    let alice = alice.from("shop", "production").tags(&["conversion", "vip"]).text("ctx.order.id", "ord_789");
    let call =
        generation(1, 2, 200_000, 1000).below(1).saying("Where is my refund?", "The money is on its way.");
    let tool =
        span(1, 3).below(1).kind("TOOL").text("gen_ai.tool.name", "find_order").number("http.status", 404);
    put(
        store,
        &[alice.text("metadata", r#"{"channel":"web"}"#), call.text("gen_ai.provider.name", "openai"), tool],
    )
    .await;
    put(
        store,
        &[span(2, 4).named("goodbye").during(3000, 3100).in_session("alice").saying("Thanks!", "Bye.")],
    )
    .await;
    let bob =
        span(3, 5).named("billing").during(1000, 200_000).in_session("bob").of_user("bob").failing("quota");
    let failed = span(3, 6)
        .during(1000, 1100)
        .below(5)
        .kind("LLM")
        .text("gen_ai.request.model", "claude-haiku-4-5")
        .failing("quota exceeded");
    put(store, &[bob.from("billing", "staging"), failed.from("billing", "staging")]).await;
    put(store, &[span(4, 7).named("GET /health").during(10, 11)]).await;
    let mut attributes = Attributes::new();
    attributes.insert("ctx.order.id".to_owned(), json!("ord_111"));
    attributes.insert("amount".to_owned(), json!(42));
    let carol = Actor { kind: "user".to_owned(), id: Some("carol".to_owned()), tags: Attributes::new() };
    let error =
        ErrorInfo { name: "PaymentError".into(), message: "card declined".into(), code: None, stack: None };
    put_events(
        store,
        &[
            Event { actor: Some(carol), attributes, ..event_in("shipped", 100, Some("carol"), None) },
            Event {
                name: "payment.failed".to_owned(),
                level: Level::Error,
                environment: "staging".to_owned(),
                service: "payments".to_owned(),
                error: Some(error),
                ..event_in("failed", 200, Some("carol"), None)
            },
            Event {
                level: Level::Warn,
                name: "cart.slow".to_owned(),
                ..event_in("slow", 300, None, Some(1))
            },
            event_in("alone", 400, None, None),
        ],
    )
    .await;
}

pub(crate) async fn every_field_finds_its_sessions(store: &TestStore) {
    put_all(store).await;
    for (filter, expected) in [
        ("", "alice bob carol"),
        ("session:alice", "alice"),
        ("session:*o*", "bob carol"),
        ("user:bob", "bob"),
        ("user:carol", "carol"),
        ("name:support-turn", "alice"),
        ("name:payment.*", "carol"),
        ("type:tool", "alice"),
        ("type:event", "alice carol"),
        ("model:gpt-4o", "alice"),
        ("model:claude-*", "bob"),
        ("provider:openai", "alice"),
        ("tool:find_order", "alice"),
        ("tag:conversion", "alice"),
        ("tag:conv*", "alice"),
        ("env:staging", "bob"),
        ("service:billing", "bob"),
        ("service:payments", "carol"),
        ("level:error", "bob carol"),
        ("level:>=warn", "alice bob carol"),
        ("status:error", "bob"),
        ("error:true", "bob carol"),
        ("error:false", "alice"),
        ("cost:>0.5", "alice"),
        ("cost:<=0.51", "alice"),
        ("cost:>0.52", ""),
        ("tokens:>=201k", "alice"),
        ("tokens:0", "bob carol"),
        ("duration:>2m", "bob"),
        ("duration:<200ms", "carol"),
        ("turns:>1", "alice"),
        ("turns:0", "carol"),
        ("errors:>=1", "bob carol"),
        ("attr.ctx.order.id:ord_789", "alice"),
        ("attr.ctx.order.id:ord_*", "alice carol"),
        ("attr.http.status:>400", "alice"),
        ("attr.amount:42", "carol"),
        ("metadata.channel:web", "alice"),
        ("refund", "alice"),
        ("REFUND money", "alice"),
        ("\"the money\"", "alice"),
        ("declined", "carol"),
        ("quota", "bob"),
        ("nowhere", ""),
        ("NOT refund", "bob carol"),
        ("user:alice OR declined", "alice carol"),
        ("env:staging error:true", "bob"),
        ("-(user:alice OR user:bob)", "carol"),
        ("cost:>0 OR NOT cost:>0", "alice bob carol"),
        ("user:alice,bob -model:gpt-4o", "bob"),
    ] {
        let mut found = session_ids(store, &matching(filter, Target::Session)).await;
        found.sort();
        assert_eq!(found.join(" "), expected, "{filter}");
    }
}

pub(crate) async fn every_field_finds_its_traces(store: &TestStore) {
    put_all(store).await;
    for (filter, expected) in [
        ("", vec![1, 2, 3, 4]),
        ("session:alice", vec![1, 2]),
        ("-session:*", vec![4]),
        ("trace:00000000000000000000000000000003", vec![3]),
        ("user:alice", vec![1]),
        ("name:good*", vec![2]),
        ("name:cart.slow", vec![1]),
        ("type:generation", vec![1, 3]),
        ("model:gpt-4o", vec![1]),
        ("tool:find_order", vec![1]),
        ("tag:vip", vec![1]),
        ("env:staging", vec![3]),
        ("service:shop", vec![1, 2, 4]),
        ("level:warn", vec![1]),
        ("status:unset", vec![1, 2, 4]),
        ("error:true", vec![3]),
        ("errors:2", vec![3]),
        ("cost:>0", vec![1]),
        ("tokens:>0", vec![1]),
        ("duration:<=100ms", vec![2, 4]),
        ("start:>=2026-11-20T10:00:01Z", vec![2, 3]),
        ("end:<2026-11-20T10:00:01Z", vec![4]),
        ("attr.http.status:404", vec![1]),
        ("metadata.channel:*", vec![1]),
        ("bye", vec![2]),
        ("refund bye", vec![]),
        ("refund OR bye", vec![1, 2]),
    ] {
        let mut found = trace_numbers(store, &matching(filter, Target::Trace)).await;
        found.sort_unstable();
        assert_eq!(found, expected, "{filter}");
    }
}

pub(crate) async fn every_field_finds_its_events(store: &TestStore) {
    put_all(store).await;
    for (filter, expected) in [
        ("", "shipped failed slow alone"),
        ("session:carol", "shipped failed"),
        ("session:alice", "slow"),
        ("trace:*1", "slow"),
        ("user:carol", "shipped"),
        ("name:order.shipped", "shipped alone"),
        ("env:staging", "failed"),
        ("service:payments", "failed"),
        ("level:>=warn", "failed slow"),
        ("error:true", "failed"),
        ("attr.amount:>40", "shipped"),
        ("attr.ctx.order.id:ord_111", "shipped"),
        ("declined", "failed"),
        ("ord_111", "shipped"),
        ("payment", "failed"),
        ("start:>2026-11-20T10:00:00.25Z", "slow alone"),
        ("NOT session:*", "alone"),
    ] {
        assert_eq!(event_ids(store, &matching(filter, Target::Event)).await.join(" "), expected, "{filter}");
    }
}
