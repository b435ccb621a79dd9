//! Goals: what a session is hoped to reach, how many do, how soon and at what cost.

use rustc_hash::FxHashMap;
use throughline_model::Timestamp;

use super::statistics::{COSTS, DURATIONS, Values};
use super::{Distribution, Interval};
use crate::domain::filter::{Filter, FilterError, Target};

/// Where the bars of turns begin.
const TURNS: [i64; 11] = [1, 2, 3, 4, 5, 6, 8, 11, 16, 21, 51];

/// What a session is hoped to reach: it does if the filter finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    pub name: String,
    /// The filter as written.
    pub text: String,
    pub filter: Filter,
    /// The same asked of each trace, which tells the turn that reached the goal; not everything can be.
    pub turn: Option<Filter>,
}

/// A goal whose filter cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("goal {name:?}: {error}")]
pub struct InvalidGoal {
    pub name: String,
    pub error: FilterError,
}

/// How the sessions selected fare.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GoalReport {
    pub sessions: u64,
    pub reached: u64,
    /// Nanoseconds from a session's start to the end of the turn that reached the goal.
    pub time: Distribution,
    /// Picodollars up to and with that turn, where known.
    pub cost: Distribution,
    /// Turns up to and with that turn.
    pub turns: Distribution,
    pub series: Vec<GoalPoint>,
}

/// The sessions of one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoalPoint {
    pub time: Timestamp,
    pub sessions: u64,
    pub reached: u64,
}

impl Goal {
    /// `text` is a filter for sessions.
    pub fn parse(name: &str, text: &str, now: Timestamp) -> Result<Self, InvalidGoal> {
        let filter = Filter::parse(text, &[Target::Session], now);
        let invalid = |error| InvalidGoal { name: name.to_owned(), error };
        filter.map(|filter| Self::new(name, text, filter, now)).map_err(invalid)
    }

    /// The goal to reach what `filter` finds, which is what `text` says of sessions.
    pub fn new(name: &str, text: &str, filter: Filter, now: Timestamp) -> Self {
        let turn = Filter::parse(text, &[Target::Trace], now).ok();
        Self { name: name.to_owned(), text: text.to_owned(), filter, turn }
    }

    /// The same goal at another time, on which its filter may depend (`start:>-2h`).
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        Self::parse(&self.name, &self.text, now).unwrap_or_else(|_| self.clone())
    }
}

impl GoalReport {
    /// The share of sessions that reach the goal; `None` of no sessions.
    pub fn completion_rate(&self) -> Option<f64> {
        (self.sessions > 0).then(|| self.reached as f64 / self.sessions as f64)
    }
}

/// Takes sessions in, one by one or gathered elsewhere.
#[derive(Debug)]
pub struct GoalGatherer {
    interval: Interval,
    time: Vec<i64>,
    cost: Vec<i64>,
    turns: Vec<i64>,
    counts: GoalCounts,
}

/// Sessions counted by interval: all of them, and those that reached the goal.
#[derive(Debug, Default)]
pub struct GoalCounts(FxHashMap<Timestamp, (u64, u64)>);

impl GoalGatherer {
    pub fn new(interval: Interval) -> Self {
        Self {
            interval,
            time: Vec::new(),
            cost: Vec::new(),
            turns: Vec::new(),
            counts: GoalCounts::default(),
        }
    }

    /// A session that counts at `time`.
    pub fn count(&mut self, time: Timestamp) {
        self.counts.0.entry(self.interval.floor(time)).or_default().0 += 1;
    }

    /// One of those counted reached the goal.
    pub fn count_reached(&mut self, time: Timestamp) {
        self.counts.0.entry(self.interval.floor(time)).or_default().1 += 1;
    }

    /// A turn reached the goal, so many nanoseconds after its session began, as so-manieth turn, at this cost in
    /// picodollars.
    pub fn reached(&mut self, after: i64, turns: u64, cost: Option<i64>) {
        self.time.push(after);
        self.turns.push(i64::try_from(turns).unwrap_or(i64::MAX));
        self.cost.extend(cost);
    }

    #[must_use]
    pub fn merge(mut self, mut more: Self) -> Self {
        self.time.append(&mut more.time);
        self.cost.append(&mut more.cost);
        self.turns.append(&mut more.turns);
        for (time, (sessions, reached)) in more.counts.0 {
            let known = self.counts.0.entry(time).or_default();
            known.0 += sessions;
            known.1 += reached;
        }
        self
    }

    pub fn finish(self) -> GoalReport {
        let (counts, values) = self.into_parts();
        counts.finish(values.into_iter().map(Values::spread).collect())
    }

    /// What is only counted, and what has yet to be spread: all of it apart from the rest, so that several threads may.
    pub fn into_parts(self) -> (GoalCounts, Vec<Values>) {
        let values = [(self.time, &DURATIONS[..]), (self.cost, &COSTS), (self.turns, &TURNS)];
        (self.counts, values.into_iter().map(|(values, bounds)| Values::new(values, bounds)).collect())
    }
}

impl GoalCounts {
    /// `spread` are the values that came with this, spread, in their order.
    pub fn finish(self, spread: Vec<Distribution>) -> GoalReport {
        let mut spread = spread.into_iter();
        let [time, cost, turns] = std::array::from_fn(|_| spread.next().unwrap_or_default());
        let point = |(time, (sessions, reached))| GoalPoint { time, sessions, reached };
        let mut series: Vec<GoalPoint> = self.0.into_iter().map(point).collect();
        series.sort_unstable_by_key(|point| point.time);
        GoalReport {
            sessions: series.iter().map(|point| point.sessions).sum(),
            reached: series.iter().map(|point| point.reached).sum(),
            time,
            cost,
            turns,
            series,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_session_has_tells_no_turn() {
        let now = Timestamp::default();
        assert!(Goal::parse("bought", "tag:conversion", now).unwrap().turn.is_some());
        assert!(Goal::parse("talked", "turns:>3", now).unwrap().turn.is_none());
        let error = Goal::parse("typo", "tga:conversion", now).unwrap_err();
        assert!(error.to_string().starts_with("goal \"typo\": "), "{error}");
    }
}
