//! When something was going on.

use serde::{Deserialize, Serialize};
use throughline_model::Timestamp;

use super::Stale;

/// A pause as long as this is no activity.
const PAUSE: i64 = 5 * 60 * 1_000_000_000;

/// Stretches kept apart; older ones are only summed up.
const MAX_STRETCHES: usize = 32;

/// Stretches of time without a pause in them, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Activity {
    stretches: Vec<(i64, i64)>,
    /// Length of all that came before those, together.
    #[serde(default)]
    before: i64,
    /// When the last of those ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before_end: Option<i64>,
}

impl Activity {
    pub(super) fn of(mut spells: Vec<(Timestamp, Timestamp)>) -> Self {
        spells.sort_unstable();
        let mut activity = Self::default();
        for (start, end) in spells {
            let (start, end) = (start.as_nanos(), end.as_nanos());
            match activity.stretches.last_mut() {
                Some(last) if start.saturating_sub(last.1) < PAUSE => last.1 = last.1.max(end),
                _ => activity.stretches.push((start, end)),
            }
        }
        activity.fold();
        activity
    }

    /// Takes a spell in, in place of an `old` one if that is part of it.
    pub(super) fn replace(
        &mut self,
        old: Option<(Timestamp, Timestamp)>,
        new: Option<(Timestamp, Timestamp)>,
    ) -> Result<(), Stale> {
        match (old, new) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(Stale),
            (Some(old), Some(new)) if old.0 < new.0 || old.1 > new.1 => Err(Stale),
            (_, Some((start, end))) => self.add(start.as_nanos(), end.as_nanos()),
        }
    }

    fn add(&mut self, start: i64, end: i64) -> Result<(), Stale> {
        if self.before_end.is_some_and(|before| start.saturating_sub(before) < PAUSE) {
            return Err(Stale);
        }
        let first = self.stretches.partition_point(|stretch| start.saturating_sub(stretch.1) >= PAUSE);
        let behind = self.stretches.partition_point(|stretch| stretch.0.saturating_sub(end) < PAUSE);
        let merged = self.stretches[first..behind]
            .iter()
            .fold((start, end), |all, stretch| (all.0.min(stretch.0), all.1.max(stretch.1)));
        self.stretches.splice(first..behind, [merged]);
        self.fold();
        Ok(())
    }

    fn fold(&mut self) {
        let old = self.stretches.len().saturating_sub(MAX_STRETCHES);
        for (start, end) in self.stretches.drain(..old) {
            self.before = self.before.saturating_add(end.saturating_sub(start));
            self.before_end = Some(end);
        }
    }

    /// Nanoseconds of activity.
    pub(super) fn nanos(&self) -> i64 {
        self.stretches
            .iter()
            .fold(self.before, |sum, (start, end)| sum.saturating_add(end.saturating_sub(*start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = PAUSE / 5;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_nanos(minutes * MINUTE)
    }

    fn minutes(activity: &Activity) -> i64 {
        activity.nanos() / MINUTE
    }

    #[test]
    fn pauses_of_five_minutes_do_not_count() {
        let mut activity = Activity::default();
        for (start, end, active) in [(0, 1, 1), (6, 8, 3), (10, 11, 6), (5, 5, 11), (30, 30, 11)] {
            activity.replace(None, Some((at(start), at(end)))).unwrap();
            assert_eq!(minutes(&activity), active, "after {start} to {end}");
        }
    }

    #[test]
    fn what_is_long_past_is_only_summed_up() {
        let spell = |n: i64| (at(n * 10), at(n * 10 + 2));
        let mut running = Activity::default();
        for n in 0..100 {
            running.replace(None, Some(spell(n))).unwrap();
        }
        assert_eq!((minutes(&running), running.stretches.len()), (200, MAX_STRETCHES));
        assert_eq!(running, Activity::of((0..100).rev().map(spell).collect()));
        assert_eq!(running.clone().replace(None, Some((at(4), at(8)))), Err(Stale));
        assert_eq!(running.replace(Some(spell(99)), Some((at(984), at(993)))), Ok(()));
        assert_eq!(minutes(&running), 209);
    }
}
