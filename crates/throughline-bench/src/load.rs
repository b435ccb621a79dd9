//! Trace requests that look like chat sessions: five spans a trace, five traces a session, about 1.2 KB of text a
//! span drawn from 50 000 words by Zipf's law, with OpenInference and GenAI attributes.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

pub(crate) const SPANS_PER_REQUEST: usize = 500;
pub(crate) const SPANS_PER_TRACE: usize = 5;
pub(crate) const TRACES_PER_SESSION: usize = 5;
const TRACES_PER_REQUEST: usize = SPANS_PER_REQUEST / SPANS_PER_TRACE;
/// The first span's start: fixed, so that a run can be repeated.
pub(crate) const EPOCH_NANOS: u64 = 1_790_000_000_000_000_000;
/// Time from one trace's start to the next.
const BETWEEN_TRACES_NANOS: u64 = 5_000_000;
const VOCABULARY: usize = 50_000;
const MODELS: [&str; 4] = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-pro"];

/// Request bodies to send again and again, each time with ids of its own.
pub(crate) struct Load {
    bodies: Vec<Body>,
    /// The words that its texts are made of.
    pub(crate) words: Words,
}

/// An encoded request, and where in it the ids and times are that make a copy a different, later request.
struct Body {
    bytes: Vec<u8>,
    traces: Vec<usize>,
    sessions: Vec<usize>,
    times: Vec<usize>,
}

impl Load {
    /// `requests` different bodies; the same for the same seed.
    pub(crate) fn generate(requests: usize, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let words = Words::new(&mut rng);
        let bodies = (0..requests).map(|number| Body::new(&request(number, &words, &mut rng))).collect();
        Self { bodies, words }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bodies.iter().map(|body| body.bytes.len()).sum()
    }

    /// Copies request `number` into `out`. Past the last one it begins again, with new trace and session ids, and
    /// with times that go on from the last one.
    pub(crate) fn request(&self, number: usize, out: &mut Vec<u8>) {
        let body = &self.bodies[number % self.bodies.len()];
        let round = u16::try_from(number / self.bodies.len()).unwrap_or(u16::MAX);
        out.clear();
        out.extend_from_slice(&body.bytes);
        let mark = [b'a' + (round / 26 % 26) as u8, b'a' + (round % 26) as u8];
        for &at in &body.traces {
            out[at..at + 2].copy_from_slice(&round.to_be_bytes());
        }
        for &at in &body.sessions {
            out[at..at + 2].copy_from_slice(&mark);
        }
        let later =
            u64::from(round) * self.bodies.len() as u64 * TRACES_PER_REQUEST as u64 * BETWEEN_TRACES_NANOS;
        for &at in &body.times {
            let time = fixed64(&out[at..]) + later;
            out[at..at + 8].copy_from_slice(&time.to_le_bytes());
        }
    }

    /// The session that trace `trace` of the whole load belongs to, in round 0.
    pub(crate) fn session_of(trace: usize) -> String {
        format!("chat-aa-{:09}", session_number(trace))
    }
}

impl Body {
    fn new(request: &ExportTraceServiceRequest) -> Self {
        let bytes = request.encode_to_vec();
        // The two bytes that a round changes stand after a mark that nothing else in the body has.
        let find = |mark: &[u8]| -> Vec<usize> {
            let hits = bytes.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark);
            hits.map(|(at, _)| at + mark.len()).collect()
        };
        Self { traces: find(TRACE_MARK), sessions: find(b"chat-"), times: times(&bytes), bytes }
    }
}

/// Where the start and end times of spans stand: fields 7 and 8, one after the other, of eight bytes each.
fn times(bytes: &[u8]) -> Vec<usize> {
    const START: u8 = 7 << 3 | 1;
    const END: u8 = 8 << 3 | 1;
    let of_the_load = EPOCH_NANOS..EPOCH_NANOS + 1_000_000_000_000_000;
    let is_time = |tag: u8, bytes: &[u8]| bytes[0] == tag && of_the_load.contains(&fixed64(&bytes[1..]));
    let pairs = bytes.windows(18).enumerate();
    pairs
        .filter(|(_, pair)| is_time(START, pair) && is_time(END, &pair[9..]))
        .flat_map(|(at, _)| [at + 1, at + 10])
        .collect()
}

fn fixed64(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
}

/// The first bytes of every trace id.
const TRACE_MARK: &[u8] = &[0xfe, 0xed, 0xfa, 0xce];

fn session_number(trace: usize) -> usize {
    // Traces of a session are spread over a block of 2000, as conversations overlap in time.
    let sessions_per_block = 2000 / TRACES_PER_SESSION;
    (trace / 2000) * sessions_per_block + trace * 7919 % sessions_per_block
}

fn request(number: usize, words: &Words, rng: &mut fastrand::Rng) -> ExportTraceServiceRequest {
    let spans = (number * TRACES_PER_REQUEST..(number + 1) * TRACES_PER_REQUEST)
        .flat_map(|trace| trace_spans(trace, words, rng))
        .collect();
    let resource = Resource {
        attributes: vec![
            text("service.name", "chat-api"),
            text("deployment.environment.name", "production"),
            text("openinference.project.name", "default"),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope { name: "bench".to_owned(), ..InstrumentationScope::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans,
            ..ResourceSpans::default()
        }],
    }
}

fn trace_spans(trace: usize, words: &Words, rng: &mut fastrand::Rng) -> Vec<Span> {
    const STEPS: [(&str, &str, &str); SPANS_PER_TRACE] = [
        ("chat-turn", "CHAIN", "invoke_workflow"),
        ("retrieve-context", "RETRIEVER", "retrieval"),
        ("generate-response", "LLM", "chat"),
        ("tool.search", "TOOL", "execute_tool"),
        ("embed-query", "EMBEDDING", "embeddings"),
    ];
    let mut trace_id = [0; 16];
    trace_id[..4].copy_from_slice(TRACE_MARK);
    trace_id[8..].copy_from_slice(&(trace as u64).to_be_bytes());
    let span_id =
        |step: usize| (trace as u64 * 8 + step as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    let begin = EPOCH_NANOS + trace as u64 * BETWEEN_TRACES_NANOS;
    let span = |(step, (name, kind, operation)): (usize, (&str, &str, &str))| {
        let start = begin + step as u64 * 1_000_000;
        let question = words.text(rng, 20, 120);
        let mut attributes = vec![
            text("session.id", &Load::session_of(trace)),
            text("user.id", &format!("user-{}", trace % 5003)),
            text("openinference.span.kind", kind),
            text("gen_ai.operation.name", operation),
            text("input.value", &format!(r#"{{"messages":[{{"role":"user","content":"{question}"}}]}}"#)),
            text("input.mime_type", "application/json"),
            text("output.value", &words.text(rng, 20, 160)),
            text("ctx.request.id", &format!("req_{trace}")),
            int("ctx.order.total", rng.i64(0..10_000)),
        ];
        if kind == "LLM" {
            attributes.extend(model_call(rng));
        }
        Span {
            trace_id: trace_id.to_vec(),
            span_id: span_id(step).to_vec(),
            parent_span_id: if step == 0 { Vec::new() } else { span_id(0).to_vec() },
            name: name.to_owned(),
            kind: 1,
            start_time_unix_nano: start,
            end_time_unix_nano: start + rng.u64(1_000_000..3_000_000_000),
            attributes,
            status: Some(Status { code: if rng.u8(..50) == 0 { 2 } else { 1 }, ..Status::default() }),
            ..Span::default()
        }
    };
    STEPS.into_iter().enumerate().map(span).collect()
}

fn model_call(rng: &mut fastrand::Rng) -> Vec<KeyValue> {
    let model = MODELS[rng.usize(..MODELS.len())];
    let (input, output) = (rng.i64(10..4000), rng.i64(10..1000));
    vec![
        text("llm.model_name", model),
        text("gen_ai.request.model", model),
        text("gen_ai.provider.name", "openai"),
        int("llm.token_count.prompt", input),
        int("llm.token_count.completion", output),
        int("llm.token_count.total", input + output),
        int("gen_ai.usage.input_tokens", input),
        int("gen_ai.usage.output_tokens", output),
    ]
}

pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

pub(crate) fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

pub(crate) fn texts(key: &str, values: &[&str]) -> KeyValue {
    let value = |text: &&str| AnyValue { value: Some(Value::StringValue((*text).to_owned())) };
    attribute(key, Value::ArrayValue(ArrayValue { values: values.iter().map(value).collect() }))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Pseudo-words, commonest first.
pub(crate) struct Words {
    words: Vec<String>,
    /// Running sums of the words' weights.
    weights: Vec<f64>,
}

impl Words {
    fn new(rng: &mut fastrand::Rng) -> Self {
        const CONSONANTS: &[u8] = b"bcdfghklmnprstvw";
        const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "an", "er", "in"];
        let mut seen = std::collections::HashSet::new();
        let mut words = Vec::with_capacity(VOCABULARY);
        while words.len() < VOCABULARY {
            let syllables = 1 + 3.min(words.len() * 4 / VOCABULARY + rng.usize(..2));
            let mut word = String::new();
            for _ in 0..syllables {
                word.push(char::from(CONSONANTS[rng.usize(..CONSONANTS.len())]));
                word.push_str(VOWELS[rng.usize(..VOWELS.len())]);
            }
            if !seen.insert(word.clone()) {
                word.push_str(&words.len().to_string());
            }
            words.push(word);
        }
        let mut sum = 0.0;
        let weight = |rank| {
            sum += 1.0 / (rank as f64 + 2.7).powf(1.05);
            sum
        };
        Self { weights: (0..VOCABULARY).map(weight).collect(), words }
    }

    pub(crate) fn text(&self, rng: &mut fastrand::Rng, least: usize, most: usize) -> String {
        let total = self.weights.last().copied().unwrap_or(1.0);
        let mut text = String::new();
        for _ in 0..rng.usize(least..most) {
            let draw = rng.f64() * total;
            let rank = self.weights.partition_point(|&sum| sum < draw).min(self.words.len() - 1);
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&self.words[rank]);
        }
        text
    }

    /// The word of this rank, 0 the commonest.
    pub(crate) fn word(&self, rank: usize) -> &str {
        &self.words[rank.min(self.words.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_ids_of_its_own_and_goes_on_in_time() {
        let load = Load::generate(2, 7);
        let mut bytes = Vec::new();
        let mut spans = |number| {
            load.request(number, &mut bytes);
            let mut request = ExportTraceServiceRequest::decode(&bytes[..]).expect("whole");
            request.resource_spans.remove(0).scope_spans.remove(0).spans
        };
        let (first, last, again) = (spans(0), spans(1), spans(2));
        let begin = |spans: &[Span]| spans.iter().map(|span| span.start_time_unix_nano).min();
        let distance = |a, b| begin(b).zip(begin(a)).map(|(b, a)| b - a);
        assert_eq!(distance(&last, &again), distance(&first, &last));
        for (span, copy) in first.iter().zip(&again) {
            assert_ne!(span.trace_id, copy.trace_id);
            assert_ne!(span.attributes[0], copy.attributes[0], "the session");
            let duration = |span: &Span| span.end_time_unix_nano - span.start_time_unix_nano;
            assert_eq!(duration(span), duration(copy));
        }
    }
}
