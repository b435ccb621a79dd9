//! OTLP over HTTP: every answer of the protocol, over a real socket.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

use crate::support::otlp::{attribute, gzip, raw_deflate, request, span, text, zlib, zstd};
use crate::support::{Mood, NOW, Reply, TestServer};

fn rejected(reply: &Reply) -> (i64, String) {
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    assert_eq!(reply.header("content-type"), "application/x-protobuf");
    let answer = ExportTraceServiceResponse::decode(reply.body.clone()).unwrap();
    answer
        .partial_success
        .map_or((0, String::new()), |partial| (partial.rejected_spans, partial.error_message))
}

fn status_message(reply: &Reply) -> (u16, i32, String) {
    assert_eq!(reply.header("content-type"), "application/x-protobuf");
    let status = tonic_types::pb::Status::decode(reply.body.clone()).unwrap();
    (reply.status.as_u16(), status.code, status.message)
}

#[tokio::test]
async fn protobuf_is_taken_on_every_path_and_answered_in_kind() {
    let (server, store) = TestServer::recording().await;
    for prefix in ["", "/api/public/otel", "/otel"] {
        let path = format!("{prefix}/v1/traces");
        let body = request(vec![span(1), span(2)]).encode_to_vec();
        let reply = server.post(&path).protobuf().body(body).send().await;
        assert_eq!(rejected(&reply), (0, String::new()));
        assert!(reply.body.is_empty(), "no partial_success when all was taken");
        assert_eq!(store.take_spans(), [span(1), span(2)]);
    }
    server.stop().await;
}

#[tokio::test]
async fn json_is_taken_and_answered_in_json() {
    let (server, store) = TestServer::recording().await;
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "a",
         "startTimeUnixNano": "1795262390000000000", "endTimeUnixNano": 1_795_262_391_000_000_000_u64,
         "attributes": [{"key": "n", "value": {"intValue": "7"}}]},
        {"traceId": "zz", "spanId": "b7ad6b7169203332", "name": "bad",
         "startTimeUnixNano": "1795262390000000000", "endTimeUnixNano": "1795262391000000000"},
        {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203333", "name": {"not": "a text"}}
    ]}]}]});
    for content_type in ["application/json", "Application/JSON; charset=UTF-8"] {
        let request = server.post("/v1/traces").header("content-type", content_type);
        let reply = request.body(body.to_string()).send().await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/json"));
        let partial = &reply.json()["partialSuccess"];
        assert_eq!(partial["rejectedSpans"], "2");
        let reason = "expected a text, got an object, at resourceSpans[0].scopeSpans[0].spans[2].name";
        assert!(partial["errorMessage"].as_str().unwrap().contains(reason), "{partial}");
        let spans = store.take_spans();
        assert_eq!(spans.len(), 1);
        assert_eq!(spans[0].attributes[0].value.as_ref().unwrap().value, Some(Value::IntValue(7)));
    }
    let reply = server.post("/v1/traces").json().body(r#"{"resourceSpans":[]}"#).send().await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "{}"));
    server.stop().await;
}

#[tokio::test]
async fn every_encoding_is_unpacked_whole_or_in_chunks() {
    let (server, store) = TestServer::recording().await;
    let body = request((1..200).map(span).collect()).encode_to_vec();
    let encoded = [
        ("identity", body.clone()),
        ("gzip", gzip(&body)),
        ("x-gzip", gzip(&body)),
        ("GZIP", [gzip(&body[..100]), gzip(&body[100..])].concat()),
        ("deflate", zlib(&body)),
        ("deflate", raw_deflate(&body)),
        ("zstd", zstd(&body)),
    ];
    for (encoding, bytes) in encoded {
        let send = || server.post("/v1/traces").protobuf().header("content-encoding", encoding);
        assert_eq!(rejected(&send().body(bytes.clone()).send().await).0, 0, "{encoding}");
        assert_eq!(store.take_spans().len(), 199, "{encoding}");
        let chunks = bytes.chunks(1000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        assert_eq!(rejected(&send().chunks(chunks).send().await).0, 0, "{encoding} in chunks");
        assert_eq!(store.take_spans().len(), 199, "{encoding} in chunks");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_read_is_refused_with_the_reason() {
    let (server, store) = TestServer::recording().await;
    let post = || server.post("/v1/traces").body("x");
    for content_type in ["text/plain", "application/xml", "application/json; charset=latin1", "json", "é"] {
        let reply = post().header("content-type", content_type).send().await;
        assert_eq!(reply.error(), (415, "unsupported_media_type".to_owned()), "{content_type}");
    }
    assert_eq!(post().send().await.status, 415);
    for encoding in ["br", "gzip, zstd", "gzip,gzip", "snappy"] {
        let reply = post().protobuf().header("content-encoding", encoding).send().await;
        assert_eq!(status_message(&reply).0, 415, "{encoding}");
        assert_eq!(reply.header("accept-encoding"), "gzip, deflate, zstd, identity");
    }
    let twice = post().protobuf().header("content-encoding", "gzip").header("content-encoding", "gzip");
    assert_eq!(twice.send().await.status, 415);
    assert!(store.take().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn malformed_bodies_are_refused_in_kind() {
    let (server, store) = TestServer::recording().await;
    let (code, invalid_argument) = (400, 3);
    let cut = request(vec![span(1)]).encode_to_vec();
    for body in [&b"not protobuf"[..], &cut[..cut.len() - 3], b"\xff\xff\xff\xff", b"{}"] {
        let reply = server.post("/v1/traces").protobuf().body(body.to_vec()).send().await;
        let (status, rpc, message) = status_message(&reply);
        assert_eq!((status, rpc), (code, invalid_argument), "{body:?}");
        assert!(!message.is_empty());
    }
    for body in ["", "{", "[]", r#"{"resourceSpans":7}"#, &"[".repeat(100_000)] {
        let reply = server.post("/v1/traces").json().body(body.to_owned()).send().await;
        assert_eq!(reply.status, 400, "{body:.20}");
        assert_eq!(reply.json()["code"], invalid_argument, "{body:.20}");
    }
    for encoding in ["gzip", "deflate", "zstd"] {
        let packed = match encoding {
            "gzip" => gzip(&cut),
            "deflate" => zlib(&cut),
            _ => zstd(&cut),
        };
        for damaged in [b"garbage".to_vec(), packed[..packed.len() - 6].to_vec()] {
            let request = server.post("/v1/traces").protobuf().header("content-encoding", encoding);
            let (status, _, message) = status_message(&request.body(damaged).send().await);
            assert_eq!(status, 400, "{encoding}");
            assert!(message.contains(encoding), "{message}");
        }
    }
    assert!(store.take().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn an_empty_protobuf_request_is_a_sound_one() {
    let (server, store) = TestServer::recording().await;
    for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
        let reply = server.post(path).protobuf().body("").send().await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 0), "{path}");
    }
    assert!(store.take().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn bad_spans_are_cut_out_and_the_rest_is_kept() {
    let (server, store) = TestServer::recording().await;
    let hour = 3_600_000_000_000;
    let bad = [
        Span { trace_id: vec![1; 15], ..span(1) },
        Span { trace_id: vec![0; 16], ..span(1) },
        Span { trace_id: Vec::new(), ..span(1) },
        Span { span_id: vec![0; 8], ..span(1) },
        Span { span_id: vec![7; 9], ..span(1) },
        Span { end_time_unix_nano: span(1).start_time_unix_nano - 1, ..span(1) },
        Span { start_time_unix_nano: 0, end_time_unix_nano: 0, ..span(1) },
        Span { start_time_unix_nano: 5, end_time_unix_nano: 6, ..span(1) },
        Span {
            start_time_unix_nano: NOW.as_nanos() as u64 + 48 * hour,
            end_time_unix_nano: u64::MAX,
            ..span(1)
        },
    ];
    for bad in bad {
        let body = request(vec![span(5), bad.clone(), span(6), bad.clone()]).encode_to_vec();
        let reply = server.post("/v1/traces").protobuf().body(body).send().await;
        let (count, reason) = rejected(&reply);
        assert_eq!(count, 2, "{bad:?}");
        assert!(reason.contains("span 1"), "the reason names the span: {reason}");
        assert_eq!(store.take_spans(), [span(5), span(6)]);
    }
    let only_bad = request(vec![Span { span_id: Vec::new(), ..span(1) }]).encode_to_vec();
    assert_eq!(rejected(&server.post("/v1/traces").protobuf().body(only_bad).send().await).0, 1);
    assert!(store.take().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn odd_values_are_taken() {
    let (server, store) = TestServer::recording().await;
    let nested = (0..90).fold(Value::BoolValue(true), |inner, _| {
        Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(inner) }] })
    });
    let mut odd = span(1);
    odd.attributes = vec![
        attribute("nan", Value::DoubleValue(f64::NAN)),
        attribute("infinite", Value::DoubleValue(f64::NEG_INFINITY)),
        attribute("nested", nested),
        text("large", &"x".repeat(10 << 20)),
        text("", ""),
    ];
    odd.attributes.extend((0..10_000).map(|n| text(&format!("key.{n}"), "v")));
    let body = request(vec![odd.clone(), span(2)]).encode_to_vec();
    let reply = server.post("/v1/traces").protobuf().body(body).send().await;
    assert_eq!(rejected(&reply), (0, String::new()));
    let spans = store.take_spans();
    assert_eq!((spans.len(), spans[0].attributes.len()), (2, odd.attributes.len()));
    server.stop().await;
}

#[tokio::test]
async fn invalid_text_is_made_valid_without_refusing_the_span() {
    let (server, store) = TestServer::recording().await;
    let mut body = request(vec![Span { name: "MARK".to_owned(), ..span(1) }, span(2)]).encode_to_vec();
    let at = body.windows(4).position(|bytes| bytes == b"MARK").unwrap();
    body[at..at + 4].copy_from_slice(b"a\xff\xfeb");
    let reply = server.post("/v1/traces").protobuf().body(body).send().await;
    assert_eq!(rejected(&reply).0, 0);
    let spans = store.take_spans();
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[0].name, "a\u{fffd}\u{fffd}b");
    server.stop().await;
}

#[tokio::test]
async fn bodies_over_the_caps_are_refused() {
    let (server, store) =
        TestServer::recording_with(&[("limits.body", "100kB"), ("limits.unpacked", "1MB")]).await;
    let large = vec![0; 100_001];
    let reply = server.post("/v1/traces").protobuf().body(large.clone()).send().await;
    assert_eq!(status_message(&reply).0, 413);
    let chunks = large.chunks(7_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let reply = server.post("/v1/traces").protobuf().chunks(chunks).send().await;
    assert_eq!(status_message(&reply).0, 413);
    // Far more than the connection's buffers hold: the answer must not be lost with the rest of the body.
    for content_type in ["application/x-protobuf", "text/plain"] {
        let megabytes =
            server.post("/v1/traces").header("content-type", content_type).body(vec![0; 12 << 20]);
        assert!(megabytes.send().await.status.is_client_error());
    }
    let reply = server.post("/api/v1/events").json().body(vec![b' '; 100_001]).send().await;
    assert_eq!(reply.error(), (413, "too_large".to_owned()));
    assert_eq!(reply.json()["error"]["limitBytes"], 100_000);
    assert!(store.take().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn bombs_are_stopped_while_they_unpack() {
    let (server, store) = TestServer::recording_with(&[("limits.unpacked", "1MB")]).await;
    let zeros = vec![0; 200 << 20];
    for (encoding, bomb) in [("gzip", gzip(&zeros)), ("deflate", zlib(&zeros)), ("zstd", zstd(&zeros))] {
        let started = std::time::Instant::now();
        for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
            let request = server.post(path).protobuf().header("content-encoding", encoding);
            let (status, _, message) = status_message(&request.body(bomb.clone()).send().await);
            assert_eq!(status, 413, "{encoding}");
            assert!(message.contains("1000000 bytes"), "{message}");
        }
        assert!(started.elapsed().as_secs() < 3, "{encoding} was unpacked far past the cap");
    }
    assert!(store.take().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn too_much_at_once_is_turned_away_with_a_time_to_come_back() {
    let flags = [("limits.body", "1MB"), ("limits.unpacked", "1MB"), ("limits.in_flight", "2MB")];
    let (server, store) = TestServer::recording_with(&flags).await;
    let body =
        request(vec![Span { attributes: vec![text("t", &"x".repeat(700_000))], ..span(1) }]).encode_to_vec();
    // Two senders that stop in the middle hold 1.4 MB between them.
    let mut held = Vec::new();
    for _ in 0..2 {
        use tokio::io::AsyncWriteExt;
        let mut connection = tokio::net::TcpStream::connect(server.addresses.http).await.unwrap();
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(&body[..700_000]).await.unwrap();
        held.push(connection);
    }
    let mut refused = None;
    for _ in 0..100 {
        let reply = server.post("/v1/traces").protobuf().body(body.clone()).send().await;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(refused.expect("never refused").header("retry-after"), "1");
    drop(held);
    store.take();
    for _ in 0..100 {
        if server.post("/v1/traces").protobuf().body(body.clone()).send().await.status == 200 {
            return server.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("what the broken senders held was never given back");
}

#[tokio::test]
async fn a_store_that_cannot_take_more_says_when_to_come_back() {
    let (server, store) = TestServer::recording().await;
    let body = request(vec![span(1)]).encode_to_vec();
    let post = || server.post("/v1/traces").protobuf().body(body.clone());
    store.set_mood(Mood::Busy);
    let reply = post().send().await;
    assert_eq!((status_message(&reply).0, reply.header("retry-after")), (429, "2"));
    store.set_mood(Mood::Broken);
    let reply = post().send().await;
    assert_eq!((status_message(&reply).0, reply.header("retry-after")), (503, "10"));
    let reply = server.post("/api/v1/events").json().body(r#"{"name":"a"}"#).send().await;
    assert_eq!((reply.error(), reply.header("retry-after")), ((503, "unavailable".to_owned()), "10"));
    store.set_mood(Mood::Panicking);
    let reply = post().send().await;
    assert_eq!(reply.error(), (500, "internal".to_owned()));
    assert!(!reply.text().contains("secret"), "{}", reply.text());
    store.set_mood(Mood::Well);
    assert_eq!(post().send().await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn logs_are_taken_and_metrics_counted_and_dropped() {
    let (server, store) = TestServer::recording().await;
    let record = |id: Vec<u8>| LogRecord {
        time_unix_nano: NOW.as_nanos() as u64,
        trace_id: id,
        event_name: "a.b".to_owned(),
        ..LogRecord::default()
    };
    let scope =
        ScopeLogs { log_records: vec![record(vec![1; 16]), record(vec![1; 3])], ..ScopeLogs::default() };
    let logs = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() }],
    };
    let reply = server.post("/v1/logs").protobuf().body(logs.encode_to_vec()).send().await;
    let partial = ExportLogsServiceResponse::decode(reply.body).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_log_records, 1);
    assert_eq!(store.take_log_count(), 1);

    let metrics = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [
        {"timeUnixNano": "1795262390000000000", "asDouble": 1.5}]}}]}]}]});
    let reply = server.post("/v1/metrics").json().body(metrics.to_string()).send().await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "{}"));
    let reply = server.post("/v1/metrics").protobuf().body("garbage").send().await;
    assert_eq!(reply.status, 400);
    assert!(store.take().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_breaks_off_leaves_nothing_behind() {
    let (server, store) = TestServer::recording().await;
    let body = request(vec![span(1)]).encode_to_vec();
    let broken = vec![Ok(Bytes::from(body)), Err(std::io::Error::other("gone"))];
    assert!(server.post("/v1/traces").protobuf().chunks(broken).try_send().await.is_err());
    let reply = server.post("/v1/traces").protobuf().body("").send().await;
    assert_eq!(reply.status, 200);
    assert!(store.take().is_empty());
    server.stop().await;
}
