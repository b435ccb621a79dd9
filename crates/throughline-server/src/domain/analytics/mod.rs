//! What many sessions say together: statistics, journeys and goals.

mod distribution;
mod goal;
mod interval;
mod journey;
mod scores;
mod statistics;

use throughline_model::Timestamp;

pub use self::distribution::{Bar, Distribution};
pub use self::goal::{Goal, GoalCounts, GoalGatherer, GoalPoint, GoalReport, InvalidGoal};
pub use self::interval::Interval;
pub use self::journey::{
    Branch, FunnelStep, Journeys, Path, PathGatherer, PathTotals, StepKind, StepPath, read_funnel,
};
pub use self::scores::{NumberBar, NumberSpread, ScoreGatherer, ScorePoint, ScoreStatistics};
pub use self::statistics::{
    Counted, Point, SessionFacts, SessionStatistics, StatisticsGatherer, TurnTokens, Values,
};

use super::filter::Filter;
use super::lifecycle::Boundary;

/// Which sessions: those that a list with the same filter and range has.
#[derive(Debug, Clone)]
pub struct Selection {
    pub filter: Filter,
    /// Only what was going on at or after this time.
    pub from: Option<Timestamp>,
    /// Only what began before this time.
    pub to: Option<Timestamp>,
    /// Now, for what depends on it (`state:live`).
    pub now: Timestamp,
}

impl Selection {
    /// The time that a session counts at: its start, or where the range begins if that is later.
    pub fn counts_at(&self, start: Timestamp) -> Timestamp {
        self.from.map_or(start, |from| from.max(start))
    }

    /// Whether a session that somebody `ended`, or that was last heard of at `end`, is over.
    pub fn is_over(&self, ended: bool, end: Timestamp, boundary: Boundary) -> bool {
        ended || self.now.nanos_since(end) >= boundary.over_after()
    }
}
