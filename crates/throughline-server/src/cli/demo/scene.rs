//! A script played out in time: every span and event of one session, each with the moment at which an SDK would
//! have sent it.

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use serde_json::{Value, json};
use throughline_model::{
    Actor, Attributes, Event, EventId, Level, Scope, SessionId, SpanId, Timestamp, TraceId,
};

use super::cast::Casting;
use super::script::{Step, Turn};
use super::span::{SpanBuilder, resource_spans};

const SECOND: i64 = 1_000_000_000;

/// Something to send once its time has come.
pub(super) struct Cue {
    pub(super) at: Timestamp,
    pub(super) what: Sent,
}

pub(super) enum Sent {
    Spans(Box<ResourceSpans>),
    Event(Box<Event>),
}

/// Plays a whole session from `start`; cues come in the order in which they are due within each turn.
pub(super) fn play(casting: &Casting<'_>, start: Timestamp, rng: &mut fastrand::Rng) -> Vec<Cue> {
    let session = format!("conv_{:012x}", rng.u64(..1 << 48));
    let mut stage = Stage { casting, session, rng, now: start, history: Vec::new(), cues: Vec::new() };
    stage.event("conversation.started", Level::Info, None, &json!({ "ctx.channel": casting.channel }));
    for (number, turn) in casting.script.turns.iter().enumerate() {
        let reading = if number == 0 { stage.seconds(0.2, 1.0) } else { stage.pause_between_turns() };
        stage.now = stage.now.plus_nanos(reading);
        stage.turn(turn, number);
    }
    stage.cues
}

struct Stage<'a, 'r> {
    casting: &'a Casting<'a>,
    session: String,
    rng: &'r mut fastrand::Rng,
    now: Timestamp,
    /// What was said so far, as `gen_ai.input.messages` has it.
    history: Vec<Value>,
    cues: Vec<Cue>,
}

/// A turn being played: its ids, and what its model calls are given.
struct Scene {
    trace: TraceId,
    root: SpanId,
    start: Timestamp,
    user: String,
    tags: Vec<String>,
}

/// One call of the model.
struct ModelCall<'t> {
    output: Value,
    words_out: u64,
    thought: Option<&'t str>,
    failure: Option<(&'t str, &'t str)>,
}

impl Stage<'_, '_> {
    fn turn(&mut self, turn: &Turn, number: usize) {
        let blanks = &self.casting.blanks;
        let scene = Scene {
            trace: self.trace_id(),
            root: self.span_id(),
            start: self.now,
            user: blanks.fill(&turn.user),
            tags: self.casting.script.tags.iter().chain(&turn.tags).cloned().collect(),
        };
        self.history.push(text_message("user", &scene.user));
        let mut thought = None;
        for step in &turn.steps {
            match step {
                Step::Think { think } => thought = Some(think.as_str()),
                step => self.step(&scene, step, thought.take()),
            }
        }
        let answer = turn.answer.as_deref().map(|answer| self.casting.blanks.fill(answer));
        let failure = turn.fails.as_ref().map(|fails| (fails.error.as_str(), fails.message.as_str()));
        let output = answer.as_deref().map_or(Value::Null, |answer| text_message("assistant", answer));
        let words_out = answer.as_deref().map_or(0, words);
        self.model_call(&scene, &ModelCall { output: output.clone(), words_out, thought, failure });
        if !output.is_null() {
            self.history.push(output);
        }
        self.end_turn(&scene, answer.as_deref(), failure, number);
        if turn.tags.iter().any(|tag| tag == "conversion") {
            self.event("goal.reached", Level::Info, None, &json!({ "ctx.goal": "conversion" }));
        }
    }

    fn end_turn(
        &mut self,
        scene: &Scene,
        answer: Option<&str>,
        failure: Option<(&str, &str)>,
        number: usize,
    ) {
        let end = self.now.plus_nanos(self.seconds(0.002, 0.03));
        let casting = self.casting;
        let metadata = json!({ "channel": casting.channel, "plan": casting.person.plan, "turn": number + 1 });
        let mut root = SpanBuilder::new(scene.trace, scene.root, None, &casting.script.name)
            .during(scene.start, end)
            .text("gen_ai.operation.name", "invoke_workflow")
            .text("session.id", &self.session)
            .text("user.id", casting.person.id)
            .texts("tag.tags", &scene.tags)
            .text("metadata", metadata.to_string())
            .text("input.value", &scene.user);
        if let Some(answer) = answer {
            root = root.text("output.value", answer);
        }
        if let Some((error, message)) = failure {
            root = root.failed(error, message);
        }
        self.now = end;
        self.send(root);
        if let Some((error, message)) = failure {
            let error = throughline_model::ErrorInfo {
                name: error.into(),
                message: message.into(),
                ..Default::default()
            };
            self.event(
                "conversation.turn_failed",
                Level::Error,
                Some((scene.trace, error)),
                &json!({ "ctx.turn": number + 1 }),
            );
        }
    }

    fn step(&mut self, scene: &Scene, step: &Step, thought: Option<&str>) {
        match step {
            Step::Think { .. } => {}
            Step::Embed { embed } => {
                let took = self.seconds(0.03, 0.12);
                let span = self
                    .child(scene, "embeddings text-embedding-3-small", took)
                    .text("gen_ai.operation.name", "embeddings")
                    .text("gen_ai.provider.name", "openai")
                    .text("gen_ai.request.model", "text-embedding-3-small")
                    .text("input.value", embed)
                    .int("gen_ai.usage.input_tokens", tokens(words(embed)));
                self.send(span);
            }
            Step::Retrieve { retrieve, documents } => {
                let took = self.seconds(0.06, 0.4);
                let found: Vec<Value> = documents.iter().map(|text| json!({ "content": text })).collect();
                let span = self
                    .child(scene, "retrieve", took)
                    .text("gen_ai.operation.name", "retrieval")
                    .text("input.value", retrieve)
                    .text("output.value", Value::from(found).to_string());
                self.send(span);
            }
            Step::RetrieveFails { retrieve_fails, error, message } => {
                let took = self.seconds(0.5, 1.5);
                let span = self
                    .child(scene, "retrieve", took)
                    .text("gen_ai.operation.name", "retrieval")
                    .text("input.value", retrieve_fails)
                    .failed(error, message);
                self.send(span);
            }
            Step::Tool { tool, arguments, result } => {
                self.tool(scene, (tool, arguments), Ok(result), thought)
            }
            Step::ToolFails { tool_fails, arguments, error, message } => {
                self.tool(scene, (tool_fails, arguments), Err((error, message)), thought);
            }
        }
    }

    /// The model asks for a tool, the tool runs, and both join the history.
    fn tool(
        &mut self,
        scene: &Scene,
        (name, arguments): (&str, &str),
        outcome: Result<&String, (&String, &String)>,
        thought: Option<&str>,
    ) {
        let call_id = format!("call_{:08x}", self.rng.u32(..));
        let arguments = self.casting.blanks.fill(arguments);
        let parsed = serde_json::from_str(&arguments).unwrap_or_else(|_| Value::from(arguments.as_str()));
        let asked = json!({ "role": "assistant", "finish_reason": "tool_call",
            "parts": [{ "type": "tool_call", "id": call_id, "name": name, "arguments": parsed }] });
        self.model_call(scene, &ModelCall { output: asked.clone(), words_out: 18, thought, failure: None });
        self.history.push(asked);

        let took = self.seconds(0.05, if outcome.is_err() { 5.0 } else { 0.9 });
        let span = self
            .child(scene, format!("execute_tool {name}"), took)
            .text("gen_ai.operation.name", "execute_tool")
            .text("gen_ai.tool.name", name)
            .text("gen_ai.tool.call.id", &call_id)
            .text("gen_ai.tool.call.arguments", &arguments);
        let (span, response) = match outcome {
            Ok(result) => {
                let result = self.casting.blanks.fill(result);
                (span.text("gen_ai.tool.call.result", &result), result)
            }
            Err((error, message)) => (span.failed(error, message), format!("{error}: {message}")),
        };
        self.send(span);
        self.history.push(json!({ "role": "tool",
            "parts": [{ "type": "tool_call_response", "id": call_id, "response": response }] }));
    }

    fn model_call(&mut self, scene: &Scene, call: &ModelCall<'_>) {
        let script = &self.casting.script;
        let first_token = self.seconds(0.25, 1.1);
        let writing = i64::try_from(call.words_out).unwrap_or(0) * SECOND / 60;
        let thinking =
            call.thought.map_or(0, |thought| i64::try_from(words(thought)).unwrap_or(0) * SECOND / 25);
        let took =
            if call.failure.is_some() { self.seconds(0.1, 0.7) } else { first_token + thinking + writing };
        let history = Value::from(self.history.clone()).to_string();
        let prompt = 620 + tokens(words(&script.system) + words(&history));
        let span = self
            .child(scene, format!("chat {}", script.model), took)
            .text("gen_ai.operation.name", "chat")
            .text("gen_ai.provider.name", provider(&script.model))
            .text("gen_ai.request.model", &script.model)
            .float("gen_ai.request.temperature", 0.3)
            .int("gen_ai.request.max_tokens", 1024)
            .text(
                "gen_ai.system_instructions",
                json!([{ "type": "text", "content": script.system }]).to_string(),
            )
            .text("gen_ai.input.messages", history);
        let span = match call.failure {
            Some((error, message)) => span.failed(error, message),
            None => {
                let reasoning = call.thought.map_or(0, |thought| tokens(words(thought)) * 6);
                let cached = if self.history.len() > 1 { prompt * 3 / 4 / 64 * 64 } else { 0 };
                span.text("gen_ai.response.model", &script.model)
                    .text(
                        "gen_ai.output.messages",
                        json!([with_thought(&call.output, call.thought)]).to_string(),
                    )
                    .float("gen_ai.response.time_to_first_chunk", first_token as f64 / 1e9)
                    .int("gen_ai.usage.input_tokens", prompt)
                    .int("gen_ai.usage.cache_read.input_tokens", cached)
                    .int("gen_ai.usage.output_tokens", tokens(call.words_out) + reasoning)
                    .int("gen_ai.usage.reasoning.output_tokens", reasoning)
            }
        };
        self.send(span);
    }

    /// A child of the turn's root that takes so long from now; afterwards it is then.
    fn child(&mut self, scene: &Scene, name: impl Into<String>, took: i64) -> SpanBuilder {
        let start = self.now.plus_nanos(self.seconds(0.001, 0.02));
        self.now = start.plus_nanos(took);
        SpanBuilder::new(scene.trace, self.span_id(), Some(scene.root), name).during(start, self.now)
    }

    fn send(&mut self, span: SpanBuilder) {
        let at = span.end();
        let script = &self.casting.script;
        let spans =
            resource_spans(&script.service, "2026.11.2", self.casting.environment, vec![span.build()]);
        self.cues.push(Cue { at, what: Sent::Spans(Box::new(spans)) });
    }

    fn event(
        &mut self,
        name: &str,
        level: Level,
        failed: Option<(TraceId, throughline_model::ErrorInfo)>,
        attributes: &Value,
    ) {
        let person = self.casting.person;
        let (trace_id, error) = failed.unzip();
        let event = Event {
            id: EventId::from(format!("evt_{:016x}", self.rng.u64(..))),
            name: name.to_owned(),
            time: self.now,
            level,
            service: self.casting.script.service.clone(),
            environment: self.casting.environment.to_owned(),
            version: Some("2026.11.2".to_owned()),
            session_id: Some(SessionId::from(self.session.as_str())),
            trace_id,
            span_id: None,
            actor: Some(Actor {
                kind: "user".to_owned(),
                id: Some(person.id.to_owned()),
                tags: tags("plan", person.plan),
            }),
            scope: Some(Scope {
                kind: "organization".into(),
                id: "org_northwind".into(),
                tags: Attributes::new(),
            }),
            attributes: attributes.as_object().cloned().unwrap_or_default(),
            error,
            source: None,
        };
        self.cues.push(Cue { at: self.now, what: Sent::Event(Box::new(event)) });
    }

    /// Mostly a few seconds of reading and typing; now and then somebody goes for lunch.
    fn pause_between_turns(&mut self) -> i64 {
        if self.rng.u8(..14) == 0 { self.seconds(400.0, 1500.0) } else { self.seconds(4.0, 45.0) }
    }

    fn seconds(&mut self, least: f64, most: f64) -> i64 {
        ((least + (most - least) * self.rng.f64() * self.rng.f64()) * 1e9) as i64
    }

    fn trace_id(&mut self) -> TraceId {
        TraceId::from_bytes((self.rng.u128(1..)).to_be_bytes()).unwrap_or_default()
    }

    fn span_id(&mut self) -> SpanId {
        SpanId::from_bytes(self.rng.u64(1..).to_be_bytes()).unwrap_or_default()
    }
}

fn text_message(role: &str, text: &str) -> Value {
    json!({ "role": role, "parts": [{ "type": "text", "content": text }] })
}

fn with_thought(output: &Value, thought: Option<&str>) -> Value {
    let mut output = output.clone();
    if let (Some(thought), Some(parts)) = (thought, output.get_mut("parts").and_then(Value::as_array_mut)) {
        parts.insert(0, json!({ "type": "reasoning", "content": thought }));
    }
    output
}

fn tags(key: &str, value: &str) -> Attributes {
    Attributes::from_iter([(key.to_owned(), Value::from(value))])
}

fn provider(model: &str) -> &'static str {
    match model {
        model if model.starts_with("claude") => "anthropic",
        model if model.starts_with("gemini") => "gcp.gemini",
        _ => "openai",
    }
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// About four tokens for three words.
fn tokens(words: u64) -> u64 {
    (words * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::Span;

    use super::*;
    use crate::cli::demo::{cast, script};

    const START: Timestamp = Timestamp::from_nanos(1_795_000_000_000_000_000);

    fn spans(cues: &[Cue]) -> Vec<(Timestamp, &Span)> {
        let spans = cues.iter().filter_map(|cue| match &cue.what {
            Sent::Spans(spans) => Some((cue.at, &spans.scope_spans[0].spans[0])),
            Sent::Event(_) => None,
        });
        spans.collect()
    }

    #[test]
    fn every_script_plays_and_sends_each_span_when_it_ends() {
        let scripts = script::all().unwrap();
        for only in scripts.chunks(1) {
            let casting = cast::cast(only, &mut fastrand::Rng::with_seed(3)).unwrap();
            let cues = play(&casting, START, &mut fastrand::Rng::with_seed(3));
            let spans = spans(&cues);
            let roots = spans.iter().filter(|(_, span)| span.parent_span_id.is_empty());
            assert_eq!(roots.count(), only[0].turns.len(), "one trace for each turn of {}", only[0].name);
            for (at, span) in spans {
                assert_eq!(at.as_nanos().unsigned_abs(), span.end_time_unix_nano);
                assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
                let names_session = span.attributes.iter().any(|attribute| attribute.key == "session.id");
                assert_eq!(names_session, span.parent_span_id.is_empty(), "only roots name the session");
            }
            assert!(cues.iter().all(|cue| cue.at >= START));
        }
    }

    #[test]
    fn no_blank_is_left_open() {
        let scripts = script::all().unwrap();
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..60 {
            let casting = cast::cast(&scripts, &mut rng).unwrap();
            let cues = play(&casting, START, &mut rng);
            for (_, span) in spans(&cues) {
                let text = format!("{span:?}");
                for blank in ["{name}", "{city}", "{product}", "{order}", "{amount}", "{number}"] {
                    assert!(!text.contains(blank), "{blank} in {text}");
                }
            }
        }
    }
}
