//! Events whose name or keys are known only at run time, and everything that an event can say beyond attributes.

use std::error::Error as StdError;

use serde_json::Value;

use crate::pipeline::{Core, Kept, floor};
use crate::{
    Actor, Attribute, Attributes, Callsite, Error, ErrorInfo, Level, Scope, Session, SessionId, Source,
    SpanContext, Telemetry, Timestamp, name,
};

/// Where events go to: [`Telemetry`], or a [`Session`] for events of that session.
///
/// ```
/// use throughline::{Emitter, emit};
///
/// fn ship(to: &impl Emitter, order: &str) {
///     emit!(to, "order.shipped", "ctx.order.id" => order);
/// }
/// # let memory = throughline::testing::Memory::new();
/// # let telemetry = throughline::Telemetry::builder("shop").environment("test").transport(memory.clone()).build()?;
/// ship(&telemetry, "ord_1");
/// ship(&telemetry.session().id("sess_1").start(), "ord_2");
/// # telemetry.flush(std::time::Duration::from_secs(1));
/// assert_eq!((memory.events().len(), memory.in_session("sess_1").len()), (2, 1));
/// # Ok::<(), throughline::Error>(())
/// ```
pub trait Emitter {
    #[doc(hidden)]
    fn telemetry(&self) -> &Telemetry;
    #[doc(hidden)]
    fn session(&self) -> Option<&Session>;
}

impl Emitter for Telemetry {
    #[inline]
    fn telemetry(&self) -> &Telemetry {
        self
    }

    #[inline]
    fn session(&self) -> Option<&Session> {
        None
    }
}

impl Emitter for Session {
    #[inline]
    fn telemetry(&self) -> &Telemetry {
        self.telemetry()
    }

    #[inline]
    fn session(&self) -> Option<&Session> {
        Some(self)
    }
}

impl<T: Emitter + ?Sized> Emitter for &T {
    #[inline]
    fn telemetry(&self) -> &Telemetry {
        (**self).telemetry()
    }

    #[inline]
    fn session(&self) -> Option<&Session> {
        (**self).session()
    }
}

/// What an event says beyond what its call site and scalar attributes say.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct Extra {
    pub(crate) name: Option<String>,
    pub(crate) level: Option<Level>,
    pub(crate) attributes: Attributes,
    pub(crate) error: Option<ErrorInfo>,
    pub(crate) time: Option<Timestamp>,
    pub(crate) session_id: Option<SessionId>,
    pub(crate) actor: Option<Actor>,
    pub(crate) scope: Option<Scope>,
    pub(crate) source: Option<Source>,
    pub(crate) span: Option<SpanContext>,
}

impl Extra {
    #[doc(hidden)]
    pub fn error(&mut self, error: impl IntoErrorInfo) {
        self.error = Some(error.into_error_info());
    }

    #[doc(hidden)]
    pub fn time(&mut self, time: Timestamp) {
        self.time = Some(time);
    }

    #[doc(hidden)]
    pub fn session_id(&mut self, id: impl Into<SessionId>) {
        self.session_id = Some(id.into());
    }

    #[doc(hidden)]
    pub fn actor(&mut self, actor: Actor) {
        self.actor = Some(actor);
    }

    #[doc(hidden)]
    pub fn scope(&mut self, scope: Scope) {
        self.scope = Some(scope);
    }

    #[doc(hidden)]
    pub fn source(&mut self, source: Source) {
        self.source = Some(source);
    }

    #[doc(hidden)]
    pub fn span(&mut self, span: SpanContext) {
        self.span = Some(span);
    }
}

/// What can be the error of an event: a reference to any [`std::error::Error`], with its chain of causes as the stack,
/// or an [`ErrorInfo`] by hand.
///
/// ```
/// use throughline::IntoErrorInfo;
///
/// let error = "x".parse::<u32>().unwrap_err();
/// let info = (&error).into_error_info();
/// assert_eq!((info.name.as_str(), info.message.as_str()), ("ParseIntError", "invalid digit found in string"));
///
/// // Of a box, what is in it:
/// let boxed: Box<dyn std::error::Error + Send + Sync> = error.into();
/// assert_eq!((&*boxed).into_error_info().name, "ParseIntError");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of an event",
    note = "give a reference to an error: `&error`; to what is in a box or an `anyhow::Error`: `&*error`"
)]
pub trait IntoErrorInfo {
    /// As the event will show it.
    fn into_error_info(self) -> ErrorInfo;
}

impl IntoErrorInfo for ErrorInfo {
    fn into_error_info(self) -> ErrorInfo {
        self
    }
}

impl<E: StdError + ?Sized> IntoErrorInfo for &E {
    fn into_error_info(self) -> ErrorInfo {
        let (mut causes, mut next) = (Vec::new(), self.source());
        // A chain that bites its own tail must not hang us.
        while let (Some(cause), true) = (next, causes.len() < 32) {
            causes.push(format!("caused by: {cause}"));
            next = cause.source();
        }
        let stack = (!causes.is_empty()).then(|| causes.join("\n"));
        ErrorInfo { name: error_name(self), message: self.to_string(), code: None, stack }
    }
}

/// The last segment of the type's name; behind `dyn`, what its `Debug` begins with, if that looks like a type's name.
fn error_name<E: StdError + ?Sized>(error: &E) -> String {
    let name = std::any::type_name::<E>();
    if !name.starts_with("dyn ") {
        let path = name.split('<').next().unwrap_or(name);
        return path.rsplit("::").next().unwrap_or(path).to_owned();
    }
    let debug = format!("{error:?}");
    let name: String = debug.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if name.starts_with(char::is_uppercase) { name } else { "Error".to_owned() }
}

/// An event under construction. Made by [`Telemetry::event`] and [`Session::event`].
///
/// This is the way for names and keys that are known only at run time; [`emit!`](crate::emit) costs a fraction of it.
///
/// ```
/// use throughline::{Level, Telemetry, testing::Memory};
///
/// let memory = Memory::new();
/// let telemetry = Telemetry::builder("shop").environment("test").transport(memory.clone()).build()?;
/// let provider = "stripe";
/// telemetry
///     .event(format!("payment.{provider}.failed"))
///     .level(Level::Error)
///     .attribute("ctx.payment.id", "pay_456")
///     .error(&"x".parse::<u32>().unwrap_err())
///     .emit();
/// telemetry.flush(std::time::Duration::from_secs(1));
/// assert_eq!(memory.events()[0].error.as_ref().unwrap().name, "ParseIntError");
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "an event does nothing until it is emitted"]
pub struct EventBuilder<'a> {
    telemetry: &'a Telemetry,
    session: Option<&'a Session>,
    name: String,
    level: Level,
    extra: Box<Extra>,
}

impl<'a> EventBuilder<'a> {
    #[track_caller]
    pub(crate) fn new(
        telemetry: &'a Telemetry,
        session: Option<&'a Session>,
        name: impl Into<String>,
    ) -> Self {
        let place = std::panic::Location::caller();
        let source = Source { causer: None, file: Some(place.file().to_owned()), line: Some(place.line()) };
        let extra = Box::new(Extra { source: Some(source), ..Extra::default() });
        Self { telemetry, session, name: name.into(), level: Level::Info, extra }
    }

    /// How serious it is; info unless set.
    pub const fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// An attribute; goes before the session's of the same key.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Attribute) -> Self {
        self.extra.attributes.insert(key.into(), value.value().into());
        self
    }

    /// What the derive macro does with a field.
    #[doc(hidden)]
    pub fn attribute_unless_null(self, key: &str, value: &impl Attribute) -> Self {
        match value.value() {
            crate::AttributeValue::Null => self,
            _ => self.attribute(key, value),
        }
    }

    /// Attributes.
    pub fn attributes<K: Into<String>, V: Into<Value>>(
        mut self,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.extra.attributes.extend(attributes.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// What went wrong.
    pub fn error(mut self, error: impl IntoErrorInfo) -> Self {
        self.extra.error(error);
        self
    }

    /// When it happened, if not now.
    pub fn time(mut self, time: Timestamp) -> Self {
        self.extra.time(time);
        self
    }

    /// The session it belongs to, whatever the session it is emitted in.
    pub fn session_id(mut self, id: impl Into<SessionId>) -> Self {
        self.extra.session_id(id);
        self
    }

    /// Who acts, instead of the session's actor.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.extra.actor(actor);
        self
    }

    /// In which context, instead of the session's scope.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.extra.scope(scope);
        self
    }

    /// Where in the code it was said, instead of the caller's place.
    pub fn source(mut self, source: Source) -> Self {
        self.extra.source(source);
        self
    }

    /// Emits it. A name that is none is repaired and counted; an event of an ended session is dropped and counted.
    pub fn emit(mut self) {
        if !name::is_valid(&self.name) {
            self.telemetry.core().counters.count_invalid_name();
            self.name = name::repair(&self.name);
        }
        self.send().ok();
    }

    /// Emits it, or says why not. An event that sampling leaves out counts as emitted.
    ///
    /// # Errors
    /// If the name is none, the session has ended, the buffer is full or the telemetry was shut down.
    pub fn try_emit(self) -> Result<(), Error> {
        if !name::is_valid(&self.name) {
            return Err(Error::InvalidEventName(self.name));
        }
        self.telemetry.core().check_open()?;
        self.send()
    }

    fn send(mut self) -> Result<(), Error> {
        let core: &Core = self.telemetry.core();
        if !core.level_is_enabled(self.level) {
            return Ok(());
        }
        let rule = core.rule(&self.name, self.level);
        let Some(kept) = core.draw(rule, self.level, self.session, 0) else { return Ok(()) };
        self.extra.name = Some(self.name);
        self.extra.level = Some(self.level);
        core.record(self.session, None, &mut [], Some(self.extra), kept)
    }
}

/// The level that a macro's word stands for.
#[doc(hidden)]
pub mod level {
    #![expect(non_upper_case_globals, reason = "the words of the macros")]
    use crate::Level;
    pub const debug: Level = Level::Debug;
    pub const info: Level = Level::Info;
    pub const warn: Level = Level::Warn;
    pub const error: Level = Level::Error;
    pub const fatal: Level = Level::Fatal;
}

/// The second half of `emit!`, once its event is known to be kept.
#[doc(hidden)]
#[inline(never)]
pub fn record(
    emitter: &impl Emitter,
    site: &'static Callsite,
    values: &mut [crate::AttributeValue<'_>],
    extra: Option<Box<Extra>>,
    kept: Kept,
) -> Result<(), Error> {
    emitter.telemetry().core().record(emitter.session(), Some(site), values, extra, kept)
}

/// The same without a result.
#[doc(hidden)]
#[inline(never)]
pub fn record_quietly(
    emitter: &impl Emitter,
    site: &'static Callsite,
    values: &mut [crate::AttributeValue<'_>],
    extra: Option<Box<Extra>>,
    kept: Kept,
) {
    emitter.telemetry().core().record(emitter.session(), Some(site), values, extra, kept).ok();
}

/// What `try_emit!` says of an event that is not kept.
#[doc(hidden)]
#[inline(never)]
pub fn leave_out(emitter: &impl Emitter) -> Result<(), Error> {
    emitter.telemetry().core().check_open()
}

/// The same without a result.
#[doc(hidden)]
#[inline(always)]
pub const fn leave_out_quietly(_: &impl Emitter) {}

/// The first half of `emit!`: whether the event is kept. Nothing of it is evaluated before that is known.
///
/// Inlined by force: what nobody wants must not even cost a call. The rest may be one, so that call sites stay small.
#[doc(hidden)]
#[inline(always)]
pub fn decide(emitter: &impl Emitter, level: Level, site: &'static Callsite) -> Option<Kept> {
    // The level comes as a constant, since the compiler cannot know that the one in the static never changes.
    if (level as u8) < floor() {
        None
    } else {
        // What is off falls through: a jump that is taken costs more than the question.
        std::hint::cold_path();
        decide_with(emitter, level, site)
    }
}

/// A name that is dropped whatever its level answers by itself.
#[inline(always)]
fn decide_with(emitter: &impl Emitter, level: Level, site: &'static Callsite) -> Option<Kept> {
    let core = emitter.telemetry().core();
    if site.is_never(core.number) {
        core.leave_out(site.lane())
    } else {
        decide_by_rule(emitter, level, site)
    }
}

#[inline(never)]
fn decide_by_rule(emitter: &impl Emitter, level: Level, site: &'static Callsite) -> Option<Kept> {
    let core = emitter.telemetry().core();
    if !core.level_is_enabled(level) {
        return None;
    }
    let rule = site.rule(core.number, || core.rule(site.name, level));
    core.draw(rule, level, emitter.session(), site.lane())
}
