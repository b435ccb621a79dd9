//! Sums over many sessions, as JSON.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use super::served::Served;

#[tokio::test]
async fn sessions_are_counted_by_the_hour() {
    let served = Served::with_shop().await;
    let all = served.json("/api/v1/analytics/sessions?interval=hour").await;
    assert_eq!((&all["sessions"], &all["withErrors"], &all["abandoned"]), (&json!(2), &json!(1), &json!(0)));
    assert_eq!((&all["turns"]["mean"], &all["turns"]["max"]), (&json!(1.5), &json!(2.0)));
    let bars = json!([{"from": 1.0, "to": 2.0, "count": 1}, {"from": 2.0, "to": 3.0, "count": 1}]);
    assert_eq!(all["turns"]["histogram"], bars);
    let cost = |calls: f64| calls * (1000.0 * 2.5 + 100.0 * 10.0) / 1e6;
    assert_eq!((&all["cost"]["sum"], &all["cost"]["max"]), (&json!(cost(3.0)), &json!(cost(2.0))));
    let points: Vec<(&Value, &Value)> =
        all["series"].as_array().unwrap().iter().map(|point| (&point["time"], &point["sessions"])).collect();
    let expected =
        [(json!("2024-01-15T10:00:00.000Z"), json!(1)), (json!("2024-01-15T11:00:00.000Z"), json!(1))];
    assert_eq!(points, expected.each_ref().map(|(time, sessions)| (time, sessions)));
    assert_eq!(
        all["tokensByTurn"][1],
        json!({"turn": 2, "sessions": 1, "mean": 1100.0, "p50": 1100, "p90": 1100})
    );

    let some = served.json("/api/v1/analytics/sessions?filter=user:bob&from=2024-01-01").await;
    assert_eq!((&some["sessions"], &some["interval"]), (&json!(1), &json!("day")));
}

#[tokio::test]
async fn journeys_go_through_a_funnel() {
    let served = Served::with_shop().await;
    let names = served.json("/api/v1/analytics/journeys?funnel=span+%3E+never").await;
    assert_eq!((&names["sessions"], &names["distinctPaths"]), (&json!(2), &json!(1)));
    let funnel = json!([{"step": "span", "sessions": 2}, {"step": "never", "sessions": 0}]);
    let found = json!([names["paths"][0]["steps"][0].clone(), names["tree"][0]["ended"].clone()]);
    assert_eq!((found, &names["funnel"][1]), (json!([names["paths"][0]["steps"][0], 2]), &funnel[1]));
    let tags = served.json("/api/v1/analytics/journeys?by=tag").await;
    assert_eq!((&tags["sessions"], &tags["paths"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn goals_are_those_configured_or_the_one_tried() {
    let served = Served::with_shop().await;
    let goals = served.json("/api/v1/analytics/goals").await;
    let goal = &goals["data"][0];
    assert_eq!((&goal["name"], &goal["filter"]), (&json!("refunded"), &json!("name:refund*")));
    assert_eq!((&goal["reached"], &goal["completionRate"]), (&json!(1), &json!(0.5)));
    let tried = served.json("/api/v1/analytics/goals?goal=tool:refund_order").await;
    let goal = &tried["data"][0];
    assert_eq!((&goal["name"], &goal["turns"]["sum"]), (&json!("tool:refund_order"), &json!(2.0)));
    assert_eq!(goal["cost"]["sum"], json!(0.007));
    let none = served.json("/api/v1/analytics/goals?goal=user:alice&filter=user:nobody").await;
    assert_eq!(none["data"][0]["completionRate"], Value::Null);

    assert_eq!(served.json("/api/v1/sessions/chat%2F1").await["goals"], json!(["refunded"]));
    let listed = served.json("/api/v1/sessions?sort=startTime").await;
    let goals: Vec<&Value> = listed["data"].as_array().unwrap().iter().map(|row| &row["goals"]).collect();
    assert_eq!(goals, [&json!(["refunded"]), &json!([])]);
}

#[tokio::test]
async fn usage_is_told_by_trace_and_only_of_the_sessions_asked_for() {
    let served = Served::with_shop().await;
    let told = async |query: &str| {
        let usage = served.json(&format!("/api/v1/analytics/usage?{query}")).await;
        let row =
            |row: &Value| (row["group"].clone(), row["observationCount"].clone(), row["totalTokens"].clone());
        usage["data"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(told("group=trace").await, [(json!("chat-turn"), json!(3), json!(3300))]);
    assert_eq!(
        told("group=trace&filter=tool:refund_order").await,
        [(json!("chat-turn"), json!(1), json!(1100))]
    );
    assert_eq!(told("group=tag&sessions=user:bob").await, [(json!(""), json!(1), json!(1100))]);
    assert_eq!(told("sessions=user:nobody").await, []);
    let series = &served.json("/api/v1/analytics/usage?group=trace&interval=hour").await["data"][0]["series"];
    let points: Vec<&Value> = series.as_array().unwrap().iter().map(|point| &point["tokens"]).collect();
    assert_eq!(points, [&json!(2200), &json!(1100)]);
}

#[tokio::test]
async fn usage_beyond_the_limit_is_summed_up() {
    let served = Served::with_shop().await;
    let usage = served.json("/api/v1/analytics/usage?group=user&limit=1&sort=-cost&interval=day").await;
    assert_eq!((usage["data"].as_array().unwrap().len(), &usage["data"][0]["group"]), (1, &json!("alice")));
    assert_json_snapshot!(usage["others"], @r#"
{
  "cost": 0.0035,
  "errorCount": 0,
  "groups": 1,
  "observationCount": 1,
  "series": [
    {
      "cost": 0.0035,
      "observationCount": 1,
      "time": "2024-01-15T00:00:00.000Z",
      "tokens": 1100
    }
  ],
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
  }
}
"#);
}

#[tokio::test]
async fn wrong_questions_are_answered_with_what_is_wrong() {
    let served = Served::new();
    for (path, code, words) in [
        ("sessions?interval=week", "invalid_parameter", "one of day, hour"),
        ("journeys?by=model", "invalid_parameter", "one of name, tag"),
        ("goals?goal=tga:x", "invalid_filter", "goal: "),
        ("goals?filter=tga:x", "invalid_filter", "filter: "),
        ("sessions?limit=3", "invalid_parameter", "limit"),
        ("usage?group=trace&filter=state:live", "invalid_filter", "filter: "),
        ("usage?sessions=tga:x", "invalid_filter", "sessions: "),
        ("usage?limit=0", "invalid_parameter", "from 1 to 1000"),
        ("usage?sort=cost", "invalid_parameter", "one of -totalTokens, -cost"),
        ("unpriced?limit=many", "invalid_parameter", "from 1 to 1000"),
        ("unpriced?filter=tga:x", "invalid_filter", "filter: "),
    ] {
        let answer = served.get(&format!("/api/v1/analytics/{path}")).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status.as_u16(), &error["code"]), (400, &json!(code)), "{path}");
        assert!(error["message"].as_str().unwrap().contains(words), "{path}: {error}");
    }
}
