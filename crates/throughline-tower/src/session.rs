//! Each request in a session.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, OriginalUri, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use throughline::{Session, SessionBuilder, Telemetry};
use throughline_channel::{ErrorRecord, InContextExt};
use tower_layer::Layer;
use tower_service::Service;

use crate::body::{FollowedBody, Follower};
use crate::propagation::Caller;
use crate::request::is_over;
use crate::{exporter, propagation};

/// Ids in headers come from outside; nobody's are longer.
const MAX_ID: usize = 200;

type Answer<E> = Pin<Box<dyn Future<Output = Result<Response, E>> + Send>>;
type Extracted<'a> = Pin<Box<dyn Future<Output = Result<SessionBuilder, Response>> + Send + 'a>>;

type Look = dyn Fn(SessionBuilder, &Parts) -> SessionBuilder + Send + Sync;
type Extract = dyn for<'a> Fn(SessionBuilder, &'a mut Parts) -> Extracted<'a> + Send + Sync;

/// One step from the request to its session.
#[derive(Clone)]
enum Step {
    Look(Arc<Look>),
    Extract(Arc<Extract>),
}

/// Handles each request in a session, to the end of its response's body.
///
/// ```
/// use throughline::{Telemetry, emit};
/// use throughline_tower::{Router, SessionLayer, routing::get};
///
/// let telemetry = Telemetry::builder("shop").build()?;
/// # let emitter = telemetry.clone();
/// let app: Router = Router::new()
///     .route("/", get(async move || emit!(emitter, "cart.opened"))) // knows its actor, scope and request
///     .layer(SessionLayer::new(&telemetry).actor_from_header("user", "x-user-id").scope_from_header("organization", "x-org-id"));
/// # Ok::<(), throughline::Error>(())
/// ```
///
/// The session's id is the one that was asked for with [`id_from_header`](Self::id_from_header) or
/// [`with`](Self::with), else `session.id` of the request's W3C baggage, else a new one; the actor is `user.id` of the
/// baggage unless something else is set. What is observed and emitted goes on in the trace of its `traceparent`, also
/// where no [`LayerExporter`](crate::LayerExporter) runs. Its attributes begin with `ctx.request.method`, `ctx.request.path` and, where
/// the server was given [`ConnectInfo`], `ctx.request.ip`.
#[derive(Clone)]
pub struct SessionLayer {
    telemetry: Telemetry,
    steps: Vec<Step>,
    emits: bool,
}

impl SessionLayer {
    /// Sessions of `telemetry`.
    pub fn new(telemetry: &Telemetry) -> Self {
        Self { telemetry: telemetry.clone(), steps: Vec::new(), emits: false }
    }

    /// Sets the session up from the head of the request, as you like. Later steps win over earlier ones.
    ///
    /// ```
    /// # let telemetry = throughline::Telemetry::builder("shop").build()?;
    /// let layer = throughline_tower::SessionLayer::new(&telemetry).with(|session, request| {
    ///     match request.uri.path().strip_prefix("/chat/") {
    ///         Some(conversation) => session.id(conversation),
    ///         None => session,
    ///     }
    /// });
    /// # Ok::<(), throughline::Error>(())
    /// ```
    #[must_use = "gives the changed layer"]
    pub fn with(
        mut self,
        set_up: impl Fn(SessionBuilder, &Parts) -> SessionBuilder + Send + Sync + 'static,
    ) -> Self {
        self.steps.push(Step::Look(Arc::new(set_up)));
        self
    }

    /// Sets the session up from what an extractor finds: the logged-in user, a cookie. If it rejects the request, so
    /// does this layer; use `Option` or `Result` of the extractor where that is not wanted.
    ///
    /// ```
    /// # use axum::extract::Query;
    /// # let telemetry = throughline::Telemetry::builder("shop").build()?;
    /// #[derive(serde::Deserialize)]
    /// struct Login { user: String }
    ///
    /// let layer = throughline_tower::SessionLayer::new(&telemetry)
    ///     .extract(|session, Query(login): Query<Login>| session.actor("user", login.user));
    /// # Ok::<(), throughline::Error>(())
    /// ```
    #[must_use = "gives the changed layer"]
    pub fn extract<E: FromRequestParts<()> + Send + 'static>(
        mut self,
        set_up: impl Fn(SessionBuilder, E) -> SessionBuilder + Send + Sync + 'static,
    ) -> Self {
        let set_up = Arc::new(set_up);
        self.steps.push(Step::Extract(Arc::new(move |session, parts| {
            let set_up = set_up.clone();
            Box::pin(async move {
                match E::from_request_parts(parts, &()).await {
                    Ok(extracted) => Ok(set_up(session, extracted)),
                    Err(rejection) => Err(rejection.into_response()),
                }
            })
        })));
        self
    }

    /// Takes the session's id from a header, if that is there. Values over 200 bytes are no ids.
    #[must_use = "gives the changed layer"]
    pub fn id_from_header(self, header: &'static str) -> Self {
        self.with(move |session, parts| match id_in(parts, header) {
            Some(id) => session.id(id),
            None => session,
        })
    }

    /// Takes the id of an actor of this kind from a header, if that is there.
    #[must_use = "gives the changed layer"]
    pub fn actor_from_header(self, kind: &'static str, header: &'static str) -> Self {
        self.with(move |session, parts| match id_in(parts, header) {
            Some(id) => session.actor(kind, id),
            None => session,
        })
    }

    /// Takes the id of a scope of this kind from a header, if that is there.
    #[must_use = "gives the changed layer"]
    pub fn scope_from_header(self, kind: &'static str, header: &'static str) -> Self {
        self.with(move |session, parts| match id_in(parts, header) {
            Some(id) => session.scope(kind, id),
            None => session,
        })
    }

    /// Takes an attribute of all events of the session from a header, if that is there.
    #[must_use = "gives the changed layer"]
    pub fn attribute_from_header(self, key: &'static str, header: &'static str) -> Self {
        self.with(move |session, parts| match text_in(parts, header) {
            Some(text) => session.attribute(key, text),
            None => session,
        })
    }

    /// Emits `request.started`, and at the end `request.completed` with `ctx.request.status`, or `request.aborted` if
    /// it came to no end: the client was gone before, or what is inside panicked or answered with an `Err`.
    #[must_use = "gives the changed layer"]
    pub const fn emit_requests(mut self) -> Self {
        self.emits = true;
        self
    }
}

fn text_in<'a>(parts: &'a Parts, header: &str) -> Option<&'a str> {
    let text = parts.headers.get(header)?.to_str().ok()?.trim();
    (!text.is_empty()).then_some(text)
}

fn id_in<'a>(parts: &'a Parts, header: &str) -> Option<&'a str> {
    text_in(parts, header).filter(|id| id.len() <= MAX_ID)
}

impl fmt::Debug for SessionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer")
            .field("telemetry", &self.telemetry)
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService { inner, set_up: Arc::new(self.clone()) }
    }
}

/// A service that handles each request in a session. Made by [`SessionLayer`].
///
/// ```
/// use throughline::Telemetry;
/// use throughline_tower::{SessionLayer, SessionService};
/// use tower::Layer;
///
/// fn in_sessions(telemetry: &Telemetry, app: axum::Router) -> SessionService<axum::Router> {
///     SessionLayer::new(telemetry).id_from_header("x-session-id").layer(app)
/// }
/// # let _ = in_sessions(&Telemetry::builder("shop").build()?, axum::Router::new());
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SessionService<S> {
    inner: S,
    set_up: Arc<SessionLayer>,
}

impl<S> Service<Request> for SessionService<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Answer<S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let inner = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, inner);
        let set_up = self.set_up.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let session = match set_up.session(&mut parts).await {
                Ok(session) => session.start(),
                Err(rejection) => return Ok(rejection),
            };
            exporter::request_is_in(&session);
            let method = parts.method.clone();
            let mut handling = Handling::begin(session, Caller::of(&parts.headers), set_up.emits);
            let future = handling.enter(|| {
                let future = inner.call(Request::from_parts(parts, body));
                future.in_current_context()
            });
            let response = future.await?;
            handling.status = Some(response.status().as_u16());
            if is_over(&method, &response) {
                handling.finish(None);
                return Ok(response);
            }
            Ok(response.map(|body| Body::new(FollowedBody::new(body, handling))))
        })
    }
}

impl SessionLayer {
    async fn session(&self, parts: &mut Parts) -> Result<SessionBuilder, Response> {
        let path = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0).path();
        let mut session = self
            .telemetry
            .session()
            .attribute("ctx.request.method", parts.method.as_str())
            .attribute("ctx.request.path", path);
        if let Some(ConnectInfo(address)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
            session = session.attribute("ctx.request.ip", address.ip().to_string());
        }
        let baggage = propagation::baggage_in(&parts.headers);
        if let Some(id) = baggage.session_id.filter(|id| id.as_str().len() <= MAX_ID) {
            session = session.id(id);
        }
        if let Some(id) = baggage.user_id.filter(|id| id.len() <= MAX_ID) {
            session = session.actor("user", id);
        }
        for step in &self.steps {
            session = match step {
                Step::Look(look) => look(session, parts),
                Step::Extract(extract) => extract(session, parts).await?,
            };
        }
        Ok(session)
    }
}

/// A request that is handled in a session, which ends with it.
struct Handling {
    session: Session,
    caller: Caller,
    status: Option<u16>,
    emits: bool,
    finished: bool,
}

impl Handling {
    fn begin(session: Session, caller: Caller, emits: bool) -> Self {
        let handling = Self { session, caller, status: None, emits, finished: false };
        if emits {
            handling.enter(|| handling.session.event("request.started").emit());
        }
        handling
    }
}

impl Follower for Handling {
    fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        self.caller.enter(|| self.session.enter(f))
    }

    fn finish(mut self, error: Option<ErrorRecord>) {
        self.finished = true;
        if self.emits {
            let event = self.session.event("request.completed");
            let event = match self.status {
                Some(status) => event.attribute("ctx.request.status", status),
                None => event,
            };
            let event = match error {
                Some(error) => event.error(exporter::error_info(&error)),
                None => event,
            };
            self.enter(|| event.emit());
        }
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        if self.emits && !self.finished {
            self.enter(|| self.session.event("request.aborted").emit());
        }
        self.session.end();
    }
}
