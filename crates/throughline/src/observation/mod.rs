//! Traces: units of work inside units of work, model calls among them.

use std::fmt;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::{Value, json};
use throughline_channel::{Context, InContext};
use throughline_model::Usage;

use crate::ambient::Ambient;
use crate::pipeline::lock;
use crate::session::Shared;
use crate::{
    Attribute, Attributes, ErrorInfo, IntoErrorInfo, Level, ObservationType, Session, SessionState,
    SpanContext, SpanId, Status, Telemetry, Timestamp, TraceId, TraceState,
};

/// A finished unit of work, as transports get it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Span {
    /// The trace it is part of.
    pub trace_id: TraceId,
    /// Its own id.
    #[serde(rename = "id")]
    pub span_id: SpanId,
    /// The span it happened in.
    pub parent_id: Option<SpanId>,
    /// What other tracing systems want handed on with the trace.
    #[serde(skip)]
    pub trace_state: TraceState,
    /// What kind of work it is.
    #[serde(rename = "type")]
    pub kind: ObservationType,
    /// What it is called.
    pub name: String,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// How serious it is.
    pub level: Level,
    /// How it ended.
    pub status: Status,
    /// What is to be said about how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// What went in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// What came out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Everything else, under OpenTelemetry's names where it has any.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// The session it happened in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionState>,
}

/// A unit of work before it starts. Made by [`Telemetry::trace`], [`Telemetry::observation`] and the methods of
/// [`Observation`].
#[must_use = "an observation does nothing until it is started or run"]
#[derive(Debug)]
pub struct ObservationBuilder {
    telemetry: Telemetry,
    parent: Option<SpanContext>,
    trace_state: TraceState,
    session: Option<Arc<Shared>>,
    start_time: Option<Timestamp>,
    kind: ObservationType,
    name: String,
    input: Option<Value>,
    attributes: Attributes,
}

impl ObservationBuilder {
    pub(crate) fn new(
        telemetry: Telemetry,
        kind: ObservationType,
        name: String,
        parent: Option<SpanContext>,
    ) -> Self {
        let Ambient { session, span, trace_state } = Ambient::current();
        let trace_state =
            if parent.is_some() && parent == span { trace_state } else { TraceState::default() };
        let (start_time, input, attributes) = (None, None, Attributes::new());
        Self { telemetry, parent, trace_state, session, start_time, kind, name, input, attributes }
    }

    /// What kind of work it is.
    pub const fn kind(mut self, kind: ObservationType) -> Self {
        self.kind = kind;
        self
    }

    /// The span it happens in, wherever that is: another task, another process.
    pub const fn parent(mut self, parent: SpanContext) -> Self {
        self.parent = Some(parent);
        self
    }

    /// What came with the [`parent`](Self::parent) from another process, to be handed on.
    pub fn trace_state(mut self, state: TraceState) -> Self {
        self.trace_state = state;
        self
    }

    /// The session it happens in, if not the one that the program is in here.
    pub fn session(mut self, session: &Session) -> Self {
        self.session = Some(session.shared().clone());
        self
    }

    /// When it began, if not at `start`.
    pub const fn start_time(mut self, time: Timestamp) -> Self {
        self.start_time = Some(time);
        self
    }

    /// What goes in: text, or JSON.
    pub fn input(mut self, input: impl Into<Value>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// The model that is asked for.
    pub fn model(self, model: &str) -> Self {
        self.attribute("gen_ai.request.model", model)
    }

    /// Who serves the model, in the spelling of OpenTelemetry's `gen_ai.provider.name`: `openai`, `anthropic`.
    pub fn provider(self, provider: &str) -> Self {
        self.attribute("gen_ai.provider.name", provider)
    }

    /// A parameter of the model call, such as `temperature`.
    pub fn parameter(self, name: &str, value: impl Attribute) -> Self {
        self.attribute(format!("gen_ai.request.{name}"), value)
    }

    /// Labels of the whole trace.
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        let tags: Vec<String> = tags.into_iter().map(Into::into).collect();
        self.attributes.insert(keys::TAGS.to_owned(), json!(tags));
        self
    }

    /// An attribute.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Attribute) -> Self {
        self.attributes.insert(key.into(), value.value().into());
        self
    }

    /// Starts it. It ends with [`Observation::end`], or when the handle is dropped.
    pub fn start(self) -> Observation {
        let core = self.telemetry.core();
        let trace_id = self.parent.map_or_else(|| core.random.trace_id(), |parent| parent.trace_id);
        let start_time = self.start_time.unwrap_or_else(|| core.clock.now());
        let span = Span {
            trace_id,
            span_id: core.random.span_id(),
            parent_id: self.parent.map(|parent| parent.span_id),
            trace_state: self.trace_state.clone(),
            kind: self.kind,
            name: self.name,
            start_time,
            end_time: start_time,
            level: Level::Info,
            status: Status::Unset,
            status_message: None,
            error: None,
            input: self.input,
            output: None,
            attributes: self.attributes,
            session: None,
        };
        let context = SpanContext { trace_id: span.trace_id, span_id: span.span_id };
        let Self { telemetry, session, trace_state, .. } = self;
        Observation {
            telemetry,
            context,
            trace_state,
            session: Mutex::new(session),
            span: Mutex::new(Some(Box::new(span))),
        }
    }

    /// Starts it, makes it the one that `future` runs in, and ends it afterwards.
    pub async fn run<F: Future>(self, future: F) -> F::Output {
        let observation = self.start();
        observation.follow(future).await
    }

    /// Starts it, makes it the one that `f` runs in, and ends it afterwards.
    pub fn run_sync<R>(self, f: impl FnOnce() -> R) -> R {
        let observation = self.start();
        observation.enter(f)
    }
}

/// A unit of work that goes on: a chat turn, a model call, a tool call.
///
/// ```
/// use throughline::{ObservationType, Telemetry, Usage, testing::Memory};
///
/// let memory = Memory::new();
/// let telemetry = Telemetry::builder("chat").environment("test").transport(memory.clone()).build()?;
/// telemetry.session().id("conv_1").actor("user", "alice").run_sync(|| {
///     let turn = telemetry.trace("chat turn").input("Where is my order?").start();
///     let call = turn.generation("answer").model("gpt-4o").provider("openai").start();
///     call.set_usage(Usage { input_uncached: 812, output: 41, ..Usage::default() });
///     call.set_output("It is on its way.");
///     call.end();
///     turn.set_output("It is on its way.");
/// });
/// telemetry.flush(std::time::Duration::from_secs(1));
///
/// let [call, turn] = &memory.spans()[..] else { panic!("two spans") };
/// assert_eq!((call.kind, call.parent_id), (ObservationType::Generation, Some(turn.span_id)));
/// assert_eq!(call.attributes["gen_ai.usage.input_tokens"], 812);
/// assert_eq!(turn.session.as_ref().unwrap().session_id.as_str(), "conv_1");
/// # Ok::<(), throughline::Error>(())
/// ```
pub struct Observation {
    telemetry: Telemetry,
    context: SpanContext,
    trace_state: TraceState,
    session: Mutex<Option<Arc<Shared>>>,
    /// `None` once it has ended.
    span: Mutex<Option<Box<Span>>>,
}

impl Observation {
    /// Its place in the trace, for work elsewhere.
    pub const fn context(&self) -> SpanContext {
        self.context
    }

    /// Work inside this one.
    pub fn observation(&self, kind: ObservationType, name: impl Into<String>) -> ObservationBuilder {
        let builder = ObservationBuilder::new(self.telemetry.clone(), kind, name.into(), Some(self.context));
        let (session, trace_state) = (lock(&self.session).clone(), self.trace_state.clone());
        ObservationBuilder { session, trace_state, ..builder }
    }

    /// A model call inside this work.
    pub fn generation(&self, name: impl Into<String>) -> ObservationBuilder {
        self.observation(ObservationType::Generation, name)
    }

    /// A tool call inside this work.
    pub fn tool(&self, name: impl Into<String>) -> ObservationBuilder {
        let name = name.into();
        self.observation(ObservationType::Tool, name.clone()).attribute("gen_ai.tool.name", name)
    }

    /// A future that runs in this work: what is emitted and observed there is part of it.
    pub fn follow<F>(&self, future: F) -> InContext<F> {
        self.ambient().follow(future)
    }

    /// Runs `f` in this work.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        self.ambient().run(f)
    }

    fn ambient(&self) -> Context {
        let (session, trace_state) = (lock(&self.session).clone(), self.trace_state.clone());
        Ambient { session, span: Some(self.context), trace_state }.into_context()
    }

    /// What it is called, if it was not known at the start.
    pub fn set_name(&self, name: impl Into<String>) {
        self.change(|span| span.name = name.into());
    }

    /// The session it turned out to happen in. What was begun inside it before stays where it was.
    pub fn set_session(&self, session: &Session) {
        *lock(&self.session) = Some(session.shared().clone());
    }

    /// What went in, if it was not known at the start.
    pub fn set_input(&self, input: impl Into<Value>) {
        self.change(|span| span.input = Some(input.into()));
    }

    /// What came out: text, or JSON.
    pub fn set_output(&self, output: impl Into<Value>) {
        self.change(|span| span.output = Some(output.into()));
    }

    /// The model that answered.
    pub fn set_model(&self, model: &str) {
        self.set_attribute("gen_ai.response.model", model);
    }

    /// The tokens it took.
    pub fn set_usage(&self, usage: Usage) {
        let buckets = [
            ("gen_ai.usage.input_tokens", usage.input()),
            ("gen_ai.usage.cache_read.input_tokens", usage.cache_read),
            ("gen_ai.usage.cache_write.input_tokens", usage.cache_write),
            (keys::CACHE_WRITE_1H, usage.cache_write_1h),
            ("gen_ai.usage.audio.input_tokens", usage.input_audio),
            ("gen_ai.usage.output_tokens", usage.completion()),
            ("gen_ai.usage.reasoning.output_tokens", usage.reasoning),
            ("gen_ai.usage.audio.output_tokens", usage.output_audio),
        ];
        let total = |key: &str| matches!(key, "gen_ai.usage.input_tokens" | "gen_ai.usage.output_tokens");
        self.change(|span| {
            for (key, tokens) in buckets.into_iter().filter(|(key, tokens)| *tokens > 0 || total(key)) {
                span.attributes.insert(key.to_owned(), tokens.into());
            }
        });
    }

    /// What it cost, in dollars, if you know better than a price list.
    pub fn set_cost(&self, dollars: f64) {
        self.set_attribute(keys::COST, dollars);
    }

    /// When the first token came.
    pub fn first_token_at(&self, time: Timestamp) {
        self.change(|span| {
            let seconds = time.nanos_since(span.start_time) as f64 / 1e9;
            span.attributes.insert(keys::TIME_TO_FIRST_TOKEN.to_owned(), seconds.into());
        });
    }

    /// An attribute.
    pub fn set_attribute(&self, key: impl Into<String>, value: impl Attribute) {
        let value = Value::from(value.value());
        self.change(|span| drop(span.attributes.insert(key.into(), value)));
    }

    /// How serious it is.
    pub fn set_level(&self, level: Level) {
        self.change(|span| span.level = level);
    }

    /// That it went well, explicitly.
    pub fn set_ok(&self) {
        self.change(|span| span.status = Status::Ok);
    }

    /// What went wrong: makes it a failure of level error.
    pub fn set_error(&self, error: impl IntoErrorInfo) {
        let error = error.into_error_info();
        self.change(|span| {
            span.status = Status::Error;
            span.level = span.level.max(Level::Error);
            span.status_message = Some(error.message.clone());
            span.error = Some(error);
        });
    }

    /// Ends it now. Ending it again, or changing it afterwards, does nothing.
    pub fn end(&self) {
        self.end_at(self.telemetry.core().clock.now());
    }

    /// Ends it at this time, but not before it began.
    pub fn end_at(&self, time: Timestamp) {
        if let Some(mut span) = lock(&self.span).take() {
            span.end_time = time.max(span.start_time);
            span.session = lock(&self.session).as_ref().map(|shared| (*shared.state()).clone());
            self.telemetry.core().record_span(*span);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Span)) {
        if let Some(span) = &mut *lock(&self.span) {
            change(span);
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation").field("context", &self.context).finish_non_exhaustive()
    }
}

/// Names of our own, where OpenTelemetry has none.
mod keys {
    pub(super) const TAGS: &str = "throughline.tags";
    pub(super) const COST: &str = "throughline.cost";
    pub(super) const CACHE_WRITE_1H: &str = "throughline.usage.cache_write_1h";
    pub(super) const TIME_TO_FIRST_TOKEN: &str = "gen_ai.response.time_to_first_chunk";
}
