//! Where a time lies on an axis from 0 to 1, with idle stretches squeezed.

use throughline_model::{Timestamp, millis};

use super::notation;

/// Gaps at least this long are idle time, as in a session's active duration.
pub(super) const IDLE_NANOS: i64 = 5 * 60 * 1_000_000_000;

/// The share of the axis that one idle stretch gets, however long it was.
const IDLE_SHARE: f64 = 0.03;

/// An axis of time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimeScale {
    /// In order, without overlap; what lies between two of them is idle.
    busy: Vec<(Timestamp, Timestamp)>,
    idle_share: f64,
    busy_nanos: f64,
}

/// A mark on the axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub x: String,
    pub label: String,
}

impl TimeScale {
    /// An axis over these stretches, in any order; gaps of [`IDLE_NANOS`] or more between them are squeezed.
    pub(super) fn new(stretches: impl IntoIterator<Item = (Timestamp, Timestamp)>) -> Self {
        Self::squeezing(stretches, IDLE_NANOS)
    }

    /// An axis for several things side by side: gaps longer than these things last on average are squeezed too.
    pub(super) fn of_several(stretches: &[(Timestamp, Timestamp)]) -> Self {
        const LEAST: i64 = 1_000_000_000;
        let lasting = stretches.iter().map(|(start, end)| end.nanos_since(*start).max(0));
        let average = lasting.sum::<i64>() / i64::try_from(stretches.len().max(1)).unwrap_or(i64::MAX);
        Self::squeezing(stretches.iter().copied(), average.clamp(LEAST, IDLE_NANOS))
    }

    fn squeezing(stretches: impl IntoIterator<Item = (Timestamp, Timestamp)>, gap: i64) -> Self {
        let mut stretches: Vec<_> =
            stretches.into_iter().map(|(start, end)| (start, end.max(start))).collect();
        stretches.sort_unstable();
        let mut busy: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (start, end) in stretches {
            match busy.last_mut() {
                Some(last) if start.nanos_since(last.1) < gap => last.1 = last.1.max(end),
                _ => busy.push((start, end)),
            }
        }
        let gaps = busy.len().saturating_sub(1) as f64;
        let idle_share = if gaps * IDLE_SHARE > 0.5 { 0.5 / gaps } else { IDLE_SHARE };
        let busy_nanos: f64 = busy.iter().map(|(start, end)| end.nanos_since(*start) as f64).sum();
        Self { busy, idle_share, busy_nanos: busy_nanos.max(1.0) }
    }

    /// Where a time lies, from 0 to 1; what lies outside is drawn at the border.
    pub(super) fn position(&self, time: Timestamp) -> f64 {
        let gaps = self.busy.len().saturating_sub(1) as f64;
        let share_per_nano = (1.0 - gaps * self.idle_share) / self.busy_nanos;
        let mut x = 0.0;
        for (i, &(start, end)) in self.busy.iter().enumerate() {
            if time < start {
                return if i == 0 { 0.0 } else { x - self.idle_share / 2.0 };
            }
            let inside = time.min(end).nanos_since(start) as f64 * share_per_nano;
            x += inside;
            if time <= end {
                return x.min(1.0);
            }
            x += self.idle_share;
        }
        1.0
    }

    /// About five round marks counted from the start; none on an axis with idle stretches, where they would not be even.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let [(start, end)] = self.busy[..] else { return Vec::new() };
        let total = millis(end.nanos_since(start));
        if total <= 0.0 {
            return Vec::new();
        }
        let step = round_step(total / 5.0);
        (1..)
            .map(|i| f64::from(i) * step)
            .take_while(|at| *at < total * 0.93)
            .map(|at| Tick { x: notation::percentage(at / total), label: tick_label(at, step) })
            .collect()
    }
}

fn tick_label(millis: f64, step: f64) -> String {
    match millis {
        m if m < 1_000.0 && step >= 1.0 => format!("{m:.0} ms"),
        m if m < 1_000.0 => format!("{m:.2} ms"),
        m if m < 60_000.0 && step >= 1_000.0 => format!("{:.0} s", m / 1_000.0),
        m if m < 60_000.0 => format!("{:.1} s", m / 1_000.0),
        m => {
            let text = notation::duration(m);
            let round = [(60e3, " 00s"), (3_600e3, " 00m"), (86_400e3, " 00h")];
            let zeros = round.into_iter().filter(|(unit, _)| step >= *unit);
            zeros.fold(text.as_str(), |text, (_, zeros)| text.strip_suffix(zeros).unwrap_or(text)).to_owned()
        }
    }
}

/// The smallest round step that is at least this many milliseconds.
fn round_step(millis: f64) -> f64 {
    const CLOCK_STEPS: [f64; 10] =
        [15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 1_800e3, 3_600e3, 7_200e3, 21_600e3];
    if millis > 10_000.0 {
        return CLOCK_STEPS
            .into_iter()
            .find(|step| *step >= millis)
            .unwrap_or((millis / 86_400e3).ceil() * 86_400e3);
    }
    let power = 10_f64.powf(millis.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= millis).unwrap_or(power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn idle_stretches_take_little_room_and_order_is_kept() {
        let scale = TimeScale::new([(at(4_000), at(4_010)), (at(0), at(10)), (at(20), at(30))]);
        let positions = [0, 10, 30, 2_000, 4_000, 4_005, 4_010].map(|s| scale.position(at(s)));
        assert!(positions.is_sorted(), "{positions:?}");
        assert_eq!((positions[0], positions[6]), (0.0, 1.0));
        assert!(positions[4] - positions[2] < 0.04);
    }

    #[test]
    fn turns_side_by_side_fill_the_axis_whatever_lies_between() {
        let turns: Vec<_> = (0..10).map(|turn| (at(turn * 100), at(turn * 100 + 5))).collect();
        let [together, apart] = [TimeScale::of_several(&turns), TimeScale::new(turns.iter().copied())];
        let width = |scale: &TimeScale| scale.position(at(205)) - scale.position(at(200));
        assert!(width(&together) > 0.07 && width(&apart) < 0.01);
    }

    #[test]
    fn a_moment_is_an_axis_too() {
        let scale = TimeScale::new([(at(5), at(5))]);
        assert_eq!(scale.position(at(5)), 0.0);
        assert!(scale.ticks().is_empty());
        assert_eq!(TimeScale::new([]).position(at(1)), 1.0);
    }

    #[test]
    fn ticks_are_round() {
        let labels = |seconds| -> Vec<String> {
            TimeScale::new([(at(0), at(seconds))]).ticks().into_iter().map(|tick| tick.label).collect()
        };
        assert_eq!(labels(9), ["2 s", "4 s", "6 s", "8 s"]);
        assert_eq!(labels(240), ["1m", "2m", "3m"]);
        assert_eq!(labels(4 * 3_600), ["1h", "2h", "3h"]);
    }
}
