//! Who acts, and in which context.

use serde::{Deserialize, Serialize};

use crate::Attributes;

/// Who acts: a user, a job, a system.
///
/// ```
/// # use throughline_model::Actor;
/// let actor: Actor = serde_json::from_str(r#"{"type":"user","id":"usr_123","tags":{"role":"admin"}}"#)?;
/// assert_eq!(actor.id.as_deref(), Some("usr_123"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Actor {
    /// What kind of actor: `user`, `system`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Anything else worth knowing about the actor.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub tags: Attributes,
}

/// In which context the actor acts: an organisation, a workspace, a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Scope {
    /// What kind of scope: `organization`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one.
    pub id: String,
    /// Anything else worth knowing about the scope.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub tags: Attributes,
}
