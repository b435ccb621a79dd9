//! Shapes of answers, filters, orders and paging.

use insta::assert_json_snapshot;
use throughline_model::Event;

use super::served::{Served, shop_event, span, text, time};

#[tokio::test]
async fn sessions_are_listed_latest_first() {
    let served = Served::with_shop().await;
    let list = served.json("/api/v1/sessions").await;
    assert_eq!(list["data"][1]["id"], "chat/1");
    assert_json_snapshot!(list["data"][0], @r#"
{
  "activeDuration": 1000.0,
  "duration": 1000.0,
  "endTime": "2024-01-15T11:58:01.000Z",
  "environment": "production",
  "errorCount": 0,
  "eventCount": 0,
  "flags": [],
  "goals": [],
  "id": "sess_bob",
  "lastOutput": "On its way.",
  "metadata": {},
  "models": [
    "gpt-4o"
  ],
  "observationCount": 2,
  "services": [
    "shop"
  ],
  "startTime": "2024-01-15T11:58:00.000Z",
  "state": "live",
  "tags": [],
  "title": "Where is my parcel?",
  "totalCost": 0.0035,
  "totalTokens": 1100,
  "traceCount": 1,
  "usage": {
    "cacheRead": 0,
    "cacheWrite": 0,
    "cacheWrite1h": 0,
    "inputAudio": 0,
    "inputUncached": 1000,
    "output": 100,
    "outputAudio": 0,
    "reasoning": 0
  },
  "userId": "bob"
}
"#);
    assert!(list["nextCursor"].is_null());
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "it shows an answer whole")]
async fn a_session_comes_with_its_traces() {
    let served = Served::with_shop().await;
    let detail = served.json("/api/v1/sessions/chat%2F1?limit=1").await;
    assert_json_snapshot!(detail, @r#"
{
  "activeDuration": 61500.0,
  "duration": 61500.0,
  "endTime": "2024-01-15T10:01:01.500Z",
  "environment": "production",
  "errorCount": 1,
  "eventCount": 2,
  "flags": [],
  "goals": [
    "refunded"
  ],
  "id": "chat/1",
  "lastOutput": "Done.",
  "metadata": {},
  "models": [
    "gpt-4o"
  ],
  "nextCursor": "WyJzZXNzaW9uIHRyYWNlcyIsMTcwNTMxMjgwMDAwMDAwMDAwMCwiMDEwMTAxMDEwMTAxMDEwMTAxMDEwMTAxMDEwMTAxMDEiXQ",
  "observationCount": 5,
  "services": [
    "shop"
  ],
  "startTime": "2024-01-15T10:00:00.000Z",
  "state": "ended",
  "tags": [],
  "title": "I want a refund",
  "totalCost": 0.007,
  "totalTokens": 2200,
  "traceCount": 2,
  "traces": [
    {
      "duration": 1000.0,
      "endTime": "2024-01-15T10:00:01.000Z",
      "environment": "production",
      "errorCount": 0,
      "eventCount": 0,
      "flags": [],
      "id": "01010101010101010101010101010101",
      "input": [
        {
          "parts": [
            {
              "content": "I want a refund",
              "type": "text"
            }
          ],
          "role": "user"
        }
      ],
      "metadata": {},
      "models": [
        "gpt-4o"
      ],
      "name": "chat-turn",
      "observationCount": 2,
      "output": [
        {
          "parts": [
            {
              "content": "Which order?",
              "type": "text"
            }
          ],
          "role": "assistant"
        }
      ],
      "services": [
        "shop"
      ],
      "sessionId": "chat/1",
      "startTime": "2024-01-15T10:00:00.000Z",
      "status": "unset",
      "tags": [],
      "totalCost": 0.0035,
      "totalTokens": 1100,
      "usage": {
        "cacheRead": 0,
        "cacheWrite": 0,
        "cacheWrite1h": 0,
        "inputAudio": 0,
        "inputUncached": 1000,
        "output": 100,
        "outputAudio": 0,
        "reasoning": 0
      },
      "userId": "alice"
    }
  ],
  "usage": {
    "cacheRead": 0,
    "cacheWrite": 0,
    "cacheWrite1h": 0,
    "inputAudio": 0,
    "inputUncached": 2000,
    "output": 200,
    "outputAudio": 0,
    "reasoning": 0
  },
  "userId": "alice"
}
"#);
    let rest = format!("/api/v1/sessions/chat%2F1?cursor={}", detail["nextCursor"].as_str().unwrap());
    let rest = served.json(&rest).await;
    assert_eq!(rest["traces"].as_array().unwrap().len(), 1);
    assert!(rest["nextCursor"].is_null());
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "it shows an answer whole")]
async fn a_trace_comes_with_everything_in_it() {
    let served = Served::with_shop().await;
    let id = "02".repeat(16);
    assert_json_snapshot!(served.json(&format!("/api/v1/traces/{id}")).await, @r#"
{
  "duration": 1500.0,
  "endTime": "2024-01-15T10:01:01.500Z",
  "environment": "production",
  "errorCount": 1,
  "eventCount": 0,
  "events": [],
  "flags": [],
  "id": "02020202020202020202020202020202",
  "input": [
    {
      "parts": [
        {
          "content": "Order 789 <script>",
          "type": "text"
        }
      ],
      "role": "user"
    }
  ],
  "metadata": {},
  "models": [
    "gpt-4o"
  ],
  "name": "chat-turn",
  "observationCount": 3,
  "observations": [
    {
      "cost": null,
      "duration": 1000.0,
      "endTime": "2024-01-15T10:01:01.000Z",
      "environment": "production",
      "id": "2020202020202020",
      "level": "info",
      "name": "chat-turn",
      "parentId": null,
      "service": "shop",
      "sessionId": "chat/1",
      "startTime": "2024-01-15T10:01:00.000Z",
      "status": "unset",
      "traceId": "02020202020202020202020202020202",
      "type": "span",
      "userId": "alice"
    },
    {
      "completionTokens": 100,
      "cost": 0.0035,
      "duration": 1000.0,
      "endTime": "2024-01-15T10:01:01.000Z",
      "environment": "production",
      "id": "2121212121212121",
      "input": [
        {
          "parts": [
            {
              "content": "Order 789 <script>",
              "type": "text"
            }
          ],
          "role": "user"
        }
      ],
      "level": "info",
      "model": "gpt-4o",
      "name": "chat gpt-4o",
      "output": [
        {
          "parts": [
            {
              "content": "Done.",
              "type": "text"
            }
          ],
          "role": "assistant"
        }
      ],
      "parentId": "2020202020202020",
      "promptTokens": 1000,
      "provider": "openai",
      "requestedModel": "gpt-4o",
      "service": "shop",
      "sessionId": "chat/1",
      "startTime": "2024-01-15T10:01:00.000Z",
      "status": "unset",
      "totalTokens": 1100,
      "traceId": "02020202020202020202020202020202",
      "type": "generation",
      "usage": {
        "cacheRead": 0,
        "cacheWrite": 0,
        "cacheWrite1h": 0,
        "inputAudio": 0,
        "inputUncached": 1000,
        "output": 100,
        "outputAudio": 0,
        "reasoning": 0
      },
      "userId": "alice"
    },
    {
      "cost": null,
      "duration": 1000.0,
      "endTime": "2024-01-15T10:01:01.500Z",
      "environment": "production",
      "id": "2222222222222222",
      "level": "error",
      "name": "execute_tool refund_order",
      "parentId": "2020202020202020",
      "service": "shop",
      "sessionId": "chat/1",
      "startTime": "2024-01-15T10:01:00.500Z",
      "status": "error",
      "statusMessage": "card expired",
      "tool": {
        "name": "refund_order"
      },
      "traceId": "02020202020202020202020202020202",
      "type": "tool",
      "userId": "alice"
    }
  ],
  "output": [
    {
      "parts": [
        {
          "content": "Done.",
          "type": "text"
        }
      ],
      "role": "assistant"
    }
  ],
  "services": [
    "shop"
  ],
  "sessionId": "chat/1",
  "startTime": "2024-01-15T10:01:00.000Z",
  "status": "unset",
  "tags": [],
  "totalCost": 0.0035,
  "totalTokens": 1100,
  "usage": {
    "cacheRead": 0,
    "cacheWrite": 0,
    "cacheWrite1h": 0,
    "inputAudio": 0,
    "inputUncached": 1000,
    "output": 100,
    "outputAudio": 0,
    "reasoning": 0
  },
  "userId": "alice"
}
"#);
}

#[tokio::test]
async fn a_timeline_is_in_order_of_time() {
    let served = Served::with_shop().await;
    let mut path = "/api/v1/sessions/chat%2F1/timeline?limit=3".to_owned();
    let mut kinds = Vec::new();
    loop {
        let page = served.json(&path).await;
        let entries = page["data"].as_array().unwrap();
        kinds.extend(
            entries.iter().map(|entry| format!("{} {}", entry["kind"], entry["name"]).replace('"', "")),
        );
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/api/v1/sessions/chat%2F1/timeline?limit=3&cursor={cursor}");
    }
    assert_eq!(
        kinds,
        [
            "trace chat-turn",
            "observation chat-turn",
            "observation chat gpt-4o",
            "event order.shipped",
            "event refund.asked",
            "trace chat-turn",
            "observation chat-turn",
            "observation chat gpt-4o",
            "observation execute_tool refund_order"
        ]
    );
}

#[tokio::test]
async fn events_users_and_usage_have_their_shapes() {
    let served = Served::with_shop().await;
    assert_json_snapshot!(served.json("/api/v1/events?limit=1").await, @r#"
{
  "data": [
    {
      "attributes": {
        "ctx.order.id": "ord_789"
      },
      "environment": "production",
      "id": "evt_refund.asked",
      "level": "info",
      "name": "refund.asked",
      "service": "shop",
      "sessionId": "chat/1",
      "time": "2024-01-15T10:00:30.000Z"
    }
  ],
  "nextCursor": "WyJldmVudHMgLXRpbWUiLDE3MDUzMTI4MzAwMDAwMDAwMDAsImV2dF9yZWZ1bmQuYXNrZWQiXQ"
}
"#);
    assert_json_snapshot!(served.json("/api/v1/users?sort=-totalTokens&limit=1").await, @r#"
{
  "data": [
    {
      "errorCount": 1,
      "firstSeen": "2024-01-15T10:00:00.000Z",
      "id": "alice",
      "lastSeen": "2024-01-15T10:01:01.500Z",
      "sessionCount": 1,
      "totalCost": 0.007,
      "totalTokens": 2200,
      "traceCount": 2
    }
  ],
  "nextCursor": "WyJ1c2VycyAtdG90YWxUb2tlbnMiLDIyMDAsImFsaWNlIl0"
}
"#);
    assert_json_snapshot!(served.json("/api/v1/analytics/usage").await, @r#"
{
  "data": [
    {
      "cost": 0.0105,
      "durationP50": 1000.0,
      "durationP95": 1000.0,
      "errorCount": 0,
      "group": "gpt-4o",
      "observationCount": 3,
      "totalTokens": 3300,
      "usage": {
        "cacheRead": 0,
        "cacheWrite": 0,
        "cacheWrite1h": 0,
        "inputAudio": 0,
        "inputUncached": 3000,
        "output": 300,
        "outputAudio": 0,
        "reasoning": 0
      }
    }
  ],
  "others": null
}
"#);
    let by_user = served.json("/api/v1/analytics/usage?group=user").await;
    assert_eq!(
        (&by_user["data"][0]["group"], &by_user["data"][0]["totalTokens"]),
        (&"alice".into(), &2200.into())
    );
}

#[tokio::test]
async fn filters_and_ranges_choose() {
    let served = Served::with_shop().await;
    for (query, expected) in [
        ("filter=user:alice", vec!["chat/1"]),
        ("filter=refund", vec!["chat/1"]),
        ("filter=tool:refund_order+level:error", vec!["chat/1"]),
        ("filter=attr.ctx.order.id:ord_789", vec!["chat/1"]),
        ("filter=-error:true", vec!["sess_bob"]),
        ("filter=tokens:%3E2k", vec!["chat/1"]),
        ("filter=state:live", vec!["sess_bob"]),
        ("from=-10m", vec!["sess_bob"]),
        ("to=2024-01-15T11:00:00Z", vec!["chat/1"]),
        ("from=2024-01-15&to=2024-01-15&sort=startTime", vec!["chat/1", "sess_bob"]),
        ("sort=-totalTokens&filter=", vec!["chat/1", "sess_bob"]),
        ("filter=user:nobody", vec![]),
    ] {
        let ids = served.column(&format!("/api/v1/sessions?{query}"), "id").await;
        assert_eq!(ids, expected, "{query}");
    }
    let shipped = served.column("/api/v1/events?filter=name:order.*", "name").await;
    assert_eq!(shipped, ["order.shipped"]);
    let turns = served.column("/api/v1/traces?filter=session:chat/1&sort=startTime", "startTime").await;
    assert_eq!(turns, ["2024-01-15T10:00:00.000Z", "2024-01-15T10:01:00.000Z"]);
}

#[tokio::test]
async fn paging_through_ties_neither_skips_nor_repeats() {
    let served = Served::new();
    let event = |n: usize| Event { id: format!("evt_{n:04}").into(), ..shop_event("tick", None) };
    let mut events: Vec<Event> = (0..1000).map(event).collect();
    for late in &mut events[900..] {
        late.time = time("2024-01-15T11:00:00Z");
    }
    served.events(&events).await;
    for (sort, step) in [("-time", 64), ("time", 333), ("time", 1000)] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = served.json(&format!("/api/v1/events?sort={sort}&limit={step}&cursor={cursor}")).await;
            seen.extend(
                page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()),
            );
            match page["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        let mut expected: Vec<String> = events.iter().map(|event| event.id.to_string()).collect();
        if sort == "-time" {
            expected.reverse();
        }
        assert_eq!(seen, expected, "{sort} by {step}");
    }
}

#[tokio::test]
async fn sessions_may_have_any_id() {
    let served = Served::new();
    let ids = ["a/b", "a b", "días €", "a%2Fb", "?#&=+", "..", "<script>", &"x".repeat(512)];
    for (n, id) in (1..).zip(ids) {
        served.spans(vec![span(n, n, 0, "2024-01-15T11:00:00Z", vec![text("session.id", id)])]).await;
    }
    for id in ids {
        let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert_eq!(served.json(&format!("/api/v1/sessions/{encoded}")).await["id"], id);
        assert_eq!(
            served.json(&format!("/api/v1/sessions/{encoded}/timeline")).await["data"][0]["sessionId"],
            id
        );
        assert_eq!(
            served.json(&format!("/observability/sessions/{encoded}/export")).await["session"]["id"],
            id
        );
    }
}

#[tokio::test]
async fn a_session_can_be_ended_and_deleted() {
    let served = Served::with_shop().await;
    let ended = served.call(http::Method::POST, "/api/v1/sessions/sess_bob/end").await;
    assert_eq!((ended.status.as_u16(), &ended.json()["state"]), (200, &"ended".into()));
    assert_eq!(served.json("/api/v1/sessions/sess_bob").await["state"], "ended");
    let deleted = served.call(http::Method::DELETE, "/api/v1/sessions/chat%2F1").await;
    assert_eq!((deleted.status.as_u16(), deleted.text()), (204, ""));
    assert_eq!(served.get("/api/v1/sessions/chat%2F1").await.status, 404);
    assert_eq!(served.column("/api/v1/sessions", "id").await, ["sess_bob"]);
    assert_eq!(served.column("/api/v1/events", "name").await, ["deploy.done"]);
}
