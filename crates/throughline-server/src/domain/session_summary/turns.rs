//! The first turns of a session, in their order: what journeys and statistics by turn are made of.

use serde::{Deserialize, Serialize};
use throughline_model::{Status, Timestamp, TraceId};

use super::Stale;
use crate::domain::preview;
use crate::domain::trace_summary::TraceSummary;

/// The most turns kept.
pub const MAX_TURNS: usize = 32;

/// The most tags kept of a turn.
const MAX_TAGS: usize = 4;

/// The most bytes kept of a name or tag.
const NAME_BYTES: usize = 64;

/// One trace of a session in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    #[serde(rename = "at")]
    start: i64,
    #[serde(rename = "t")]
    trace: TraceId,
    /// The trace's name, cut where it is long.
    #[serde(rename = "n")]
    pub name: String,
    /// Its first tags, in order of the alphabet.
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(rename = "u", default, skip_serializing_if = "is_zero")]
    pub tokens: u64,
    #[serde(rename = "e", default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// Turns in order of start time, the id deciding between two at the same time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Turns {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    first: Vec<Turn>,
    /// How many came after those.
    #[serde(default, skip_serializing_if = "is_zero")]
    beyond: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Turn {
    fn of(summary: &TraceSummary) -> Self {
        let trace = &summary.trace;
        let short = |text: &str| preview::cut(text, NAME_BYTES).to_owned();
        Self {
            start: trace.start_time.as_nanos(),
            trace: trace.id,
            name: short(&trace.name),
            tags: trace.tags.iter().take(MAX_TAGS).map(|tag| short(tag)).collect(),
            tokens: trace.total_tokens,
            failed: trace.status == Status::Error,
        }
    }

    fn place(&self) -> (i64, TraceId) {
        (self.start, self.trace)
    }

    pub fn start(&self) -> Timestamp {
        Timestamp::from_nanos(self.start)
    }
}

impl Turns {
    pub(super) fn first(&self) -> &[Turn] {
        &self.first
    }

    pub(super) fn replace(
        &mut self,
        old: Option<&TraceSummary>,
        new: Option<&TraceSummary>,
    ) -> Result<(), Stale> {
        // Behind it there may be turns that were not kept.
        let known = if self.beyond > 0 { self.first.last().map(Turn::place) } else { None };
        let mut left = false;
        if let Some(old) = old {
            let place = (old.trace.start_time.as_nanos(), old.trace.id);
            match self.first.iter().position(|turn| turn.place() == place) {
                Some(index) => {
                    self.first.remove(index);
                    left = true;
                }
                None => self.beyond = self.beyond.checked_sub(1).ok_or(Stale)?,
            }
        }
        let Some(new) = new.map(Turn::of) else {
            return if left && known.is_some() { Err(Stale) } else { Ok(()) };
        };
        match known {
            Some(last) if new.place() > last && left => return Err(Stale),
            Some(last) if new.place() > last => self.beyond += 1,
            _ => self.insert(new),
        }
        Ok(())
    }

    fn insert(&mut self, turn: Turn) {
        let index = self.first.partition_point(|other| other.place() < turn.place());
        self.first.insert(index, turn);
        if self.first.len() > MAX_TURNS {
            self.first.pop();
            self.beyond += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::trace;
    use super::*;

    fn turn(n: u32) -> TraceSummary {
        let mut summary = trace(1, i64::from(n), i64::from(n));
        summary.trace.id = TraceId::from_bytes(u128::from(n + 1).to_be_bytes()).unwrap();
        summary.trace.name = format!("turn {n}");
        summary
    }

    fn names(turns: &Turns) -> Vec<&str> {
        turns.first().iter().map(|turn| turn.name.as_str()).collect()
    }

    #[test]
    fn the_first_are_kept_whatever_their_order() {
        let (mut upwards, mut downwards) = (Turns::default(), Turns::default());
        for n in 0..100 {
            upwards.replace(None, Some(&turn(n))).unwrap();
        }
        for n in (0..100).rev() {
            downwards.replace(None, Some(&turn(n))).unwrap();
        }
        assert_eq!(upwards, downwards);
        assert_eq!((names(&upwards).len(), names(&upwards)[31], upwards.beyond), (MAX_TURNS, "turn 31", 68));
    }

    #[test]
    fn a_turn_that_grows_stays_and_one_that_leaves_makes_room_for_nobody_knows_whom() {
        let mut turns = Turns::default();
        for n in 0..40 {
            turns.replace(None, Some(&turn(n))).unwrap();
        }
        let mut grown = turn(3);
        grown.trace.total_tokens = 7;
        assert_eq!(turns.replace(Some(&turn(3)), Some(&grown)), Ok(()));
        assert_eq!(turns.first()[3].tokens, 7);
        assert_eq!(turns.replace(Some(&turn(39)), None), Ok(()));
        assert_eq!(turns.beyond, 7);
        assert_eq!(turns.clone().replace(Some(&grown), None), Err(Stale));
        assert_eq!(turns.replace(Some(&grown), Some(&turn(90))), Err(Stale));
    }
}
