//! Goals: which sessions reach them, and with which of their turns.
//!
//! Sessions are joined with their turns by shares of all sessions: a share is small enough to stay near the processor,
//! and each is joined on its own.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use tantivy::columnar::Column;
use tantivy::{DocId, SegmentReader, TantivyError};
use throughline_model::Timestamp;

use super::Reading;
use super::analytics::{NO_SESSION, Numbers};
use super::columns::{BATCH, values};
use super::conditions::term;
use super::references::Identity;
use crate::domain::analytics::{Goal, GoalGatherer, GoalReport, Interval, Selection, Values};
use crate::domain::filter::{Filter, Target};
use crate::store::embedded::derived_index::kind;
use crate::store::embedded::key::text_key;
use crate::store::embedded::snapshot::IndexError;

impl Reading {
    pub(crate) fn goal(
        &self,
        selection: &Selection,
        goal: &Goal,
        interval: Interval,
    ) -> Result<GoalReport, IndexError> {
        let derived = &self.snapshot.derived;
        let all = self.selected(selection, Filter::All)?;
        let mut parts = self.fold(derived, &*all, |segment, docs| {
            let (start, mut gatherer) = (Numbers::open(segment, "start")?, GoalGatherer::new(interval));
            for docs in docs.chunks(BATCH) {
                let times = start.values(docs).into_iter().map(Timestamp::from_nanos);
                times.for_each(|start| gatherer.count(selection.counts_at(start)));
            }
            Ok(gatherer)
        })?;
        let reached = self.selected(selection, goal.filter.clone())?;
        let begun = self.fold(derived, &*reached, |segment, docs| {
            let session: Option<Column<u64>> = segment.fast_fields().column_opt("session_ref")?;
            let (start, mut gatherer) = (Numbers::open(segment, "start")?, GoalGatherer::new(interval));
            let mut begun = Shares::default();
            for docs in docs.chunks(BATCH) {
                let sessions = values(session.as_ref(), docs, NO_SESSION);
                for (session, start) in sessions.into_iter().zip(start.values(docs)) {
                    let start = Timestamp::from_nanos(start);
                    gatherer.count_reached(selection.counts_at(start));
                    if session != NO_SESSION {
                        begun.push(session, Begun { session, start });
                    }
                }
            }
            Ok((gatherer, begun))
        })?;
        let (counted, begun): (Vec<_>, Vec<_>) = begun.into_iter().unzip();
        parts.extend(counted);
        if let Some(turn) = &goal.turn {
            parts.extend(self.deciding_turns(turn, selection.now, begun, interval)?);
        }
        let all = parts.into_iter().reduce(GoalGatherer::merge);
        let (counts, values) = all.unwrap_or_else(|| GoalGatherer::new(interval)).into_parts();
        Ok(counts.finish(self.executor.map(|values: Values| Ok(values.spread()), values.into_iter())?))
    }

    /// Of these sessions, when, after how many turns and at what cost the first of their turns came that the filter
    /// finds.
    fn deciding_turns(
        &self,
        filter: &Filter,
        now: Timestamp,
        begun: Vec<Shares<Begun>>,
        interval: Interval,
    ) -> Result<Vec<GoalGatherer>, IndexError> {
        let derived = &self.snapshot.derived;
        let sessions = Sieve::of(&begun);
        let deciding = self.derived(Target::Trace, filter, (None, None), now)?;
        let deciding = self.fold(derived, &*deciding, |_, docs| Ok(docs.to_vec()))?;
        let traces = term(self.snapshot.fields.derived.kind, &text_key(&self.project, kind::TRACE));
        let traces = self.fold(derived, &*traces, |_, docs| Ok(docs.to_vec()))?;
        let segments = derived.segment_readers().iter().zip(traces.iter().zip(&deciding));
        let turns = self
            .executor
            .map(|(segment, (traces, deciding))| turns(segment, traces, deciding, &sessions), segments)?;
        let shares = Shares::transposed(begun).into_iter().zip(Shares::transposed(turns));
        Ok(self.executor.map(|(begun, turns)| Ok(join(&begun, &turns, interval)), shares)?)
    }
}

struct Begun {
    session: u64,
    start: Timestamp,
}

struct Turn {
    session: u64,
    start: Timestamp,
    /// If it may decide.
    end: Option<Timestamp>,
    /// Picodollars; -1 if it is not known.
    cost: i64,
}

/// What is kept of a session while its turns are gone through.
struct Story {
    start: Timestamp,
    /// When the first turn began and ended that may decide.
    deciding: Option<(Timestamp, Timestamp)>,
    /// Turns up to and with that one.
    turns: u64,
    /// Picodollars, over those of which it is known.
    cost: Option<i64>,
}

/// The turns of sessions that may be among those looked at.
fn turns(
    segment: &SegmentReader,
    traces: &[DocId],
    deciding: &[DocId],
    sessions: &Sieve,
) -> Result<Shares<Turn>, TantivyError> {
    let session: Option<Column<u64>> = segment.fast_fields().column_opt("session_ref")?;
    let [start, end, cost] = ["start", "end", "cost"].map(|name| Numbers::open(segment, name));
    let (start, end, cost) = (start?, end?, cost?);
    let mut deciding = deciding.iter().copied().peekable();
    let mut turns = Shares::default();
    for docs in traces.chunks(BATCH) {
        let sessions_of = values(session.as_ref(), docs, NO_SESSION);
        let (start, end, cost) = (start.values(docs), end.values(docs), cost.values(docs));
        for (at, (doc, session)) in docs.iter().zip(sessions_of).enumerate() {
            while deciding.next_if(|deciding| deciding < doc).is_some() {}
            let decides = deciding.next_if_eq(doc).is_some();
            if !sessions.may_have(session) {
                continue;
            }
            let end = decides.then(|| Timestamp::from_nanos(end[at]));
            let start = Timestamp::from_nanos(start[at]);
            turns.push(session, Turn { session, start, end, cost: cost[at] });
        }
    }
    Ok(turns)
}

/// Goes through a share of the sessions.
fn join(begun: &[Vec<Begun>], turns: &[Vec<Turn>], interval: Interval) -> GoalGatherer {
    let mut stories: HashMap<u64, Story, BuildHasherDefault<Identity>> = HashMap::default();
    stories.reserve(begun.iter().map(Vec::len).sum());
    for Begun { session, start } in begun.iter().flatten() {
        stories.insert(*session, Story { start: *start, deciding: None, turns: 0, cost: None });
    }
    for turn in turns.iter().flatten() {
        let Some(end) = turn.end else { continue };
        if let Some(story) = stories.get_mut(&turn.session) {
            let deciding = (turn.start, end);
            story.deciding = Some(story.deciding.map_or(deciding, |known| known.min(deciding)));
        }
    }
    for turn in turns.iter().flatten() {
        let Some(story) = stories.get_mut(&turn.session) else { continue };
        if story.deciding.is_some_and(|(start, _)| turn.start <= start) {
            story.turns += 1;
            let cost = Some(turn.cost).filter(|cost| *cost != -1);
            story.cost = match (story.cost, cost) {
                (Some(sum), Some(part)) => Some(sum.saturating_add(part)),
                (sum, part) => sum.or(part),
            };
        }
    }
    let mut gatherer = GoalGatherer::new(interval);
    for story in stories.into_values() {
        if let Some((_, end)) = story.deciding {
            gatherer.reached(end.nanos_since(story.start), story.turns, story.cost);
        }
    }
    gatherer
}

/// Things of sessions, those of the same share of sessions together.
struct Shares<T>([Vec<T>; SHARES]);

const SHARES: usize = 128;

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Vec::new()))
    }
}

impl<T> Shares<T> {
    fn push(&mut self, session: u64, thing: T) {
        // Tables look at the lowest and the highest bits.
        self.0[(session >> 32) as usize % SHARES].push(thing);
    }

    /// By share, what each part has of it.
    fn transposed(parts: Vec<Self>) -> Vec<Vec<Vec<T>>> {
        let mut shares: Vec<Vec<Vec<T>>> = (0..SHARES).map(|_| Vec::with_capacity(parts.len())).collect();
        for part in parts {
            for (share, things) in shares.iter_mut().zip(part.0) {
                share.push(things);
            }
        }
        shares
    }
}

/// Lets sessions through, and few that are not meant.
struct Sieve {
    bits: Vec<u64>,
}

impl Sieve {
    fn of(sessions: &[Shares<Begun>]) -> Self {
        let sessions = || sessions.iter().flat_map(|part| part.0.iter().flatten());
        // Eight bits for each, of which at most one is set.
        let mut bits = vec![0; (sessions().count() / 8).max(1).next_power_of_two()];
        for Begun { session, .. } in sessions() {
            let (word, bit) = Self::place(&bits, *session);
            bits[word] |= bit;
        }
        Self { bits }
    }

    fn may_have(&self, session: u64) -> bool {
        let (word, bit) = Self::place(&self.bits, session);
        self.bits[word] & bit != 0
    }

    fn place(bits: &[u64], session: u64) -> (usize, u64) {
        ((session >> 6) as usize & (bits.len() - 1), 1 << (session & 63))
    }
}
