//! OTLP over gRPC, spoken by tonic's own client.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use crate::support::otlp::{gzip, request, span, text};
use crate::support::{Mood, Request, TestServer};

async fn client(server: &TestServer) -> TraceServiceClient<Channel> {
    TraceServiceClient::connect(server.grpc_url()).await.unwrap()
}

#[tokio::test]
async fn spans_are_taken_in_every_encoding() {
    let (server, store) = TestServer::recording().await;
    let encodings = [CompressionEncoding::Gzip, CompressionEncoding::Deflate, CompressionEncoding::Zstd];
    for encoding in [None].into_iter().chain(encodings.map(Some)) {
        let mut client = client(&server).await;
        if let Some(encoding) = encoding {
            client = client.send_compressed(encoding);
        }
        let bad = Span { span_id: vec![1; 7], ..span(9) };
        let answer = client.export(request(vec![span(1), span(2)])).await.unwrap().into_inner();
        assert_eq!(answer.partial_success, None, "{encoding:?}");
        let answer = client.export(request(vec![span(3), bad])).await.unwrap().into_inner();
        assert_eq!(answer.partial_success.unwrap().rejected_spans, 1);
        assert_eq!(store.take_spans(), [span(1), span(2), span(3)]);
    }
    server.stop().await;
}

#[tokio::test]
async fn logs_and_metrics_have_services_too() {
    let (server, store) = TestServer::recording().await;
    let mut logs = LogsServiceClient::connect(server.grpc_url()).await.unwrap();
    logs.export(ExportLogsServiceRequest::default()).await.unwrap();
    let mut metrics = MetricsServiceClient::connect(server.grpc_url()).await.unwrap();
    metrics.export(ExportMetricsServiceRequest::default()).await.unwrap();
    assert!(store.take().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn every_refusal_has_its_status() {
    let (server, store) =
        TestServer::recording_with(&[("limits.body", "100kB"), ("limits.unpacked", "200kB")]).await;
    let mut plain = client(&server).await;

    store.set_mood(Mood::Busy);
    let status = plain.export(request(vec![span(1)])).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let wait = status.get_details_retry_info().expect("RetryInfo makes it retryable").retry_delay.unwrap();
    assert_eq!(wait.as_millis(), 1500);

    store.set_mood(Mood::Broken);
    assert_eq!(plain.export(request(vec![span(1)])).await.unwrap_err().code(), Code::Unavailable);
    store.set_mood(Mood::Well);

    let large = |size| request(vec![Span { attributes: vec![text("t", &"x".repeat(size))], ..span(1) }]);
    let status = plain.export(large(150_000)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.get_details_retry_info().is_none(), "trying again would not help");
    let status = plain.export(large(500_000)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");

    let mut packed = client(&server).await.send_compressed(CompressionEncoding::Zstd);
    packed.export(large(150_000)).await.unwrap();
    let status = packed.export(large(20_000_000)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "a bomb: {status}");
    server.stop().await;
}

#[tokio::test]
async fn damaged_messages_are_the_senders_fault() {
    let (server, store) = TestServer::recording().await;
    let frame = |flag: u8, message: &[u8]| {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        Bytes::from([&[flag][..], &length, message].concat())
    };
    let sound = request(vec![span(1)]).encode_to_vec();
    let cases = [
        (frame(0, b"not protobuf"), "3"),
        (frame(0, &sound[..sound.len() - 2]), "3"),
        (frame(1, b"not gzip"), "3"),
        (frame(1, &gzip(b"not protobuf")), "3"),
        (frame(7, &sound), "3"),
        (frame(1, &gzip(&sound)), "0"),
    ];
    for (body, expected) in cases {
        let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let request = Request::new("POST", &server.grpc_url(), path)
            .header("content-type", "application/grpc")
            .header("grpc-encoding", "gzip")
            .header("te", "trailers");
        let reply = request.body(body.clone()).send_http2().await;
        assert_eq!(reply.header("grpc-status"), expected, "{body:?} {:?}", reply.headers);
    }
    assert_eq!(store.take_spans(), [span(1)]);
    let unknown = Request::new("POST", &server.grpc_url(), "/x.Y/Export").send_http2().await;
    assert_eq!(unknown.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn one_bad_text_does_not_refuse_the_batch() {
    let (server, store) = TestServer::recording().await;
    let mut body = request(vec![Span { name: "MARK".to_owned(), ..span(1) }, span(2)]).encode_to_vec();
    let at = body.windows(4).position(|bytes| bytes == b"MARK").unwrap();
    body[at] = 0xff;
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let request = Request::new("POST", &server.grpc_url(), path).header("content-type", "application/grpc");
    let reply = request.body([&[0][..], &length, &body].concat()).send_http2().await;
    assert_eq!(reply.header("grpc-status"), "0");
    assert_eq!(store.take_spans().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn either_port_takes_either_transport() {
    let (server, store) = TestServer::recording().await;
    let mut over_4318 = TraceServiceClient::connect(server.url()).await.unwrap();
    over_4318.export(request(vec![span(1)])).await.unwrap();
    let over_4317 = Request::new("POST", &server.grpc_url(), "/v1/traces").protobuf();
    assert_eq!(over_4317.body(request(vec![span(2)]).encode_to_vec()).send().await.status, 200);
    assert_eq!(store.take_spans(), [span(1), span(2)]);
    server.stop().await;
}
