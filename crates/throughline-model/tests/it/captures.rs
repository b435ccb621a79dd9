//! Requests of real clients, against what a correct reader derives from them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use throughline_model::otlp::{
    Log, check_logs, check_traces, each_log, each_span, observation, traces_from_json,
};
use throughline_model::{Money, Observation, SpanId, TraceId, Usage};

use crate::support::now;

/// A span as far as these tests look at it.
struct Span {
    observation: Observation,
    trace_name: Option<String>,
    is_app_root: bool,
    metadata: Map<String, Value>,
    version: Option<String>,
}

fn folders() -> Vec<PathBuf> {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/captures");
    let mut folders: Vec<_> = fs::read_dir(captures).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    assert!(folders.len() >= 10, "captures are missing");
    folders
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The trace requests of a folder, as checked protobuf, and what log records tell of spans.
pub(crate) fn bodies(folder: &Path) -> Vec<Vec<u8>> {
    let mut metas: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    metas
        .retain(|path| path.extension().is_some_and(|ext| ext == "json") && !path.ends_with("expected.json"));
    metas.sort();
    let mut bodies = Vec::new();
    for meta in metas {
        let request = json_file(&meta);
        let path = request["path"].as_str().unwrap();
        let is_logs = path.ends_with("/logs");
        if !(is_logs || path.contains("traces") || path.contains("TraceService")) {
            continue;
        }
        let mut body = fs::read(meta.with_extension("body")).unwrap();
        if body.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).unwrap();
            body = plain;
        }
        if request["content_type"] == "application/json" {
            body = traces_from_json(&body).unwrap();
        }
        let checked = if is_logs { check_logs(&body, now()) } else { check_traces(&body, now()) }.unwrap();
        assert_eq!((checked.rejected, checked.first_reason), (0, None), "{}", meta.display());
        assert_eq!(checked.body, None, "{} can be used as it is", meta.display());
        if is_logs {
            let told = |log: Log<'_>| {
                bodies.extend(if let Log::Span(span) = log { Some(span.to_vec()) } else { None })
            };
            each_log(&body, told).unwrap();
        } else {
            bodies.push(body);
        }
    }
    bodies
}

fn spans(folder: &Path) -> Vec<Span> {
    let mut spans = Vec::new();
    for body in bodies(folder) {
        each_span(&body, |raw| {
            let facts = raw.facts();
            let mut single = Vec::new();
            raw.write_single(&mut single);
            let alone = observation(&facts);
            each_span(&single, |again| assert_eq!(observation(&again.facts()), alone)).unwrap();
            spans.push(Span {
                observation: alone,
                trace_name: facts.trace_name.as_deref().map(str::to_owned),
                is_app_root: facts.is_app_root,
                metadata: throughline_model::otlp::attributes(&facts.metadata),
                version: facts.version.as_deref().map(str::to_owned),
            });
        })
        .unwrap();
    }
    spans.sort_by_key(|span| span.observation.start_time);
    spans
}

/// Spans that carry usage while nothing below them does.
fn billable<'s>(spans: &[&'s Span]) -> Vec<&'s Span> {
    let parents: HashMap<SpanId, Option<SpanId>> =
        spans.iter().map(|span| (span.observation.id, span.observation.parent_id)).collect();
    let mut covered = BTreeSet::new();
    for span in spans.iter().filter(|span| span.observation.usage.is_some()) {
        let mut parent = span.observation.parent_id;
        while let Some(id) = parent {
            covered.insert(id);
            parent = parents.get(&id).copied().flatten();
        }
    }
    let counts =
        |span: &&&'s Span| span.observation.usage.is_some() && !covered.contains(&span.observation.id);
    spans.iter().filter(counts).copied().collect()
}

fn usage_of(spans: &[&Span]) -> Value {
    let mut usage = Usage::default();
    for span in billable(spans) {
        usage += span.observation.usage.unwrap();
    }
    json!({"input_uncached": usage.input_uncached, "cache_read": usage.cache_read,
           "cache_write": usage.cache_write + usage.cache_write_1h, "output": usage.output,
           "reasoning": usage.reasoning, "total": usage.total()})
}

fn assert_contains(value: Option<&Value>, expected: &Value, what: &str) {
    let text = value.map(Value::to_string);
    match expected.as_str() {
        Some(part) => {
            assert!(text.as_deref().unwrap_or("").contains(part), "{what}: {part:?} is not in {text:?}")
        }
        None => assert_eq!(text, None, "{what}"),
    }
}

fn check_trace(spans: &[&Span], expected: &Value, alternatives: &Value, place: &str) {
    let root = spans
        .iter()
        .find(|span| span.is_app_root)
        .or_else(|| spans.iter().find(|span| span.observation.parent_id.is_none()))
        .unwrap();
    let root = &root.observation;
    let explicit = spans.iter().find_map(|span| span.trace_name.clone());
    let name = json!(explicit.unwrap_or_else(|| root.name.clone()));
    let others = alternatives.as_array().is_some_and(|names| names.contains(&name));
    assert!(name == expected["name"] || others, "{place}: name {name}");
    let is_generation = |span: &&&Span| span.observation.kind.is_model_call();
    let first = spans.iter().filter(is_generation).find_map(|span| span.observation.input.as_ref());
    let last = spans.iter().rev().filter(is_generation).find_map(|span| span.observation.output.as_ref());
    assert_contains(root.input.as_ref().or(first), &expected["input_contains"], &format!("{place}: input"));
    assert_contains(root.output.as_ref().or(last), &expected["output_contains"], &format!("{place}: output"));
    assert_eq!(json!(spans.len()), expected["observations"], "{place}: observations");
    assert_eq!(
        json!(spans.iter().filter(is_generation).count()),
        expected["generations"],
        "{place}: generations"
    );
    let errors = spans.iter().filter(|span| span.observation.is_error()).count();
    assert_eq!(json!(errors), expected["errors"], "{place}: errors");
    assert_eq!(usage_of(spans), expected["usage_totals"], "{place}: usage");
}

fn check_models(spans: &[Span], billable: &[&Span], expected: &Value, place: &str) {
    let model = |span: &Span| span.observation.model.clone().unwrap_or_default();
    let models: BTreeSet<String> = billable.iter().map(|span| model(span)).collect();
    assert_eq!(json!(models), expected["models"], "{place}: models");
    let failed = |span: &&Span| span.observation.kind.is_model_call() && span.observation.is_error();
    let failed: BTreeSet<String> = spans.iter().filter(failed).map(model).collect();
    assert_eq!(json!(failed), expected["models_of_failed_calls"], "{place}: models of failed calls");
    for span in spans.iter().filter(|span| span.observation.kind.is_model_call()) {
        assert!(
            matches!(span.observation.provider.as_deref(), Some("openai" | "anthropic") | None),
            "{place}: provider {:?}",
            span.observation.provider
        );
    }
}

fn check_folder(folder: &Path) {
    let place = folder.file_name().unwrap().to_string_lossy();
    let expected = json_file(&folder.join("expected.json"));
    let spans = spans(folder);
    let mut traces: BTreeMap<TraceId, Vec<&Span>> = BTreeMap::new();
    for span in &spans {
        traces.entry(span.observation.trace_id).or_default().push(span);
    }
    assert_eq!(json!(traces.len()), expected["traces"], "{place}: traces");
    for trace in expected["per_trace"].as_array().unwrap() {
        let id: TraceId = trace["trace_id"].as_str().unwrap().parse().unwrap();
        check_trace(&traces[&id], trace, &expected["name_alternatives"], &format!("{place} {id}"));
    }
    let billable: Vec<&Span> = traces.values().flat_map(|trace| billable(trace)).collect();
    assert_eq!(usage_of(&spans.iter().collect::<Vec<_>>()), expected["usage_totals"], "{place}: usage");
    let given: Vec<Money> = billable.iter().filter_map(|span| span.observation.given_cost).collect();
    let given = (!given.is_empty()).then(|| given.into_iter().sum::<Money>());
    assert_eq!(
        given,
        expected["given_cost_usd"].as_f64().and_then(Money::from_dollars),
        "{place}: given cost"
    );
    check_models(&spans, &billable, &expected, &place);

    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for span in &spans {
        *kinds.entry(span.observation.kind.as_str()).or_default() += 1;
    }
    assert_eq!(json!(kinds), expected["observation_types"], "{place}: types");
    let sessions: Vec<_> = spans.iter().filter_map(|span| span.observation.session_id.clone()).collect();
    assert_eq!(json!(sessions.len()), expected["observations_carrying_session"], "{place}: sessions named");
    assert!(sessions.iter().all(|id| id.as_str() == expected["session_id"]), "{place}: session");
    let users: BTreeSet<_> = spans.iter().filter_map(|span| span.observation.user_id.clone()).collect();
    assert_eq!(json!(users), json!([expected["user_id"]]), "{place}: user");
    let tags: BTreeSet<_> = spans.iter().flat_map(|span| span.observation.tags.clone()).collect();
    assert_eq!(json!(tags), expected["tags"], "{place}: tags");
    for (key, value) in expected["metadata"].as_object().unwrap_or(&Map::new()) {
        let found = spans.iter().find_map(|span| span.metadata.get(key));
        assert_eq!(found, Some(value), "{place}: metadata {key}");
    }
    if let Some(environment) = expected["environment"].as_str() {
        let all = spans.iter().all(|span| span.observation.environment.as_deref() == Some(environment));
        assert!(all, "{place}: environment");
    }
    if let Some(release) = expected["release"].as_str() {
        assert!(spans.iter().all(|span| span.version.as_deref() == Some(release)), "{place}: release");
    }
}

#[test]
fn every_capture_says_what_is_expected() {
    for folder in folders() {
        check_folder(&folder);
    }
}

#[test]
fn failed_calls_say_what_went_wrong() {
    for folder in folders() {
        let expected = json_file(&folder.join("expected.json"));
        let spans = spans(&folder);
        let failed = spans.iter().filter(|span| span.observation.is_error());
        let mut silent = 0;
        for Span { observation, .. } in failed {
            let told = observation.error.as_ref().map(|error| error.message.as_str());
            let message = told.or(observation.status_message.as_deref()).unwrap_or("");
            silent += u64::from(message.is_empty());
            assert!(
                message.is_empty() || message.contains("context length") || message == "Overloaded",
                "{}: {observation:?}",
                folder.display()
            );
        }
        let allowed = expected["failures_without_message"].as_u64().unwrap_or_default();
        assert_eq!(silent, allowed, "{}: failures without a message", folder.display());
    }
}

#[test]
fn the_first_token_of_a_streamed_answer_is_timed() {
    for name in ["openinference-openai", "ai-sdk-6", "ai-sdk-7", "pydantic-ai"] {
        let folder = folders().into_iter().find(|folder| folder.ends_with(name)).unwrap();
        let spans = spans(&folder);
        let timed: Vec<f64> = spans.iter().filter_map(|span| span.observation.time_to_first_token).collect();
        assert!(timed.len() == 1 && (1.0..1000.0).contains(&timed[0]), "{name}: {timed:?}");
    }
}
