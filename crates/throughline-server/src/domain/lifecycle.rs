//! When sessions and traces are over, and where sessions are split, as far as the operator decides it.

use std::collections::BTreeMap;

use throughline_model::{ProjectId, Timestamp, Trace, Unfinished};

const MINUTE: i64 = 60 * 1_000_000_000;

/// A session is live while something happened in so many nanoseconds.
pub const LIVE_NANOS: i64 = 5 * MINUTE;

/// A session that is not split is over when nothing happened for so many nanoseconds.
pub const ENDED_NANOS: i64 = 30 * MINUTE;

/// Whether a project's sessions are split where nothing happened for long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Boundary {
    /// They are not.
    #[default]
    Off,
    /// After so many nanoseconds without activity; the same pause ends a session, and forms sessions of users out of
    /// traces that name none.
    Inactivity(i64),
}

impl Boundary {
    /// The pause in nanoseconds that splits a session.
    pub const fn gap(self) -> Option<i64> {
        match self {
            Self::Off => None,
            Self::Inactivity(gap) => Some(gap),
        }
    }

    /// After how many nanoseconds without activity a session is over.
    pub const fn over_after(self) -> i64 {
        match self {
            Self::Off => ENDED_NANOS,
            Self::Inactivity(gap) => gap,
        }
    }
}

/// What the operator decides about the life of sessions and traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// For projects that are not named.
    pub boundary: Boundary,
    pub projects: BTreeMap<ProjectId, Boundary>,
    /// A trace that began and has not ended is abandoned when nothing was heard of it for so many nanoseconds.
    pub abandoned_after: i64,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { boundary: Boundary::Off, projects: BTreeMap::new(), abandoned_after: 60 * MINUTE }
    }
}

impl Lifecycle {
    pub fn boundary(&self, project: &ProjectId) -> Boundary {
        self.projects.get(project).copied().unwrap_or(self.boundary)
    }

    /// What is known at this time of a trace that may not have ended.
    pub fn unfinished(&self, trace: &Trace, now: Timestamp) -> Option<Unfinished> {
        match is_abandoned(trace, self.abandoned_after, now) {
            true => Some(Unfinished::Abandoned),
            false => is_unfinished(trace).then_some(Unfinished::Live),
        }
    }
}

/// What the ids of sessions begin with that were formed of a user's traces.
pub const SYNTHETIC_PREFIX: &str = "synthetic:";

/// The flag of traces that name no session and were put into one by their user.
pub const SYNTHETIC_FLAG: &str = "session_synthetic";

/// The flag of traces whose beginning was told and whose end has not come.
pub const UNFINISHED_FLAG: &str = "unfinished";

/// Whether the trace's beginning was told, and not its end.
pub fn is_unfinished(trace: &Trace) -> bool {
    trace.flags.iter().any(|flag| flag == UNFINISHED_FLAG)
}

/// Whether the trace has not ended, and nothing was heard of it for so many nanoseconds.
pub fn is_abandoned(trace: &Trace, after: i64, now: Timestamp) -> bool {
    is_unfinished(trace) && now.nanos_since(trace.end_time) >= after
}

/// The session of a user's traces that name none. One for each user, so that its id stays whatever comes late; pauses
/// make its parts.
pub fn session_of_user(user: &str) -> String {
    format!("{SYNTHETIC_PREFIX}{user}")
}
