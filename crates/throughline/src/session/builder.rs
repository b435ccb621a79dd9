//! A session before it starts.

use std::sync::Arc;

use serde_json::Value;

use super::opening::Opening;
use super::{Session, SessionState, Shared};
use crate::ambient::Ambient;
use crate::{Actor, Attribute, Scope, Telemetry};

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
    opening: Opening,
}

impl SessionBuilder {
    #[inline]
    pub(crate) fn new(telemetry: Telemetry) -> Self {
        Self { telemetry, opening: Opening::default() }
    }

    /// Its id. Otherwise one is generated that begins with `sess_` and sorts by time.
    #[inline]
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.opening.set_id(id.as_ref());
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
    #[inline]
    pub fn actor(mut self, kind: impl AsRef<str>, id: impl AsRef<str>) -> Self {
        self.opening.set_actor(kind.as_ref(), Some(id.as_ref()));
        self
    }

    /// Who acts, where there is only one of the kind.
    pub fn actor_kind(mut self, kind: impl AsRef<str>) -> Self {
        self.opening.set_actor(kind.as_ref(), None);
        self
    }

    /// Who acts.
    pub fn with_actor(mut self, actor: Actor) -> Self {
        self.opening.give_actor(actor);
        self
    }

    /// Something more about the actor that was set before.
    pub fn actor_tag(mut self, key: impl Into<String>, value: impl Attribute) -> Self {
        self.opening.tag_actor(key.into(), value.value().into());
        self
    }

    /// In which context: an organisation, a workspace.
    #[inline]
    pub fn scope(mut self, kind: impl AsRef<str>, id: impl AsRef<str>) -> Self {
        self.opening.set_scope(kind.as_ref(), id.as_ref());
        self
    }

    /// In which context.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.opening.give_scope(scope);
        self
    }

    /// Something more about the scope that was set before.
    pub fn scope_tag(mut self, key: impl Into<String>, value: impl Attribute) -> Self {
        self.opening.tag_scope(key.into(), value.value().into());
        self
    }

    /// An attribute of all its events.
    #[inline]
    pub fn attribute(mut self, key: impl AsRef<str>, value: impl Attribute) -> Self {
        self.opening.set_attribute(key.as_ref(), value.value());
        self
    }

    /// Attributes of all its events.
    pub fn attributes<K: Into<String>, V: Into<Value>>(
        self,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let pairs = attributes.into_iter().map(|(key, value)| (key.into(), value.into()));
        pairs.fold(self, |builder, (key, value): (String, Value)| builder.attribute(key, value))
    }

    /// Starts the session and returns a handle to emit with and to end it. It inherits from the session that the
    /// program is in here, but is not made the one that others find: that is what [`run`](Self::run) does.
    pub fn start(self) -> Session {
        let outer = Ambient::with(|ambient| ambient?.session.as_ref().map(|shared| shared.state()));
        self.start_inside(outer)
    }

    pub(crate) fn start_inside(self, outer: Option<Arc<SessionState>>) -> Session {
        let Self { telemetry, mut opening } = self;
        let core = telemetry.core();
        opening.begin(outer, core.clock.now(), || core.random.next());
        Session::new(telemetry, Shared::open(opening))
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
