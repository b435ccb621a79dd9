//! A request's layers on the waterfall, drawn from what the tower exporter says of them.

use serde_json::{Value, json};
use throughline_model::{ErrorInfo, Level, Observation, ObservationType, Status};

use super::story::{Story, ago, attributes, span_id, trace_id};
use super::{page, server};

/// A request of 100 ms. Times are in milliseconds from its start.
struct Request(Story, Vec<Observation>);

impl Request {
    fn new() -> Self {
        Self(Story::default(), Vec::new())
    }

    fn add(&mut self, parent: Option<u64>, name: &str, from: u64, to: u64, facts: Value) -> &mut Observation {
        let start = ago(60.0).plus_nanos(from as i64 * 1_000_000);
        let length = (to - from) as f64 / 1e3;
        let mut observation = self.0.observation(trace_id(1), parent.map(span_id), name, (start, length));
        if parent.is_some() {
            observation.kind = ObservationType::Layer;
        }
        observation.attributes = attributes(facts);
        self.1.push(observation);
        self.1.last_mut().unwrap()
    }

    /// The rows of its waterfall, and the page.
    async fn rows(mut self) -> (Vec<String>, String) {
        self.0.trace(trace_id(1), "conv_1", self.1, |_| {});
        let server = server(self.0).await;
        let (_, html) = page(&server, &format!("/traces/{}?observation={}", trace_id(1), span_id(3))).await;
        server.stop().await;
        let tree = html.split("id=\"record\"").next().unwrap();
        (tree.split("class=\"w-row").skip(1).map(str::to_owned).collect(), html)
    }
}

fn fail(observation: &mut Observation, name: &str, message: &str) {
    observation.status = Status::Error;
    observation.level = Level::Error;
    observation.error =
        Some(ErrorInfo { name: name.to_owned(), message: message.to_owned(), code: None, stack: None });
}

/// The place and width of everything drawn in a row's bar.
fn drawn(row: &str) -> Vec<(&str, &str, &str)> {
    let value = |rest: &str, name: &str| {
        let at = rest.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
        (at, at + rest[at..].find('"').unwrap())
    };
    let rects = row.split("class=\"bars\"").nth(1).unwrap().split("</svg>").next().unwrap();
    rects
        .split("<rect class=\"")
        .skip(1)
        .map(|rest| {
            let ((x, x_end), (width, width_end)) = (value(rest, "x"), value(rest, "width"));
            (rest.split('"').next().unwrap(), &rest[x..x_end], &rest[width..width_end])
        })
        .collect()
}

#[tokio::test]
async fn own_time_is_told_from_the_time_inside() {
    let mut request = Request::new();
    request.add(None, "GET /orders/{id}", 0, 100, json!({"http.response.status_code": 200}));
    let around = json!({"layer.kind": "middleware", "layer.before_ms": 20.0, "layer.after_ms": 10.0,
        "layer.self_ms": 30.0});
    request.add(Some(1), "middleware auth", 5, 95, around);
    request.add(Some(2), "handler show", 25, 85, json!({"layer.kind": "handler", "layer.self_ms": 60.0}));
    let (rows, html) = request.rows().await;
    assert_eq!(drawn(&rows[0]), [("bar-shape t-span", "0%", "100%"), ("inner", "5%", "90%")]);
    assert_eq!(drawn(&rows[1]), [("bar-shape t-layer", "5%", "90%"), ("inner", "25%", "60%")]);
    assert_eq!(drawn(&rows[2]), [("bar-shape t-layer", "25%", "60%")], "all of it is its own");
    assert!(rows[1].contains("own 30 ms") && rows[1].contains("20 ms before and 10 ms after what is inside"));
    assert!(rows[0].contains(">200<") && rows[2].contains("name i2"));
    assert!(rows[2].contains("<span class=\"prefix\">handler </span><bdi>show</bdi>"), "{}", rows[2]);
    assert!(html.contains("<dt>Own time</dt><dd class=\"text\">60 ms</dd>"), "{html}");
}

#[tokio::test]
async fn layers_that_lie_flat_keep_their_own_time() {
    let mut request = Request::new();
    request.add(None, "GET /", 0, 100, json!({}));
    request.add(Some(1), "middleware auth", 0, 100, json!({"layer.before_ms": 40.0, "layer.after_ms": 40.0}));
    request.add(Some(1), "handler show", 40, 60, json!({}));
    let (rows, _) = request.rows().await;
    assert_eq!(drawn(&rows[1])[1], ("inner", "40%", "20%"));
}

#[tokio::test]
async fn an_error_is_marked_where_it_began_with_who_handled_it() {
    let mut request = Request::new();
    request.add(None, "GET /", 0, 100, json!({"http.response.status_code": 504}));
    request.add(Some(1), "middleware pass", 0, 90, json!({"error.propagated": true}));
    let handled =
        json!({"error.handled": true, "error.handled_by": "on_<b>timeout", "error.handled_how": "recovered"});
    fail(request.add(Some(2), "middleware deadline", 0, 80, handled), "Elapsed", "too slow");
    fail(request.add(Some(2), "handler lost", 0, 70, json!({"error.handled": false})), "Lost", "gone");
    let answers = json!({"layer.kind": "error_handler", "layer.incoming_error": "too slow",
        "http.response.status_code": 504});
    request.add(Some(1), "error_handler on_timeout", 90, 95, answers);
    let (rows, html) = request.rows().await;
    let states: Vec<&str> = rows.iter().map(|row| row.split('"').next().unwrap()).collect();
    assert_eq!(states, ["", "", " handled selected", " failed", ""]);
    assert!(rows[1].contains("passed the error on") && !rows[1].contains("class=\"note"));
    assert!(rows[2].contains("Elapsed: too slow · handled by on_&#60;b&#62;timeout"), "{}", rows[2]);
    assert!(rows[3].contains("Lost: gone · handled by nobody"));
    assert!(rows[4].contains("called with: too slow") && rows[4].contains(">504<"));
    assert!(html.contains("on_&#60;b&#62;timeout (recovered)") && html.contains("chip warn\">handled<"));
}

#[tokio::test]
async fn what_was_cancelled_is_cut_off_and_said_once() {
    let mut request = Request::new();
    let cancelled = || json!({"cancelled": true, "cancelled.reason": "dropped"});
    request.add(None, "GET /", 0, 100, cancelled());
    request.add(Some(1), "middleware auth", 0, 100, cancelled());
    request.add(Some(2), "handler slow", 10, 100, cancelled());
    request.add(Some(2), "middleware quick", 0, 5, json!({}));
    let (rows, _) = request.rows().await;
    let cut: Vec<bool> = rows.iter().map(|row| row.contains("class=\"end-mark\"")).collect();
    assert_eq!(cut, [true, true, false, true], "the quick one was done before");
    let said: Vec<bool> = rows.iter().map(|row| row.contains("cancelled here")).collect();
    assert_eq!(said, [false, false, false, true], "where the request was when it was given up");
}

/// Attributes come from anybody.
#[tokio::test]
async fn impossible_times_draw_a_plain_bar() {
    let nonsense = [
        json!({"layer.before_ms": 80.0, "layer.after_ms": 80.0}),
        json!({"layer.before_ms": -1.0,
        "layer.after_ms": 1.0}),
        json!({"layer.before_ms": "soon", "layer.after_ms": [1]}),
        json!({
        "layer.before_ms": 1e300, "layer.after_ms": 1e300}),
    ];
    let mut request = Request::new();
    request.add(None, "GET /", 0, 100, json!({"layer.kind": 7}));
    for facts in nonsense {
        request.add(Some(1), "middleware odd", 0, 100, facts);
    }
    let (rows, _) = request.rows().await;
    for row in &rows[1..] {
        assert_eq!(drawn(row), [("bar-shape t-layer", "0%", "100%")]);
    }
}
