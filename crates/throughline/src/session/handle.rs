//! A session that was started.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use throughline_channel::{Context, InContext};

use super::{SessionState, Shared};
use crate::ambient::Ambient;
use crate::{Actor, Attribute, Attributes, Error, EventBuilder, Scope, SessionId, Telemetry};

/// A handle to a session: cheap to clone, each clone the same session.
///
/// ```
/// use throughline::{Telemetry, emit, testing::Memory};
///
/// let memory = Memory::new();
/// let telemetry = Telemetry::builder("shop").environment("test").transport(memory.clone()).build()?;
/// let session = telemetry.session().actor("system", "webhook").attribute("ctx.webhook.type", "payment_intent").start();
/// emit!(session, "webhook.received");
/// session.end();
/// assert_eq!(session.set_scope("organization", "org_456").unwrap_err().code(), "TELEMETRY_SESSION_ENDED");
///
/// telemetry.flush(std::time::Duration::from_secs(1));
/// assert_eq!(memory.events()[0].attributes["ctx.webhook.type"], "payment_intent");
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Clone)]
pub struct Session {
    telemetry: Telemetry,
    shared: Arc<Shared>,
}

impl Session {
    pub(crate) const fn new(telemetry: Telemetry, shared: Arc<Shared>) -> Self {
        Self { telemetry, shared }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The telemetry it emits to.
    pub const fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Its id.
    pub fn id(&self) -> SessionId {
        self.shared.id()
    }

    /// What it is now.
    pub fn state(&self) -> SessionState {
        (*self.shared.state()).clone()
    }

    /// Emits an event without attributes, of level info. See [`Telemetry::emit`].
    #[track_caller]
    pub fn emit(&self, name: &str) {
        self.event(name).emit();
    }

    /// An event of this session whose name or keys are known only at run time. See [`Telemetry::event`].
    #[track_caller]
    pub fn event(&self, name: impl Into<String>) -> EventBuilder<'_> {
        EventBuilder::new(&self.telemetry, Some(self), name)
    }

    /// Gives it another id.
    ///
    /// # Errors
    /// If it has ended, like all changes.
    pub fn set_id(&self, id: impl Into<SessionId>) -> Result<(), Error> {
        self.shared.change(|state| state.session_id = id.into())
    }

    /// Replaces the actor.
    ///
    /// # Errors
    /// If it has ended.
    pub fn set_actor(&self, kind: impl Into<String>, id: impl Into<String>) -> Result<(), Error> {
        let actor = Actor { kind: kind.into(), id: Some(id.into()), tags: Attributes::new() };
        self.shared.change(|state| state.actor = Some(actor))
    }

    /// Replaces the actor, tags included.
    ///
    /// # Errors
    /// If it has ended.
    pub fn replace_actor(&self, actor: Actor) -> Result<(), Error> {
        self.shared.change(|state| state.actor = Some(actor))
    }

    /// Replaces the scope.
    ///
    /// # Errors
    /// If it has ended.
    pub fn set_scope(&self, kind: impl Into<String>, id: impl Into<String>) -> Result<(), Error> {
        let scope = Scope { kind: kind.into(), id: id.into(), tags: Attributes::new() };
        self.shared.change(|state| state.scope = Some(scope))
    }

    /// Replaces the scope, tags included.
    ///
    /// # Errors
    /// If it has ended.
    pub fn replace_scope(&self, scope: Scope) -> Result<(), Error> {
        self.shared.change(|state| state.scope = Some(scope))
    }

    /// Sets an attribute of all events from now on.
    ///
    /// # Errors
    /// If it has ended.
    pub fn set_attribute(&self, key: impl Into<String>, value: impl Attribute) -> Result<(), Error> {
        let value = Value::from(value.value());
        self.shared.change(|state| {
            state.attributes.insert(key.into(), value);
        })
    }

    /// Ends it: its handles emit and change nothing any more. What runs inside it keeps its context. Ending it again
    /// does nothing.
    pub fn end(&self) {
        self.shared.end();
    }

    /// Whether it has ended.
    pub fn is_ended(&self) -> bool {
        self.shared.is_ended()
    }

    /// The context in which this session is the current one.
    fn context(&self) -> Context {
        Ambient { session: Some(self.shared.clone()), ..Ambient::current() }.into_context()
    }

    /// A future that runs in this session. The session goes on afterwards.
    pub fn follow<F>(&self, future: F) -> InContext<F> {
        self.context().follow(future)
    }

    /// Runs `f` in this session. The session goes on afterwards.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        self.context().run(f)
    }

    pub(super) fn into_run<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        let future = self.follow(future);
        let end = EndOnDrop(self);
        async move {
            let _end = end;
            future.await
        }
    }

    pub(super) fn into_run_sync<R>(self, f: impl FnOnce() -> R) -> R {
        let end = EndOnDrop(self);
        end.0.enter(f)
    }
}

/// Ends a session when its run is over: returned, panicked or dropped.
struct EndOnDrop(Session);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("state", &*self.shared.state()).finish_non_exhaustive()
    }
}
