//! The parts of a session that pauses and ends split.
//!
//! What began before an end and what began after it are in different parts; among what lies between two ends, so are
//! stretches with a pause of the given length between them.

use serde::{Deserialize, Serialize};
use throughline_model::{SessionId, SessionPart, SplitCause, Timestamp, millis};

use super::Stale;
use super::ends::Ends;

/// The most parts kept: the last ones; older ones are only counted.
const MAX_PARTS: usize = 64;

/// Parts in order of start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Parts {
    /// The pause that splits, in nanoseconds; 0 where nothing is split and so nothing kept.
    #[serde(rename = "gap", default)]
    gap: i64,
    #[serde(default)]
    kept: Vec<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Before>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Part {
    #[serde(rename = "s")]
    start: i64,
    #[serde(rename = "e")]
    end: i64,
    /// When the last trace or event in it began, or later.
    #[serde(rename = "l")]
    last: i64,
    #[serde(rename = "t")]
    traces: u64,
}

/// The parts before those kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Before {
    #[serde(rename = "n")]
    count: u64,
    #[serde(rename = "e")]
    end: i64,
    #[serde(rename = "l")]
    last: i64,
}

/// When a trace or event went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spell {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) is_trace: bool,
}

impl Spell {
    pub(super) fn times(self) -> (Timestamp, Timestamp) {
        (self.start, self.end)
    }
}

impl Parts {
    /// None yet, to be split after so many nanoseconds.
    pub(super) fn split_after(gap: Option<i64>) -> Self {
        Self { gap: gap.unwrap_or(0).max(0), ..Self::default() }
    }

    pub(super) fn gap(&self) -> Option<i64> {
        Some(self.gap).filter(|gap| *gap > 0)
    }

    pub(super) fn of(gap: Option<i64>, spells: &mut [Spell], ends: &Ends) -> Self {
        let mut parts = Self::split_after(gap);
        if parts.gap == 0 {
            return parts;
        }
        spells.sort_unstable();
        for spell in spells {
            let part = Part::of(*spell);
            match parts.kept.last_mut() {
                Some(last) if last.adjoins(&part, parts.gap, ends) => last.take(&part),
                _ => parts.kept.push(part),
            }
        }
        parts.fold();
        parts
    }

    /// Takes a spell in, in place of an `old` one if that is part of it.
    pub(super) fn replace(
        &mut self,
        old: Option<Spell>,
        new: Option<Spell>,
        ends: &Ends,
    ) -> Result<(), Stale> {
        if self.gap == 0 {
            return Ok(());
        }
        let Some(new) = new else { return if old.is_some() { Err(Stale) } else { Ok(()) } };
        let mut part = Part::of(new);
        if let Some(old) = old {
            let moved = ends.before(old.start.as_nanos()) != ends.before(part.start);
            if moved || old.start < new.start || old.end > new.end {
                return Err(Stale);
            }
            part.traces = 0;
        }
        self.add(part, ends)
    }

    fn add(&mut self, mut part: Part, ends: &Ends) -> Result<(), Stale> {
        let reaches_back =
            |before: &Before| part.start <= before.last || part.start.saturating_sub(before.end) < self.gap;
        if self.before.as_ref().is_some_and(reaches_back) {
            return Err(Stale);
        }
        let count = self.kept.len();
        let own = part.clone();
        self.kept.retain(|other| {
            let adjoins = other.adjoins(&own, self.gap, ends);
            if adjoins {
                part.take(other);
            }
            !adjoins
        });
        if self.before.is_some() && self.kept.len() + 1 < count {
            // One more would have to be remembered now.
            return Err(Stale);
        }
        let place = self.kept.partition_point(|other| other.start <= part.start);
        self.kept.insert(place, part);
        self.fold();
        Ok(())
    }

    fn fold(&mut self) {
        let old = self.kept.len().saturating_sub(MAX_PARTS);
        for part in self.kept.drain(..old) {
            let before = self.before.get_or_insert(Before { count: 0, end: i64::MIN, last: i64::MIN });
            before.count += 1;
            before.end = before.end.max(part.end);
            before.last = before.last.max(part.last);
        }
    }

    /// Whether an end at this time may have something before it and something after it in one part.
    pub(super) fn is_split_by(&self, at: Timestamp) -> bool {
        let at = at.as_nanos();
        self.kept.iter().any(|part| part.start <= at && at < part.last)
            || self.before.as_ref().is_some_and(|before| at < before.last)
    }

    pub(super) fn count(&self) -> u64 {
        self.before.as_ref().map_or(0, |before| before.count) + self.kept.len() as u64
    }

    pub(super) fn show(&self, session: &SessionId, ends: &Ends) -> Vec<SessionPart> {
        let first = self.before.as_ref().map_or(1, |before| before.count + 1);
        let mut before = self.before.as_ref().map(|before| before.last);
        let show = |(number, part): (u64, &Part)| {
            let split_cause = before.replace(part.last).map(|before| {
                let said = ends.before(before) != ends.before(part.start);
                if said { SplitCause::Ended } else { SplitCause::Inactivity }
            });
            SessionPart {
                id: format!("{session}#{number}"),
                start_time: Timestamp::from_nanos(part.start),
                end_time: Timestamp::from_nanos(part.end),
                duration: millis(part.end.saturating_sub(part.start)),
                trace_count: part.traces,
                split_cause,
            }
        };
        (first..).zip(&self.kept).map(show).collect()
    }
}

impl Part {
    fn of(spell: Spell) -> Self {
        let (start, end) = (spell.start.as_nanos(), spell.end.as_nanos());
        Self { start, end, last: start, traces: u64::from(spell.is_trace) }
    }

    /// Whether neither an end nor a pause lies between them.
    fn adjoins(&self, other: &Self, gap: i64, ends: &Ends) -> bool {
        ends.before(self.start) == ends.before(other.start)
            && other.start.saturating_sub(self.end) < gap
            && self.start.saturating_sub(other.end) < gap
    }

    fn take(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.last = self.last.max(other.last);
        self.traces += other.traces;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ends::Noted;
    use super::*;

    const GAP: i64 = 10;

    fn spell(start: i64, length: i64) -> Spell {
        let at = Timestamp::from_nanos;
        Spell { start: at(start), end: at(start + length), is_trace: start % 3 > 0 }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Began(i64, i64),
        Grew(usize, i64, i64),
        Ended(i64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0i64..4000, 0i64..8).prop_map(|(start, length)| Step::Began(start, length)),
            2 => (any::<usize>(), 0i64..15, 0i64..30).prop_map(|(n, earlier, later)| Step::Grew(n, earlier, later)),
            1 => (0i64..4000).prop_map(Step::Ended),
        ]
    }

    proptest! {
        /// Whatever the order of arrival, and with more parts than are kept.
        #[test]
        fn any_order_gives_the_same_parts(steps in prop::collection::vec(any_step(), 1..300), seed in any::<u64>()) {
            let id = SessionId::from("s");
            let (mut running, mut ends) = (Parts::split_after(Some(GAP)), Ends::default());
            let mut spells: Vec<Spell> = Vec::new();
            let mut rng = fastrand::Rng::with_seed(seed);
            for step in steps {
                let result = match step {
                    Step::Began(start, length) => {
                        spells.push(spell(start, length));
                        running.replace(None, spells.last().copied(), &ends)
                    }
                    Step::Grew(n, earlier, later) if !spells.is_empty() => {
                        let place = n % spells.len();
                        let old = spells[place];
                        let new = Spell {
                            start: old.start.plus_nanos(-earlier),
                            end: old.end.plus_nanos(later),
                            ..old
                        };
                        spells[place] = new;
                        running.replace(Some(old), Some(new), &ends)
                    }
                    Step::Grew(..) => Ok(()),
                    Step::Ended(at) => {
                        let at = Timestamp::from_nanos(at);
                        let splits = running.is_split_by(at);
                        match ends.note(at) {
                            Noted::Replaced => Err(Stale),
                            Noted::Added if splits => Err(Stale),
                            _ => Ok(()),
                        }
                    }
                };
                rng.shuffle(&mut spells);
                let afresh = Parts::of(Some(GAP), &mut spells.clone(), &ends);
                if result.is_err() {
                    running = afresh.clone();
                }
                prop_assert_eq!(running.show(&id, &ends), afresh.show(&id, &ends));
                prop_assert_eq!(running.count(), afresh.count());
            }
        }
    }

    #[test]
    fn a_session_that_grows_at_its_end_is_followed_for_ever() {
        let (mut parts, ends) = (Parts::split_after(Some(GAP)), Ends::default());
        for n in 0..1000 {
            assert_eq!(parts.replace(None, Some(spell(n * 20, 3)), &ends), Ok(()));
            assert_eq!(parts.replace(Some(spell(n * 20, 3)), Some(spell(n * 20, 5)), &ends), Ok(()));
        }
        let shown = parts.show(&SessionId::from("s"), &ends);
        assert_eq!((parts.count(), shown.len()), (1000, MAX_PARTS));
        assert_eq!((shown[0].id.as_str(), shown[63].id.as_str()), ("s#937", "s#1000"));
        assert_eq!(shown[0].split_cause, Some(SplitCause::Inactivity));
        assert_eq!(parts.replace(None, Some(spell(0, 1)), &ends), Err(Stale), "it is only counted by now");
    }
}
