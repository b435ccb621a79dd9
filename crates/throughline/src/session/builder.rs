//! A session before it starts.

use serde_json::Value;

use super::{Session, SessionState, Shared};
use crate::ambient::Ambient;
use crate::{Actor, Attribute, Attributes, Scope, SessionId, Telemetry};

/// A session before it starts. Made by [`Telemetry::session`].
///
/// What is not set is inherited from the session around it, field by field: actor and scope as a whole, attributes key
/// by key. The id is its own.
///
/// ```
/// # use throughline::Telemetry;
/// # let telemetry = Telemetry::builder("shop").environment("test").build()?;
/// telemetry.session().actor("user", "usr_123").scope("organization", "org_456").run_sync(|| {
///     let order = telemetry.session().id("order_789").scope("workspace", "ws_1").start().state();
///     assert_eq!(order.actor.unwrap().id.as_deref(), Some("usr_123"), "inherited");
///     assert_eq!(order.scope.unwrap().id, "ws_1");
/// });
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a session does nothing until it is started or run"]
pub struct SessionBuilder {
    telemetry: Telemetry,
    id: Option<SessionId>,
    actor: Option<Actor>,
    scope: Option<Scope>,
    attributes: Attributes,
}

impl SessionBuilder {
    pub(crate) fn new(telemetry: Telemetry) -> Self {
        Self { telemetry, id: None, actor: None, scope: None, attributes: Attributes::new() }
    }

    /// Its id. Otherwise one is generated that begins with `sess_` and sorts by time.
    pub fn id(mut self, id: impl Into<SessionId>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Who acts.
    ///
    /// ```
    /// # use throughline::Telemetry;
    /// # let telemetry = Telemetry::builder("shop").environment("test").build()?;
    /// let session = telemetry.session().actor("user", "usr_123").actor_tag("role", "admin").start();
    /// assert_eq!(session.state().actor.unwrap().tags["role"], "admin");
    /// # Ok::<(), throughline::Error>(())
    /// ```
    pub fn actor(self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.with_actor(Actor { kind: kind.into(), id: Some(id.into()), tags: Attributes::new() })
    }

    /// Who acts, where there is only one of the kind.
    pub fn actor_kind(self, kind: impl Into<String>) -> Self {
        self.with_actor(Actor { kind: kind.into(), id: None, tags: Attributes::new() })
    }

    /// Who acts.
    pub fn with_actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Something more about the actor that was set before.
    pub fn actor_tag(mut self, key: impl Into<String>, value: impl Attribute) -> Self {
        if let Some(actor) = &mut self.actor {
            actor.tags.insert(key.into(), value.value().into());
        }
        self
    }

    /// In which context: an organisation, a workspace.
    pub fn scope(self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.with_scope(Scope { kind: kind.into(), id: id.into(), tags: Attributes::new() })
    }

    /// In which context.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Something more about the scope that was set before.
    pub fn scope_tag(mut self, key: impl Into<String>, value: impl Attribute) -> Self {
        if let Some(scope) = &mut self.scope {
            scope.tags.insert(key.into(), value.value().into());
        }
        self
    }

    /// An attribute of all its events.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Attribute) -> Self {
        self.attributes.insert(key.into(), value.value().into());
        self
    }

    /// Attributes of all its events.
    pub fn attributes<K: Into<String>, V: Into<Value>>(
        mut self,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.attributes.extend(attributes.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Starts the session and returns a handle to emit with and to end it. It inherits from the session that the
    /// program is in here, but is not made the one that others find: that is what [`run`](Self::run) does.
    pub fn start(self) -> Session {
        let outer = Ambient::with(|ambient| ambient?.session.as_ref().map(|shared| shared.state()));
        self.start_inside(outer.as_deref())
    }

    pub(crate) fn start_inside(self, outer: Option<&SessionState>) -> Session {
        let core = self.telemetry.core();
        let now = core.clock.now();
        let attributes = match outer.map(|outer| outer.attributes.clone()) {
            Some(mut attributes) => {
                attributes.extend(self.attributes);
                attributes
            }
            None => self.attributes,
        };
        let state = SessionState {
            session_id: self.id.unwrap_or_else(|| core.random.session_id(now)),
            parent_session_id: outer.map(|outer| outer.session_id.clone()),
            actor: self.actor.or_else(|| outer?.actor.clone()),
            scope: self.scope.or_else(|| outer?.scope.clone()),
            attributes,
            started_at: now,
            ended: false,
        };
        Session::new(self.telemetry, Shared::new(state))
    }

    /// Starts the session, makes it the one that `future` runs in, and ends it when that is done or dropped.
    ///
    /// ```
    /// # use throughline::{Telemetry, emit, testing::Memory};
    /// # let memory = Memory::new();
    /// # let telemetry = Telemetry::builder("shop").environment("test").transport(memory.clone()).build()?;
    /// # async fn do_work() {}
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// telemetry
    ///     .session()
    ///     .actor("user", "usr_123")
    ///     .scope("organization", "org_456")
    ///     .run(async {
    ///         emit!(telemetry, "request.started");
    ///         do_work().await;
    ///         emit!(telemetry, "request.completed");
    ///     })
    ///     .await;
    /// # });
    /// # telemetry.flush(std::time::Duration::from_secs(1));
    /// # assert!(memory.events().iter().all(|event| event.scope.as_ref().unwrap().id == "org_456"));
    /// # Ok::<(), throughline::Error>(())
    /// ```
    pub fn run<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        self.start().into_run(future)
    }

    /// Starts the session, makes it the one that `f` runs in, and ends it afterwards.
    pub fn run_sync<R>(self, f: impl FnOnce() -> R) -> R {
        self.start().into_run_sync(f)
    }
}
