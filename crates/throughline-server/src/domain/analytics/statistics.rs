//! Sessions counted: how many, how long, how expensive, and how they end.

use rustc_hash::FxHashMap;
use throughline_model::{Money, Timestamp};

use super::{Distribution, Interval};
use crate::domain::session_summary::MAX_TURNS;

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// Picodollars.
const CENT: i64 = 10_000_000_000;

/// Where the bars of histograms begin.
const TURNS: [i64; 13] = [0, 1, 2, 3, 4, 5, 6, 8, 11, 16, 21, 51, 101];
pub(super) const DURATIONS: [i64; 13] = [
    0,
    SECOND,
    5 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    4 * HOUR,
    24 * HOUR,
];
pub(super) const COSTS: [i64; 12] = [
    0,
    CENT / 100,
    CENT / 20,
    CENT / 10,
    CENT / 2,
    CENT,
    5 * CENT,
    10 * CENT,
    50 * CENT,
    100 * CENT,
    500 * CENT,
    1000 * CENT,
];
const TOKENS: [i64; 11] = [0, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000];

/// What statistics take from one session.
#[derive(Debug, Clone, Copy)]
pub struct SessionFacts {
    /// The time that it counts at.
    pub time: Timestamp,
    /// Nanoseconds, idle time included.
    pub duration: i64,
    /// Nanoseconds without idle time.
    pub active: i64,
    pub turns: u64,
    pub tokens: u64,
    /// Picodollars.
    pub cost: Option<i64>,
    pub errors: u64,
    /// It is over, and its last turn failed.
    pub abandoned: bool,
}

/// What the sessions selected say together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionStatistics {
    pub sessions: u64,
    pub with_errors: u64,
    /// Over, and their last turn failed.
    pub abandoned: u64,
    pub turns: Distribution,
    /// Nanoseconds.
    pub duration: Distribution,
    /// Nanoseconds.
    pub active_duration: Distribution,
    pub tokens: Distribution,
    /// Picodollars, over the sessions of which it is known.
    pub cost: Distribution,
    /// In order of time; intervals in which nothing began are left out.
    pub series: Vec<Point>,
    /// By the number of the turn, the first of them first.
    pub tokens_by_turn: Vec<TurnTokens>,
}

/// The sessions of one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub time: Timestamp,
    pub sessions: u64,
    pub with_errors: u64,
    pub abandoned: u64,
    pub turns: u64,
    pub tokens: u64,
    /// Over the sessions of which it is known; `None` if it is of none.
    pub cost: Option<Money>,
}

/// The tokens of the turns with the same number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TurnTokens {
    /// Counted from 1.
    pub turn: usize,
    /// Sessions that came as far.
    pub sessions: u64,
    pub mean: f64,
    pub p50: i64,
    pub p90: i64,
}

/// Takes sessions in, one by one or gathered elsewhere.
#[derive(Debug)]
pub struct StatisticsGatherer {
    interval: Interval,
    with_errors: u64,
    abandoned: u64,
    turns: Vec<i64>,
    duration: Vec<i64>,
    active: Vec<i64>,
    tokens: Vec<i64>,
    cost: Vec<i64>,
    series: FxHashMap<Timestamp, Point>,
    by_turn: Vec<Vec<i64>>,
}

impl StatisticsGatherer {
    pub fn new(interval: Interval) -> Self {
        Self {
            interval,
            with_errors: 0,
            abandoned: 0,
            turns: Vec::new(),
            duration: Vec::new(),
            active: Vec::new(),
            tokens: Vec::new(),
            cost: Vec::new(),
            series: FxHashMap::default(),
            by_turn: Vec::new(),
        }
    }

    /// Takes in a session with the tokens of its first turns, in their order.
    pub fn add(&mut self, session: &SessionFacts, turn_tokens: impl IntoIterator<Item = i64>) {
        self.with_errors += u64::from(session.errors > 0);
        self.abandoned += u64::from(session.abandoned);
        self.turns.push(signed(session.turns));
        self.duration.push(session.duration);
        self.active.push(session.active);
        self.tokens.push(signed(session.tokens));
        self.cost.extend(session.cost);
        let time = self.interval.floor(session.time);
        self.series.entry(time).or_insert_with(|| Point::empty(time)).add(&Point::of(time, session));
        for (turn, tokens) in turn_tokens.into_iter().take(MAX_TURNS).enumerate() {
            if self.by_turn.len() == turn {
                self.by_turn.push(Vec::new());
            }
            self.by_turn[turn].push(tokens);
        }
    }

    #[must_use]
    pub fn merge(mut self, mut more: Self) -> Self {
        self.with_errors += more.with_errors;
        self.abandoned += more.abandoned;
        for (all, some) in [
            (&mut self.turns, &mut more.turns),
            (&mut self.duration, &mut more.duration),
            (&mut self.active, &mut more.active),
            (&mut self.tokens, &mut more.tokens),
            (&mut self.cost, &mut more.cost),
        ] {
            all.append(some);
        }
        for (time, point) in more.series {
            self.series.entry(time).or_insert_with(|| Point::empty(time)).add(&point);
        }
        if self.by_turn.len() < more.by_turn.len() {
            std::mem::swap(&mut self.by_turn, &mut more.by_turn);
        }
        for (all, some) in self.by_turn.iter_mut().zip(&mut more.by_turn) {
            all.append(some);
        }
        self
    }

    pub fn finish(self) -> SessionStatistics {
        let (counted, values) = self.into_parts();
        counted.finish(values.into_iter().map(Values::spread).collect())
    }

    /// What is only counted, and what has yet to be spread: all of it apart from the rest, so that several threads may.
    pub fn into_parts(self) -> (Counted, Vec<Values>) {
        let of_sessions = [
            (self.turns, &TURNS[..]),
            (self.duration, &DURATIONS),
            (self.active, &DURATIONS),
            (self.tokens, &TOKENS),
            (self.cost, &COSTS),
        ];
        let of_turns = self.by_turn.into_iter().map(|tokens| (tokens, &[][..]));
        let values = of_sessions.into_iter().chain(of_turns);
        let counted =
            Counted { with_errors: self.with_errors, abandoned: self.abandoned, series: self.series };
        (counted, values.map(|(values, bounds)| Values::new(values, bounds)).collect())
    }
}

/// One figure of many sessions.
#[derive(Debug)]
pub struct Values {
    values: Vec<i64>,
    bounds: &'static [i64],
}

impl Values {
    pub(super) fn new(values: Vec<i64>, bounds: &'static [i64]) -> Self {
        Self { values, bounds }
    }

    pub fn spread(self) -> Distribution {
        Distribution::of(self.values, self.bounds)
    }
}

/// Sessions counted, before their figures are spread.
#[derive(Debug)]
pub struct Counted {
    with_errors: u64,
    abandoned: u64,
    series: FxHashMap<Timestamp, Point>,
}

impl Counted {
    /// `spread` are the values that came with this, spread, in their order.
    pub fn finish(self, spread: Vec<Distribution>) -> SessionStatistics {
        let mut spread = spread.into_iter();
        let [turns, duration, active_duration, tokens, cost] =
            std::array::from_fn(|_| spread.next().unwrap_or_default());
        let by_turn = spread.enumerate().map(|(index, tokens)| {
            let (mean, p50, p90) = (tokens.mean(), tokens.p50, tokens.p90);
            TurnTokens { turn: index + 1, sessions: tokens.count, mean, p50, p90 }
        });
        let mut series: Vec<Point> = self.series.into_values().collect();
        series.sort_unstable_by_key(|point| point.time);
        SessionStatistics {
            sessions: turns.count,
            with_errors: self.with_errors,
            abandoned: self.abandoned,
            tokens_by_turn: by_turn.collect(),
            turns,
            duration,
            active_duration,
            tokens,
            cost,
            series,
        }
    }
}

impl Point {
    fn empty(time: Timestamp) -> Self {
        Self { time, sessions: 0, with_errors: 0, abandoned: 0, turns: 0, tokens: 0, cost: None }
    }

    fn of(time: Timestamp, session: &SessionFacts) -> Self {
        Self {
            time,
            sessions: 1,
            with_errors: u64::from(session.errors > 0),
            abandoned: u64::from(session.abandoned),
            turns: session.turns,
            tokens: session.tokens,
            cost: session.cost.map(|cost| Money::from_picodollars(cost.into())),
        }
    }

    fn add(&mut self, more: &Self) {
        self.sessions += more.sessions;
        self.with_errors += more.with_errors;
        self.abandoned += more.abandoned;
        self.turns = self.turns.saturating_add(more.turns);
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.cost = match (self.cost, more.cost) {
            (Some(sum), Some(part)) => Some(sum + part),
            (sum, part) => sum.or(part),
        };
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(minute: i64, turns: u64, cost: Option<i64>) -> SessionFacts {
        SessionFacts {
            time: Timestamp::from_nanos(minute * MINUTE),
            duration: 10 * MINUTE,
            active: 2 * MINUTE,
            turns,
            tokens: turns * 100,
            cost,
            errors: turns % 2,
            abandoned: turns == 3,
        }
    }

    fn sessions() -> Vec<(SessionFacts, Vec<i64>)> {
        vec![
            (session(1, 1, Some(CENT)), vec![100]),
            (session(59, 3, None), vec![50, 100, 150]),
            (session(61, 2, Some(3 * CENT)), vec![80, 120]),
        ]
    }

    #[test]
    fn sessions_are_counted_by_the_hour_and_turns_by_their_number() {
        let mut gatherer = StatisticsGatherer::new(Interval::Hour);
        sessions().into_iter().for_each(|(session, tokens)| gatherer.add(&session, tokens));
        let statistics = gatherer.finish();
        assert_eq!((statistics.sessions, statistics.with_errors, statistics.abandoned), (3, 2, 1));
        assert_eq!((statistics.turns.mean(), statistics.turns.p50, statistics.turns.max), (2.0, 2, 3));
        assert_eq!((statistics.cost.count, statistics.cost.sum), (2, i128::from(4 * CENT)));
        let points: Vec<_> =
            statistics.series.iter().map(|point| (point.time.as_nanos() / MINUTE, point.sessions)).collect();
        assert_eq!(points, [(0, 2), (60, 1)]);
        assert_eq!(statistics.series[0].cost, Some(Money::from_picodollars(CENT.into())));
        let turns: Vec<_> =
            statistics.tokens_by_turn.iter().map(|turn| (turn.turn, turn.sessions, turn.p50)).collect();
        assert_eq!(turns, [(1, 3, 80), (2, 2, 100), (3, 1, 150)]);
    }

    #[test]
    fn gathered_in_parts_is_gathered_at_once() {
        let gather = |sessions: &[(SessionFacts, Vec<i64>)]| {
            let mut gatherer = StatisticsGatherer::new(Interval::Day);
            sessions.iter().for_each(|(session, tokens)| gatherer.add(session, tokens.clone()));
            gatherer
        };
        let all = sessions();
        for cut in 0..=all.len() {
            let (first, second) = all.split_at(cut);
            let merged = gather(first).merge(gather(second)).finish();
            assert_eq!(merged, gather(&all).finish(), "cut at {cut}");
        }
    }
}
