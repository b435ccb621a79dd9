//! A unit of work that goes on.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use throughline_channel::{Context, InContext};
use throughline_model::{Usage, keys};

use super::{Draft, Moment, ObservationBuilder, References};
use crate::ambient::Ambient;
use crate::pipeline::{Describe, lock};
use crate::{
    Attribute, AttributeValue, Attributes, IntoErrorInfo, Level, ObservationType, Session, SpanContext,
    Status, Timestamp, TraceState,
};

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
///     call.set_output("It is on its way.").end();
///     turn.set_output("It is on its way.").end();
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
    context: SpanContext,
    trace_state: TraceState,
    /// There until this is dropped.
    draft: Mutex<Option<Box<Draft>>>,
}

impl Observation {
    #[inline]
    pub(super) fn new(context: SpanContext, draft: Box<Draft>) -> Self {
        let trace_state = draft.rare.as_ref().map(|rare| rare.trace_state.clone()).unwrap_or_default();
        Self { context, trace_state, draft: Mutex::new(Some(draft)) }
    }

    fn with_draft<R>(&self, f: impl FnOnce(&mut Box<Draft>) -> R) -> R {
        match &mut *lock(&self.draft) {
            Some(draft) => f(draft),
            None => unreachable!("it is taken out only when this is dropped"),
        }
    }

    /// Its place in the trace, for work elsewhere.
    pub const fn context(&self) -> SpanContext {
        self.context
    }

    /// Work inside this one.
    pub fn observation(&self, kind: ObservationType, name: impl AsRef<str>) -> ObservationBuilder {
        let (parent, name) = (Some(self.context), name.as_ref());
        self.with_draft(|draft| {
            let References { session, .. } = &draft.references;
            let telemetry = draft.references.telemetry();
            ObservationBuilder::inside(telemetry, kind, name, parent, session.as_ref(), &self.trace_state)
        })
    }

    /// A model call inside this work.
    pub fn generation(&self, name: impl AsRef<str>) -> ObservationBuilder {
        self.observation(ObservationType::Generation, name)
    }

    /// A tool call inside this work.
    pub fn tool(&self, name: impl AsRef<str>) -> ObservationBuilder {
        let name = name.as_ref();
        self.observation(ObservationType::Tool, name).attribute("gen_ai.tool.name", name)
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
        let session = self.with_draft(|draft| draft.references.session.clone());
        let trace_state = self.trace_state.clone();
        Ambient { session, span: Some(self.context), trace_state }.into_context()
    }

    /// What it is called, if it was not known at the start.
    pub fn set_name(&self, name: impl AsRef<str>) -> &Self {
        self.change(|span| span.set_name(name.as_ref()))
    }

    /// The session it turned out to happen in. What was begun inside it before stays where it was.
    pub fn set_session(&self, session: &Session) -> &Self {
        self.with_draft(|draft| draft.references.session = Some(session.shared().clone()));
        self
    }

    /// What went in, if it was not known at the start.
    pub fn set_input(&self, input: impl Into<Value>) -> &Self {
        let input = input.into();
        self.change(|span| span.rare().input = Some(input))
    }

    /// What came out: text, or JSON.
    pub fn set_output(&self, output: impl Into<Value>) -> &Self {
        let output = output.into();
        self.change(|span| span.rare().output = Some(output))
    }

    /// A piece of an output that comes bit by bit. The first says when the first token came; all together become the
    /// output, as far as it came if the rest never does.
    ///
    /// ```
    /// # use throughline::{Telemetry, testing::Memory};
    /// # let memory = Memory::new();
    /// # let telemetry = Telemetry::builder("chat").environment("test").transport(memory.clone()).build()?;
    /// let call = telemetry.generation("answer").model("gpt-4o").start();
    /// for token in ["It is ", "on its ", "way."] {
    ///     call.push_output(token);
    /// }
    /// call.end();
    /// # telemetry.flush(std::time::Duration::from_secs(1));
    /// assert_eq!(memory.spans()[0].output, Some("It is on its way.".into()));
    /// assert!(memory.spans()[0].attributes.contains_key("gen_ai.response.time_to_first_chunk"));
    /// # Ok::<(), throughline::Error>(())
    /// ```
    pub fn push_output(&self, piece: &str) -> &Self {
        if piece.is_empty() {
            return self;
        }
        self.change(|span| match &mut span.rare().output {
            Some(Value::String(output)) => output.push_str(piece),
            output => {
                *output = Some(piece.into());
                if !span.has(keys::TIME_TO_FIRST_TOKEN) {
                    let now = span.references.telemetry().core().clock.moment();
                    span.set_since(keys::TIME_TO_FIRST_TOKEN, now);
                }
            }
        })
    }

    /// The model that answered.
    pub fn set_model(&self, model: &str) -> &Self {
        self.set_attribute("gen_ai.response.model", model)
    }

    /// The tokens it took.
    pub fn set_usage(&self, usage: Usage) -> &Self {
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
                span.set(key, AttributeValue::Uint(tokens));
            }
        })
    }

    /// The tokens it took, where the model's provider says no more than that.
    pub fn set_tokens(&self, input: u64, output: u64) -> &Self {
        self.set_usage(Usage { input_uncached: input, output, ..Usage::default() })
    }

    /// What it cost, in dollars, if you know better than a price list.
    pub fn set_cost(&self, dollars: f64) -> &Self {
        self.set_attribute(keys::COST, dollars)
    }

    /// When the first token came.
    pub fn first_token_at(&self, time: Timestamp) -> &Self {
        self.change(|span| span.set_since(keys::TIME_TO_FIRST_TOKEN, Moment::Time(time)))
    }

    /// Something worth knowing about the trace.
    pub fn set_metadata(&self, key: &str, value: impl Attribute) -> &Self {
        self.set_attribute(format!("{}{key}", keys::METADATA_PREFIX), value)
    }

    /// An attribute.
    pub fn set_attribute(&self, key: impl AsRef<str>, value: impl Attribute) -> &Self {
        let value = value.value();
        self.change(|span| span.set(key.as_ref(), value))
    }

    /// How serious it is.
    pub fn set_level(&self, level: Level) -> &Self {
        self.change(|span| span.head.level = level)
    }

    /// That it went well, explicitly.
    pub fn set_ok(&self) -> &Self {
        self.change(|span| span.head.status = Status::Ok)
    }

    /// What went wrong: makes it a failure of level error.
    pub fn set_error(&self, error: impl IntoErrorInfo) -> &Self {
        let error = error.into_error_info();
        self.change(|span| {
            span.head.status = Status::Error;
            span.head.level = span.head.level.max(Level::Error);
            span.rare().status_message = Some(error.message.clone());
            span.rare().error = Some(error);
        })
    }

    /// Ends it now, because this went wrong.
    pub fn error(&self, error: impl IntoErrorInfo) {
        self.set_error(error).end();
    }

    /// Ends it now. Ending it again, or changing it afterwards, does nothing.
    pub fn end(&self) {
        self.finish(None, None);
    }

    /// Ends it at this time, but not before it began.
    pub fn end_at(&self, time: Timestamp) {
        self.finish(Some(Moment::Time(time)), None);
    }

    /// Ends it at this time, with attributes that `describe` adds later, on the thread that prepares spans for the
    /// transports: here it costs no more than what `describe` owns. It is not called if the span goes nowhere. If it
    /// panics, what it has added by then stays.
    ///
    /// ```
    /// use throughline::{Telemetry, Timestamp, testing::Memory};
    ///
    /// let memory = Memory::new();
    /// let telemetry = Telemetry::builder("shop").environment("test").transport(memory.clone()).build()?;
    /// let query = telemetry.trace("query").start();
    /// let rows = vec![1, 2, 3];
    /// query.end_described_at(telemetry.now(), move |attributes| {
    ///     attributes.insert("db.response.returned_rows".to_owned(), rows.len().into());
    /// });
    /// telemetry.flush(std::time::Duration::from_secs(1));
    /// assert_eq!(memory.spans()[0].attributes["db.response.returned_rows"], 3);
    /// # Ok::<(), throughline::Error>(())
    /// ```
    pub fn end_described_at(&self, time: Timestamp, describe: impl FnOnce(&mut Attributes) + Send + 'static) {
        self.finish(Some(Moment::Time(time)), Some(Box::new(describe)));
    }

    /// At this moment, or now.
    fn finish(&self, end: Option<Moment>, describe: Option<Describe>) {
        // What went nowhere is the application's: it is dropped where that may do what it likes.
        let _left = self.with_draft(|draft| {
            if std::mem::replace(&mut draft.has_ended, true) {
                return (None, describe, None);
            }
            if describe.is_some() {
                draft.rare().describe = Mutex::new(describe);
            }
            draft.record(end);
            (draft.rare.take(), None, draft.begun.take())
        });
    }

    fn change(&self, change: impl FnOnce(&mut Draft)) -> &Self {
        self.with_draft(|draft| {
            if !draft.has_ended {
                change(draft);
            }
        });
        self
    }
}

impl Drop for Observation {
    #[inline]
    fn drop(&mut self) {
        if let Some(draft) = self.draft.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            draft.give_back();
        }
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation").field("context", &self.context).finish_non_exhaustive()
    }
}
