//! A unit of work before it starts.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};
use throughline_model::keys;

use super::draft::Named;
use super::{Draft, Moment, Observation};
use crate::ambient::Ambient;
use crate::session::Shared;
use crate::{
    Actor, Attribute, AttributeValue, Attributes, IntoErrorInfo, ObservationType, Session, SessionId,
    SpanContext, Telemetry, Timestamp, TraceState,
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
pub struct ObservationBuilder {
    /// It has the parent, if there is one, and the parent's trace.
    draft: Box<Draft>,
}

impl ObservationBuilder {
    #[inline]
    fn new(
        telemetry: &Telemetry,
        kind: ObservationType,
        name: &str,
        parent: Option<SpanContext>,
        session: Option<&Arc<Shared>>,
    ) -> Self {
        let mut draft = Draft::take(telemetry, session);
        draft.head.kind = kind;
        draft.set_name(name);
        if let Some(parent) = parent {
            draft.set_parent(parent);
        }
        Self { draft }
    }

    /// The root of a trace, in the session that the program is in here.
    #[inline]
    pub(crate) fn root(telemetry: &Telemetry, name: &str) -> Self {
        Ambient::with(|ambient| {
            let session = ambient.and_then(|ambient| ambient.session.as_ref());
            Self::new(telemetry, ObservationType::Span, name, None, session)
        })
    }

    /// Inside the work that the program is in here.
    #[inline]
    pub(crate) fn here(telemetry: &Telemetry, kind: ObservationType, name: &str) -> Self {
        Ambient::with(|ambient| match ambient {
            None => Self::new(telemetry, kind, name, None, None),
            Some(Ambient { session, span, trace_state }) => {
                Self::inside(telemetry, kind, name, *span, session.as_ref(), trace_state)
            }
        })
    }

    /// In these surroundings instead of those that the program is in here.
    #[inline]
    pub(super) fn inside(
        telemetry: &Telemetry,
        kind: ObservationType,
        name: &str,
        parent: Option<SpanContext>,
        session: Option<&Arc<Shared>>,
        trace_state: &TraceState,
    ) -> Self {
        let mut builder = Self::new(telemetry, kind, name, parent, session);
        if !trace_state.is_empty() {
            let rare = builder.draft.rare();
            (rare.trace_state, rare.inherits_state) = (trace_state.clone(), true);
        }
        builder
    }

    /// What kind of work it is.
    pub fn kind(mut self, kind: ObservationType) -> Self {
        self.draft.head.kind = kind;
        self
    }

    /// The span it happens in, wherever that is: another task, another process.
    #[inline]
    pub fn parent(mut self, parent: SpanContext) -> Self {
        let elsewhere = self.draft.parent().is_none_or(|before| before.trace_id != parent.trace_id);
        if let Some(rare) = &mut self.draft.rare
            && rare.inherits_state
            && elsewhere
        {
            rare.trace_state = TraceState::default();
        }
        self.draft.set_parent(parent);
        self
    }

    /// What came with the [`parent`](Self::parent) from another process, to be handed on.
    pub fn trace_state(mut self, state: TraceState) -> Self {
        let rare = self.draft.rare();
        (rare.trace_state, rare.inherits_state) = (state, false);
        self
    }

    /// The session it happens in, if not the one that the program is in here.
    pub fn session(mut self, session: &Session) -> Self {
        self.draft.references.session = Some(session.shared().clone());
        self
    }

    /// The session it happens in, by its id: all traces with this id are one session. If that is another than the one
    /// that the program is in here, it counts as nested in it.
    pub fn session_id(mut self, id: impl Into<SessionId>) -> Self {
        self.draft.rare().named.session_id = Some(id.into());
        self
    }

    /// The user it happens for.
    pub fn user_id(mut self, id: impl Into<String>) -> Self {
        self.draft.rare().named.user_id = Some(id.into());
        self
    }

    /// When it began, if not at `start`.
    pub fn start_time(mut self, time: Timestamp) -> Self {
        self.draft.head.start = Some(Moment::Time(time));
        self
    }

    /// What goes in: text, or JSON.
    pub fn input(mut self, input: impl Into<Value>) -> Self {
        self.draft.rare().input = Some(input.into());
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
        self.draft.set(keys::TAGS, AttributeValue::Json(Box::new(json!(tags))));
        self
    }

    /// Something worth knowing about the trace: the channel it came by, the intent, a version.
    pub fn metadata(self, key: &str, value: impl Attribute) -> Self {
        self.attribute(format!("{}{key}", keys::METADATA_PREFIX), value)
    }

    /// An attribute.
    #[inline]
    pub fn attribute(mut self, key: impl AsRef<str>, value: impl Attribute) -> Self {
        self.draft.set(key.as_ref(), value.value());
        self
    }

    /// Starts it. It ends with [`Observation::end`], or when the handle is dropped.
    #[inline]
    pub fn start(mut self) -> Observation {
        if self.draft.rare.is_some() {
            self.enter_session();
        }
        let Draft { references, head, .. } = &mut *self.draft;
        let core = references.telemetry().core();
        let is_root = head.parent_id.is_none();
        let trace_id = if is_root { core.random.trace_id() } else { head.trace_id };
        let context = SpanContext { trace_id, span_id: core.random.span_id() };
        (head.trace_id, head.span_id) = (context.trace_id, context.span_id);
        if head.start.is_none() {
            head.start = Some(core.clock.moment());
        }
        if is_root && core.tells_starts {
            self.begin();
        }
        Observation::new(context, self.draft)
    }

    #[cold]
    fn begin(&mut self) {
        self.draft.begun = self.draft.references.telemetry().core().begin(&self.draft);
    }

    /// Finds the session that `session_id` and `user_id` mean.
    #[cold]
    fn enter_session(&mut self) {
        let Named { session_id, user_id: mut user } = std::mem::take(&mut self.draft.rare().named);
        if session_id.is_none() && user.is_none() {
            return;
        }
        let outer = self.draft.references.session.as_ref().map(|shared| shared.state());
        let outer_id = outer.as_ref().map(|state| &state.session_id);
        if let Some(id) = session_id.filter(|id| Some(id) != outer_id) {
            let mut session = self.draft.references.telemetry().session().id(id);
            if let Some(user) = user.take() {
                session = session.actor(USER, user);
            }
            let session = session.start_inside(outer.clone());
            self.draft.references.session = Some(session.shared().clone());
        } else if let Some(user) = user {
            match outer {
                // The same session, seen by another.
                Some(outer) => {
                    let mut state = (*outer).clone();
                    let user = Actor { kind: USER.to_owned(), id: Some(user), tags: Attributes::new() };
                    state.actor = Some(user);
                    self.draft.references.session = Some(Shared::new(state));
                }
                None => self.draft.set(keys::USER_ID, AttributeValue::Text(&user)),
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

impl fmt::Debug for ObservationBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservationBuilder").field("name", &self.draft.name()).finish_non_exhaustive()
    }
}
