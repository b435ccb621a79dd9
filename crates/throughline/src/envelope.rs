//! What a transport gets: finished events.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::{Event, SessionId};

/// A finished event, redacted, with what sampling and the SDK know about it.
///
/// As JSON it is the event's own JSON and, where they say something, the two fields beside it.
///
/// ```
/// use throughline::{Telemetry, emit, testing::Memory};
///
/// let memory = Memory::new();
/// let telemetry = Telemetry::builder("shop").environment("test").transport(memory.clone()).build()?;
/// emit!(telemetry, "service.booted", "ctx.service.startup_ms" => 142);
/// telemetry.flush(std::time::Duration::from_secs(1));
///
/// let event = &memory.events()[0];
/// assert_eq!(event.name, "service.booted");
/// assert!(event.standalone);
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// The session that its session was started in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_session_id: Option<SessionId>,
    /// Whether it was emitted outside any session, so that its session id is its own and says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub standalone: bool,
    /// How many events it stands for: 1 unless it was kept by chance.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub sampling_weight: f64,
}

fn one() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
#[expect(clippy::float_cmp, reason = "1 is what unsampled events are given, exactly")]
fn is_one(weight: &f64) -> bool {
    *weight == 1.0
}

impl Deref for Envelope {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}
