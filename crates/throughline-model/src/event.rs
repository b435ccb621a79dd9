//! The event envelope.

use serde::{Deserialize, Serialize};

use crate::{
    Actor, Attributes, ErrorInfo, EventId, Level, Scope, SessionId, Source, SpanId, Timestamp, TraceId, keys,
};

/// One named fact: the envelope that an SDK emits and the server shows.
///
/// ```
/// # use throughline_model::{Event, Level};
/// let event: Event = serde_json::from_str(
///     r#"{"id":"evt_1","name":"order.shipped","time":"2024-01-15T10:30:00.000Z","level":"info","service":"shop",
///         "environment":"production","sessionId":"sess_1","attributes":{"ctx.order.id":"ord_789"}}"#,
/// )?;
/// assert_eq!((event.level, event.attributes["ctx.order.id"].as_str()), (Level::Info, Some("ord_789")));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Unique in the project: an event with an id already stored is the same event.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: EventId,
    /// What happened, dot-separated: `order.shipped`.
    pub name: String,
    /// When it happened.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub time: Timestamp,
    /// How serious it is.
    pub level: Level,
    /// The service that says so.
    pub service: String,
    /// Where that service runs: `production`, `staging`, ...
    pub environment: String,
    /// The service's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The session it belongs to; `None` for an event that stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub session_id: Option<SessionId>,
    /// The trace it was said in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub trace_id: Option<TraceId>,
    /// The observation it was said in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub span_id: Option<SpanId>,
    /// Who acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// In which context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The facts, flat, after redaction.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub attributes: Attributes,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// Where in the code it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

impl Event {
    /// Whether this event tells of a failure: level error or above.
    pub fn is_error(&self) -> bool {
        self.level >= Level::Error
    }

    /// The user it names: an actor of type `user`, else the attribute `user.id`. An empty id names nobody.
    pub fn user_id(&self) -> Option<&str> {
        let actor =
            self.actor.as_ref().filter(|actor| actor.kind == "user").and_then(|actor| actor.id.as_deref());
        actor
            .or_else(|| self.attributes.get(keys::USER_ID).and_then(|id| id.as_str()))
            .filter(|id| !id.is_empty())
    }

    /// The session that the event's session was started in, which travels as an attribute.
    ///
    /// ```
    /// # use throughline_model::{Event, keys};
    /// # let mut event: Event = serde_json::from_str(r#"{"id":"evt_1","name":"a","time":"2024-01-15T10:30:00.000Z",
    /// #     "level":"info","service":"","environment":""}"#)?;
    /// event.attributes.insert(keys::PARENT_SESSION_ID.to_owned(), "sess_0".into());
    /// assert_eq!(event.parent_session_id(), Some("sess_0"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn parent_session_id(&self) -> Option<&str> {
        self.attributes.get(keys::PARENT_SESSION_ID)?.as_str().filter(|id| !id.is_empty())
    }
}
