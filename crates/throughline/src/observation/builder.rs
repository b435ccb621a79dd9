//! A unit of work before it starts.

use std::sync::Arc;

use serde_json::{Value, json};
use throughline_model::keys;

use super::{Observation, Span};
use crate::ambient::Ambient;
use crate::session::Shared;
use crate::{
    Actor, Attribute, Attributes, IntoErrorInfo, Level, ObservationType, Session, SessionId, SpanContext,
    Status, Telemetry, Timestamp, TraceState,
};

/// The kind of actor that `user.id` names.
const USER: &str = "user";

/// A unit of work before it starts. Made by [`Telemetry::trace`], [`Telemetry::generation`],
/// [`Telemetry::observation`] and the methods of [`Observation`].
///
/// ```
/// use throughline::{Telemetry, testing::Memory};
///
/// let memory = Memory::new();
/// let telemetry = Telemetry::builder("chat").environment("test").transport(memory.clone()).build()?;
/// let turn = telemetry
///     .trace("chat-turn")
///     .session_id("conversation-abc123")
///     .user_id("user-456")
///     .input("Hello!")
///     .tags(["support"])
///     .metadata("channel", "web");
/// turn.run_sync(|| {
///     // Inside, by itself.
///     telemetry.generation("generate-response").model("gpt-4o").parameter("temperature", 0.2).run_sync(|| {});
/// });
/// telemetry.flush(std::time::Duration::from_secs(1));
/// let [generation, turn] = &memory.spans()[..] else { panic!("two spans") };
/// assert_eq!(generation.parent_id, Some(turn.span_id));
/// assert_eq!(generation.session.as_ref().unwrap().session_id.as_str(), "conversation-abc123");
/// # Ok::<(), throughline::Error>(())
/// ```
#[must_use = "an observation does nothing until it is started or run"]
#[derive(Debug)]
pub struct ObservationBuilder {
    telemetry: Telemetry,
    parent: Option<SpanContext>,
    trace_state: TraceState,
    session: Option<Arc<Shared>>,
    session_id: Option<SessionId>,
    user_id: Option<String>,
    start_time: Option<Timestamp>,
    kind: ObservationType,
    name: String,
    input: Option<Value>,
    attributes: Attributes,
}

impl ObservationBuilder {
    #[inline]
    pub(crate) fn new(
        telemetry: Telemetry,
        kind: ObservationType,
        name: String,
        parent: Option<SpanContext>,
    ) -> Self {
        let mut builder = Self::here(telemetry, kind, name);
        if parent.is_none() || parent != builder.parent {
            builder.trace_state = TraceState::default();
        }
        builder.parent = parent;
        builder
    }

    /// Inside the work that the program is in here.
    #[inline]
    pub(crate) fn here(telemetry: Telemetry, kind: ObservationType, name: String) -> Self {
        let Ambient { session, span, trace_state } = Ambient::current();
        Self {
            telemetry,
            parent: span,
            trace_state,
            session,
            session_id: None,
            user_id: None,
            start_time: None,
            kind,
            name,
            input: None,
            attributes: Attributes::new(),
        }
    }

    /// In these surroundings instead of those that the program is in here.
    pub(super) fn inside(mut self, session: Option<Arc<Shared>>, trace_state: TraceState) -> Self {
        (self.session, self.trace_state) = (session, trace_state);
        self
    }

    /// What kind of work it is.
    pub const fn kind(mut self, kind: ObservationType) -> Self {
        self.kind = kind;
        self
    }

    /// The span it happens in, wherever that is: another task, another process.
    #[inline]
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

    /// The session it happens in, by its id: all traces with this id are one session. If that is another than the one
    /// that the program is in here, it counts as nested in it.
    pub fn session_id(mut self, id: impl Into<SessionId>) -> Self {
        self.session_id = Some(id.into());
        self
    }

    /// The user it happens for.
    pub fn user_id(mut self, id: impl Into<String>) -> Self {
        self.user_id = Some(id.into());
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

    /// Something worth knowing about the trace: the channel it came by, the intent, a version.
    pub fn metadata(self, key: &str, value: impl Attribute) -> Self {
        self.attribute(format!("{}{key}", keys::METADATA_PREFIX), value)
    }

    /// An attribute.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Attribute) -> Self {
        self.attributes.insert(key.into(), value.value().into());
        self
    }

    /// Starts it. It ends with [`Observation::end`], or when the handle is dropped.
    #[inline]
    pub fn start(mut self) -> Observation {
        self.enter_session();
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
        Observation::new(self.telemetry, self.trace_state, self.session, span)
    }

    /// Finds the session that `session_id` and `user_id` mean.
    fn enter_session(&mut self) {
        let outer = self.session.as_ref().map(|shared| shared.state());
        let outer_id = outer.as_ref().map(|state| &state.session_id);
        if let Some(id) = self.session_id.take().filter(|id| Some(id) != outer_id) {
            let mut session = self.telemetry.session().id(id);
            if let Some(user) = self.user_id.take() {
                session = session.actor(USER, user);
            }
            self.session = Some(session.start_inside(outer.as_deref()).shared().clone());
        } else if let Some(user) = self.user_id.take() {
            match outer {
                // The same session, seen by another.
                Some(outer) => {
                    let mut state = (*outer).clone();
                    let user = Actor { kind: USER.to_owned(), id: Some(user), tags: Attributes::new() };
                    state.actor = Some(user);
                    self.session = Some(Shared::new(state));
                }
                None => drop(self.attributes.insert(keys::USER_ID.to_owned(), user.into())),
            }
        }
    }

    /// Starts it, makes it the one that `future` runs in, and ends it afterwards.
    pub async fn run<F: Future>(self, future: F) -> F::Output {
        let observation = self.start();
        observation.follow(future).await
    }

    /// The same for a future that can fail: its error becomes that of the observation.
    ///
    /// ```
    /// # use throughline::{Status, Telemetry, testing::Memory};
    /// # let memory = Memory::new();
    /// # let telemetry = Telemetry::builder("chat").environment("test").transport(memory.clone()).build()?;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// async fn answer() -> Result<String, std::num::ParseIntError> {
    ///     "x".parse::<u32>().map(|number| number.to_string())
    /// }
    /// assert!(telemetry.trace("chat-turn").try_run(answer()).await.is_err());
    /// # });
    /// # telemetry.flush(std::time::Duration::from_secs(1));
    /// assert_eq!(memory.spans()[0].status, Status::Error);
    /// # Ok::<(), throughline::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the future.
    pub async fn try_run<T, E, F>(self, future: F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        for<'e> &'e E: IntoErrorInfo,
    {
        let observation = self.start();
        let result = observation.follow(future).await;
        if let Err(error) = &result {
            observation.set_error(error);
        }
        result
    }

    /// Starts it, makes it the one that `f` runs in, and ends it afterwards.
    pub fn run_sync<R>(self, f: impl FnOnce() -> R) -> R {
        let observation = self.start();
        observation.enter(f)
    }
}
