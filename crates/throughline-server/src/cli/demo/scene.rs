//! A script played out in time, through the SDK, as the application that it imitates would use it.

use serde_json::{Value, json};
use throughline::{ErrorInfo, Observation, ObservationBuilder, ObservationType, Telemetry, Usage, emit};
use throughline_model::Timestamp;

use super::cast::Casting;
use super::script::{Failure, Step, Turn};
use crate::http::Clock;

const SECOND: i64 = 1_000_000_000;

/// Plays a whole session that begins at `start`. What lies in the past is played at once, the rest when its time comes.
pub(super) async fn play(
    casting: Casting,
    telemetry: Telemetry,
    clock: Clock,
    start: Timestamp,
    rng: fastrand::Rng,
) {
    let Casting { script, person, channel, .. } = &casting;
    let session = telemetry
        .session()
        .id(format!("conv_{:012x}", fastrand::u64(..1 << 48)))
        .actor("user", person.id)
        .actor_tag("plan", person.plan)
        .scope("organization", "org_northwind")
        .attribute("ctx.channel", *channel);
    let mut stage =
        Stage { casting: &casting, telemetry: &telemetry, clock, rng, now: start, history: Vec::new() };
    session
        .run(async {
            stage.wait(0).await;
            emit!(telemetry, "conversation.started", time: stage.now, "ctx.customer.city" => person.city);
            for (number, turn) in script.turns.iter().enumerate() {
                let reading = if number == 0 { stage.nanos(0.2, 1.0) } else { stage.pause_between_turns() };
                stage.wait(reading).await;
                stage.turn(turn, number + 1).await;
            }
        })
        .await;
}

struct Stage<'a> {
    casting: &'a Casting,
    telemetry: &'a Telemetry,
    clock: Clock,
    rng: fastrand::Rng,
    now: Timestamp,
    /// What was said so far, as `gen_ai.input.messages` has it.
    history: Vec<Value>,
}

/// One call of the model.
struct ModelCall<'t> {
    output: Value,
    words_out: u64,
    thought: Option<&'t str>,
    failure: Option<&'t Failure>,
}

impl Stage<'_> {
    async fn turn(&mut self, turn: &Turn, number: usize) {
        let Casting { script, person, channel, blanks, .. } = self.casting;
        let (user, answer) = (blanks.fill(&turn.user), turn.answer.as_deref().map(|text| blanks.fill(text)));
        let root = self
            .telemetry
            .trace(&script.name)
            .kind(ObservationType::Chain)
            .start_time(self.now)
            .input(user.as_str())
            .tags(script.tags.iter().chain(&turn.tags))
            .attribute("throughline.metadata.channel", *channel)
            .attribute("throughline.metadata.plan", person.plan)
            .attribute("throughline.metadata.turn", number as u64)
            .start();
        self.history.push(text_message("user", &user));
        root.follow(self.answer(turn, answer.as_deref())).await;
        let before_end = self.nanos(0.002, 0.03);
        self.wait(before_end).await;
        if let Some(answer) = answer {
            root.set_output(answer);
        }
        if let Some(failure) = &turn.fails {
            root.set_error(error(failure));
            root.enter(|| {
                emit!(self.telemetry, error, "conversation.turn_failed", error: error(failure), time: self.now,
                    "ctx.turn" => number as u64);
            });
        }
        root.end_at(self.now);
        if turn.tags.iter().any(|tag| tag == "conversion") {
            emit!(self.telemetry, "goal.reached", time: self.now, "ctx.goal" => "conversion");
        }
    }

    /// What the application does between a message and its answer.
    async fn answer(&mut self, turn: &Turn, answer: Option<&str>) {
        let mut thought = None;
        for step in &turn.steps {
            match step {
                Step::Think { think } => thought = Some(think.as_str()),
                step => self.step(step, thought.take()).await,
            }
        }
        let output = answer.map_or(Value::Null, |answer| text_message("assistant", answer));
        let words_out = answer.map_or(0, words);
        let failure = turn.fails.as_ref();
        self.model_call(ModelCall { output: output.clone(), words_out, thought, failure }).await;
        if !output.is_null() {
            self.history.push(output);
        }
    }

    async fn step(&mut self, step: &Step, thought: Option<&str>) {
        match step {
            Step::Think { .. } => {}
            Step::Embed { embed } => {
                let embedding = self
                    .begin(ObservationType::Embedding, "embeddings text-embedding-3-small")
                    .await
                    .provider("openai")
                    .model("text-embedding-3-small")
                    .input(embed.as_str())
                    .start();
                let took = self.nanos(0.03, 0.12);
                self.wait(took).await;
                embedding.set_usage(Usage { input_uncached: tokens(words(embed)), ..Usage::default() });
                embedding.end_at(self.now);
            }
            Step::Retrieve { retrieve, documents } => {
                let found = documents.iter().map(|text| json!({ "content": text })).collect::<Vec<_>>();
                let took = self.nanos(0.06, 0.4);
                self.retrieve(retrieve, took, Ok(found.into())).await;
            }
            Step::RetrieveFails { retrieve_fails, failure } => {
                let took = self.nanos(0.5, 1.5);
                self.retrieve(retrieve_fails, took, Err(failure)).await;
            }
            Step::Tool { tool, arguments, result } => {
                let result = self.casting.blanks.fill(result);
                self.tool(tool, arguments, Ok(result), thought).await;
            }
            Step::ToolFails { tool_fails, arguments, failure } => {
                self.tool(tool_fails, arguments, Err(failure), thought).await;
            }
        }
    }

    async fn retrieve(&mut self, query: &str, took: i64, outcome: Result<Value, &Failure>) {
        let retrieval = self.begin(ObservationType::Retriever, "retrieve").await.input(query).start();
        self.wait(took).await;
        self.end(&retrieval, outcome);
    }

    /// The model asks for a tool, the tool runs, and both join the history.
    async fn tool(
        &mut self,
        name: &str,
        arguments: &str,
        outcome: Result<String, &Failure>,
        thought: Option<&str>,
    ) {
        let call_id = format!("call_{:08x}", self.rng.u32(..));
        let arguments = parsed(&self.casting.blanks.fill(arguments));
        let asked = json!({ "role": "assistant", "finish_reason": "tool_call",
            "parts": [{ "type": "tool_call", "id": call_id, "name": name, "arguments": arguments }] });
        self.model_call(ModelCall { output: asked.clone(), words_out: 18, thought, failure: None }).await;
        self.history.push(asked);

        let tool = self
            .begin(ObservationType::Tool, &format!("execute_tool {name}"))
            .await
            .attribute("gen_ai.tool.name", name)
            .attribute("gen_ai.tool.call.id", &call_id)
            .input(arguments)
            .start();
        let took = self.nanos(0.05, if outcome.is_err() { 5.0 } else { 0.9 });
        self.wait(took).await;
        let response = match &outcome {
            Ok(result) => result.clone(),
            Err(Failure { error, message }) => format!("{error}: {message}"),
        };
        self.end(&tool, outcome.map(|result| parsed(&result)));
        self.history.push(json!({ "role": "tool",
            "parts": [{ "type": "tool_call_response", "id": call_id, "response": response }] }));
    }

    async fn model_call(&mut self, call: ModelCall<'_>) {
        let script = &self.casting.script;
        let system = json!([{ "type": "text", "content": script.system }]);
        let history = Value::from(self.history.clone());
        let prompt = 620 + tokens(words(&script.system) + words(&history.to_string()));
        let generation = self
            .begin(ObservationType::Generation, &format!("chat {}", script.model))
            .await
            .provider(provider(&script.model))
            .model(&script.model)
            .parameter("temperature", 0.3)
            .parameter("max_tokens", 1024)
            .attribute("gen_ai.system_instructions", throughline::json(&system))
            .input(history)
            .start();
        if let Some(failure) = call.failure {
            let took = self.nanos(0.1, 0.7);
            self.wait(took).await;
            return self.end(&generation, Err(failure));
        }
        let (first_token, thinking) = (self.nanos(0.25, 1.1), call.thought.map_or(0, words));
        self.wait(first_token).await;
        generation.first_token_at(self.now);
        self.wait(seconds_for(thinking, 25) + seconds_for(call.words_out, 60)).await;
        let cached = if self.history.len() > 1 { prompt * 3 / 4 / 64 * 64 } else { 0 };
        generation.set_model(&script.model);
        generation.set_usage(Usage {
            input_uncached: prompt - cached,
            cache_read: cached,
            output: tokens(call.words_out),
            reasoning: tokens(thinking) * 6,
            ..Usage::default()
        });
        self.end(&generation, Ok(json!([with_thought(call.output, call.thought)])));
    }

    /// A part of what the application is at, about to start.
    async fn begin(&mut self, kind: ObservationType, name: &str) -> ObservationBuilder {
        let idle = self.nanos(0.001, 0.02);
        self.wait(idle).await;
        self.telemetry.observation(kind, name).start_time(self.now)
    }

    fn end(&self, observation: &Observation, outcome: Result<Value, &Failure>) {
        match outcome {
            Ok(output) => observation.set_output(output),
            Err(failure) => observation.set_error(error(failure)),
        };
        observation.end_at(self.now);
    }

    /// So many nanoseconds later.
    async fn wait(&mut self, nanos: i64) {
        self.now = self.now.plus_nanos(nanos);
        let ahead = self.now.nanos_since(self.clock.now());
        if let Ok(ahead @ 1..) = u64::try_from(ahead) {
            tokio::time::sleep(std::time::Duration::from_nanos(ahead)).await;
        }
    }

    /// Mostly a few seconds of reading and typing; now and then somebody goes for lunch.
    fn pause_between_turns(&mut self) -> i64 {
        if self.rng.u8(..14) == 0 { self.nanos(400.0, 1500.0) } else { self.nanos(4.0, 45.0) }
    }

    /// Between so many seconds, rather fewer than more.
    fn nanos(&mut self, least: f64, most: f64) -> i64 {
        ((least + (most - least) * self.rng.f64() * self.rng.f64()) * 1e9) as i64
    }
}

fn text_message(role: &str, text: &str) -> Value {
    json!({ "role": role, "parts": [{ "type": "text", "content": text }] })
}

fn with_thought(mut output: Value, thought: Option<&str>) -> Value {
    if let (Some(thought), Some(parts)) = (thought, output.get_mut("parts").and_then(Value::as_array_mut)) {
        parts.insert(0, json!({ "type": "reasoning", "content": thought }));
    }
    output
}

fn error(Failure { error, message }: &Failure) -> ErrorInfo {
    ErrorInfo { name: error.clone(), message: message.clone(), ..ErrorInfo::default() }
}

/// JSON, or else a text.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
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

/// Nanoseconds for so many words at so many a second.
fn seconds_for(words: u64, a_second: i64) -> i64 {
    i64::try_from(words).unwrap_or(0) * SECOND / a_second
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use throughline::testing::Memory;

    use super::*;
    use crate::cli::demo::cast::cast;
    use crate::cli::demo::script;

    const START: Timestamp = Timestamp::from_nanos(1_750_000_000_000_000_000);

    /// What the session leaves when all of it lies in the past.
    fn played(scripts: &[Arc<script::Script>], seed: u64) -> Memory {
        let memory = Memory::new();
        let telemetry = Telemetry::builder("demo").environment("test").transport(memory.clone()).build();
        let telemetry = telemetry.unwrap();
        let mut rng = fastrand::Rng::with_seed(seed);
        let casting = cast(scripts, &mut rng).unwrap();
        let session = play(casting, telemetry.clone(), crate::app::system_clock(), START, rng);
        // Nothing to wait for, so no timer is needed.
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(session);
        assert!(telemetry.flush(Duration::from_secs(20)).complete);
        memory
    }

    #[test]
    fn every_script_is_one_session_with_a_trace_for_each_turn() {
        for only in script::all().unwrap().chunks(1) {
            let memory = played(only, 3);
            let (spans, events) = (memory.spans(), memory.events());
            let roots: Vec<_> = spans.iter().filter(|span| span.parent_id.is_none()).collect();
            assert_eq!(roots.len(), only[0].turns.len(), "{}", only[0].name);
            let session = events[0].session_id.clone().unwrap();
            assert_eq!((events[0].name.as_str(), events[0].time), ("conversation.started", START));
            for span in &spans {
                assert_eq!(span.session.as_ref().unwrap().session_id, session);
                assert!(START <= span.start_time && span.start_time <= span.end_time);
                let root = roots.iter().find(|root| root.trace_id == span.trace_id).unwrap();
                assert!(root.start_time <= span.start_time && span.end_time <= root.end_time);
                assert!(span.parent_id.is_none_or(|parent| parent == root.span_id));
            }
            assert!(events.iter().all(|event| event.session_id.as_ref() == Some(&session)));
        }
    }

    #[test]
    fn no_blank_is_left_open() {
        let scripts = script::all().unwrap();
        for seed in 0..60 {
            for span in played(&scripts, seed).spans() {
                let text = format!("{span:?}");
                for blank in ["{name}", "{city}", "{product}", "{order}", "{amount}", "{number}"] {
                    assert!(!text.contains(blank), "{blank} in {text}");
                }
            }
        }
    }
}
