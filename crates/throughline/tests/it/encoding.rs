//! What is written straight from the buffers is what is written from envelopes and spans.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;
use throughline::testing::Memory;
use throughline::transport::{Delivery, Item, OtlpEncoder};
use throughline::{Level, ObservationType, Sampling, Telemetry, Timestamp, emit};

use crate::TIMEOUT;

fn sort(attributes: &mut [KeyValue]) {
    attributes.sort_by(|a, b| a.key.cmp(&b.key));
    assert!(attributes.windows(2).all(|pair| pair[0].key != pair[1].key), "said twice: {attributes:?}");
}

fn encoded(telemetry: &Telemetry, items: &[Item]) -> (Vec<LogRecord>, Vec<Span>) {
    let mut encoder = OtlpEncoder::new(telemetry.resource().clone());
    // What was in it before must leave no trace.
    encoder.encode(items);
    encoder.encode(items);
    let logs = ExportLogsServiceRequest::decode(encoder.logs().unwrap()).unwrap();
    let traces = ExportTraceServiceRequest::decode(encoder.traces().unwrap()).unwrap();
    assert_eq!(logs.resource_logs[0].resource, traces.resource_spans[0].resource);
    assert_eq!(logs.resource_logs[0].resource.as_ref().unwrap().attributes.len(), 3);
    let mut logs = logs.resource_logs[0].scope_logs[0].log_records.clone();
    let mut spans = traces.resource_spans[0].scope_spans[0].spans.clone();
    logs.iter_mut().for_each(|log| sort(&mut log.attributes));
    spans.iter_mut().for_each(|span| sort(&mut span.attributes));
    (logs, spans)
}

fn emit_all_kinds(telemetry: &Telemetry) {
    let outer = telemetry.session().id("outer").actor("user", "usr_1").attribute("shared", "outer").start();
    let scoped =
        || outer.enter(|| telemetry.session().scope("organization", "org_1").attribute("own", 1).start());
    let plain = |to: &throughline::Session| {
        emit!(to, error, "all.kinds", "text" => "a\u{0}b", "yes" => true, "int" => -1, "uint" => u64::MAX,
            "float" => 0.5, "nan" => f64::NAN, "none" => None::<i64>, "json" => json!({"a": [1, {"b": null}]}),
            "shared" => "own", "password" => "hunter2", "long" => "x".repeat(300));
        emit!(to, error, "with.error", error: &std::fmt::Error, time: Timestamp::from_nanos(5), "n" => 1);
        emit!(to, fatal, "of.another", session_id: "elsewhere", "n" => 1);
        emit!(to, error, "looks.like.another", "session.id" => "not it", "user.id" => "usr_2", "n" => 1);
        emit!(to, error, "said.twice", "n" => 1, "m" => 2, "n" => 3);
        emit!(to, error, "with.a.name.and.a.key.that.are.longer.than.most.of.them",
            "a.key.that.is.longer.than.others.and.says.nothing" => 1, "k" => "v");
        to.event("by.builder").level(Level::Error).attribute("shared", "builder").attribute("n", 1.5).emit();
    };
    plain(&outer);
    plain(&scoped());
    plain(&telemetry.session().attribute("session.id", "x").start());
    emit!(telemetry, error, "stands.alone", "n" => 1);
    let work =
        || telemetry.trace("work").attribute("n", 1).attribute("uint", u64::MAX).input(json!({"a": 1}));
    scoped().enter(|| {
        work().run_sync(|| emit!(telemetry, error, "inside", "n" => 1));
        let span = work()
            .attribute("shared", "own")
            .attribute("session.id", "own")
            .kind(ObservationType::Tool)
            .start();
        span.set_output("text")
            .set_attribute("nan", f64::NAN)
            .set_attribute("level", "own")
            .error(&std::fmt::Error);
        let span = work().start();
        span.set_level(Level::Fatal).end_described_at(telemetry.now(), |attributes| {
            attributes.insert("described".to_owned(), json!([1]));
            attributes.remove("n");
        });
    });
}

#[test]
fn both_ways_to_json_say_the_same() {
    let memory = Memory::new();
    let builder = Telemetry::builder("sh\"op").environment("production").transport(memory.clone());
    let telemetry = builder.sampling(Sampling::default().error(0.999)).build().unwrap();
    emit_all_kinds(&telemetry);
    emit!(telemetry, fatal, "without.anything");
    emit!(telemetry, fatal, "nothing.left", "password" => "hunter2");
    assert!(telemetry.flush(TIMEOUT).complete);
    let mut sampled = 0;
    for item in memory.items() {
        let mut written = b"before".to_vec();
        item.write_json(&mut written);
        let expected = match &item {
            Item::Event(event) => serde_json::to_string(&**event).unwrap(),
            Item::Span(span) => serde_json::to_string(&**span).unwrap(),
            _ => unreachable!("nothing else"),
        };
        assert_eq!(String::from_utf8(written).unwrap(), format!("before{expected}"));
        sampled += usize::from(expected.contains("samplingWeight"));
    }
    assert!(sampled > 5, "{sampled}");
}

#[test]
fn both_ways_to_otlp_say_the_same() {
    let (all, few) = (Memory::new(), Memory::new());
    let severe = Delivery::default().min_level(Level::Error);
    let builder = Telemetry::builder("shop").environment("test").version("1").transport(all.clone());
    let telemetry = builder.transport_with(few.clone(), severe).build().unwrap();
    // Few of many are written from envelopes.
    (0..2000).for_each(|n| emit!(telemetry, "n.emitted", "n" => n));
    emit_all_kinds(&telemetry);
    assert!(telemetry.flush(TIMEOUT).complete);
    let (few, mut all) = (few.items(), all.items());
    all.retain(|item| match item {
        Item::Event(event) => event.level >= Level::Error,
        Item::Span(span) => span.level >= Level::Error,
        _ => false,
    });
    let ((logs, spans), (same_logs, same_spans)) = (encoded(&telemetry, &all), encoded(&telemetry, &few));
    assert_eq!((logs.len(), spans.len()), (23, 2));
    assert_eq!(logs, same_logs);
    assert_eq!(spans, same_spans);
}

#[test]
fn what_is_kept_by_chance_says_its_weight_in_otlp_too() {
    let memory = Memory::new();
    let builder = Telemetry::builder("shop").environment("production").transport(memory.clone());
    let telemetry = builder.version("1").sampling(Sampling::default().info(0.5)).build().unwrap();
    telemetry.trace("work").run_sync(|| (0..200).for_each(|n| emit!(telemetry, "n.emitted", "n" => n)));
    assert!(telemetry.flush(TIMEOUT).complete);
    let (logs, _) = encoded(&telemetry, &memory.items());
    assert!((20..180).contains(&logs.len()), "{}", logs.len());
    let value = |log: &LogRecord, key: &str| {
        log.attributes.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()?.value)
    };
    for log in &logs {
        assert_eq!(value(log, "throughline.sampling.weight"), Some(Value::DoubleValue(2.0)));
        assert!(value(log, "n").is_some());
        assert_eq!((log.trace_id.len(), log.span_id.len()), (16, 8));
    }
}
