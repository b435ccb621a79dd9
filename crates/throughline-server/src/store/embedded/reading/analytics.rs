//! What many sessions say together: columns of the derived index, folded a segment at a time on all cores.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use rustc_hash::FxHashMap;
use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{EnableScoring, Query};
use tantivy::{DocId, Searcher, SegmentReader, TantivyError};
use throughline_model::Timestamp;

use super::Reading;
use super::columns::{BATCH, values};
use super::conditions::term;
use super::references::Identity;
use crate::domain::analytics::{
    Goal, GoalGatherer, GoalReport, Interval, Journeys, PathGatherer, PathTotals, Selection, SessionFacts,
    SessionStatistics, StatisticsGatherer, StepKind, Values,
};
use crate::domain::filter::{Filter, Target};
use crate::domain::lifecycle::Boundary;
use crate::store::embedded::derived_index::kind;
use crate::store::embedded::key::text_key;
use crate::store::embedded::snapshot::IndexError;

impl Reading {
    pub(crate) fn session_statistics(
        &self,
        selection: &Selection,
        interval: Interval,
    ) -> Result<SessionStatistics, IndexError> {
        let found = self.selected(selection, Filter::All)?;
        let gathered = self.fold(&self.snapshot.derived, &*found, |segment, docs| {
            let sessions = Sessions::open(segment, self.boundary)?;
            let turn_tokens: Option<Column<i64>> = segment.fast_fields().column_opt("turn_tokens")?;
            let mut gatherer = StatisticsGatherer::new(interval);
            sessions.each(docs, selection, |doc, facts| {
                gatherer.add(&facts, turn_tokens.iter().flat_map(|column| column.values_for_doc(doc)));
            });
            Ok(gatherer)
        })?;
        let all = gathered.into_iter().reduce(StatisticsGatherer::merge);
        let (counted, values) = all.unwrap_or_else(|| StatisticsGatherer::new(interval)).into_parts();
        let spread = self.executor.map(|values: Values| Ok(values.spread()), values.into_iter())?;
        Ok(counted.finish(spread))
    }

    pub(crate) fn journeys(
        &self,
        selection: &Selection,
        by: StepKind,
        funnel: &[String],
    ) -> Result<Journeys, IndexError> {
        let found = self.selected(selection, Filter::All)?;
        let paths = self.fold(&self.snapshot.derived, &*found, |segment, docs| {
            let steps = match by {
                StepKind::Name => segment.fast_fields().str("turn_name")?,
                StepKind::Tag => segment.fast_fields().str("turn_tag")?,
            };
            steps.map_or(Ok(Vec::new()), |steps| paths(segment, docs, &steps, (selection, self.boundary)))
        })?;
        let mut gatherer = PathGatherer::default();
        for (path, totals) in paths.into_iter().flatten() {
            gatherer.add(path, &totals);
        }
        Ok(gatherer.finish(funnel))
    }

    pub(crate) fn goal(
        &self,
        selection: &Selection,
        goal: &Goal,
        interval: Interval,
    ) -> Result<GoalReport, IndexError> {
        let mut gatherer = GoalGatherer::new(interval);
        for (_, start) in self.starts(&*self.selected(selection, Filter::All)?)? {
            gatherer.count(selection.counts_at(start));
        }
        let reached = self.starts(&*self.selected(selection, goal.filter.clone())?)?;
        for (_, start) in &reached {
            gatherer.count_reached(selection.counts_at(*start));
        }
        if let Some(turn) = &goal.turn {
            let numbered = number(&reached);
            let deciding = self.deciding_turns(turn, selection.now, &numbered)?;
            let sums = self.up_to(&deciding, &numbered)?;
            for (((_, start), turn), sums) in reached.into_iter().zip(&deciding).zip(&sums) {
                if let Some(turn) = turn {
                    gatherer.reached(turn.end.nanos_since(start), sums.turns, sums.cost);
                }
            }
        }
        Ok(gatherer.finish())
    }

    /// The query for the sessions selected that `further` finds too.
    pub(super) fn selected(
        &self,
        selection: &Selection,
        further: Filter,
    ) -> Result<Box<dyn Query>, IndexError> {
        let filter = Filter::all_of([selection.filter.clone(), further]);
        self.derived(Target::Session, &filter, (selection.from, selection.to), selection.now)
    }

    /// By reference, when each of the sessions found began.
    pub(super) fn starts(&self, found: &dyn Query) -> Result<Vec<(u64, Timestamp)>, IndexError> {
        let starts = self.fold(&self.snapshot.derived, found, |segment, docs| {
            let session: Option<Column<u64>> = segment.fast_fields().column_opt("session_ref")?;
            let start = Numbers::open(segment, "start")?;
            let mut starts = Vec::with_capacity(docs.len());
            for docs in docs.chunks(BATCH) {
                let sessions = values(session.as_ref(), docs, NO_SESSION);
                let times = start.values(docs).into_iter().map(Timestamp::from_nanos);
                starts.extend(sessions.into_iter().zip(times).filter(|(session, _)| *session != NO_SESSION));
            }
            Ok(starts)
        })?;
        Ok(starts.concat())
    }

    /// Of each session numbered, the first of its turns that matches.
    fn deciding_turns(
        &self,
        filter: &Filter,
        now: Timestamp,
        sessions: &Numbered,
    ) -> Result<Vec<Option<Spell>>, IndexError> {
        let found = self.derived(Target::Trace, filter, (None, None), now)?;
        let turns = self.fold(&self.snapshot.derived, &*found, |segment, docs| {
            let (start, end) = (Numbers::open(segment, "start")?, Numbers::open(segment, "end")?);
            let mut turns = Vec::new();
            each_numbered(segment, docs, sessions, |docs, numbers| {
                let (start, end) = (start.values(docs), end.values(docs));
                for (at, number) in numbers {
                    let time = |nanos: &[i64]| Timestamp::from_nanos(nanos[at]);
                    turns.push((number, Spell { start: time(&start), end: time(&end) }));
                }
            })?;
            Ok(turns)
        })?;
        let mut first: Vec<Option<Spell>> = vec![None; sessions.len()];
        for (session, spell) in turns.into_iter().flatten() {
            let known = &mut first[session as usize];
            *known = Some(known.map_or(spell, |known| known.min(spell)));
        }
        Ok(first)
    }

    /// Of each session numbered, what its turns up to and with the deciding one come to.
    fn up_to(&self, deciding: &[Option<Spell>], sessions: &Numbered) -> Result<Vec<TurnSums>, IndexError> {
        let traces = term(self.snapshot.fields.derived.kind, &text_key(&self.project, kind::TRACE));
        let turns = self.fold(&self.snapshot.derived, &*traces, |segment, docs| {
            let (start, cost) = (Numbers::open(segment, "start")?, Numbers::open(segment, "cost")?);
            let mut turns = Vec::new();
            each_numbered(segment, docs, sessions, |docs, numbers| {
                let (start, cost) = (start.values(docs), cost.values(docs));
                for (at, number) in numbers {
                    let counts = deciding[number as usize]
                        .is_some_and(|turn| Timestamp::from_nanos(start[at]) <= turn.start);
                    if counts {
                        turns.push((number, cost[at]));
                    }
                }
            })?;
            Ok(turns)
        })?;
        let mut sums = vec![TurnSums::default(); deciding.len()];
        for (session, cost) in turns.into_iter().flatten() {
            let sums = &mut sums[session as usize];
            sums.turns += 1;
            sums.cost = match (sums.cost, Some(cost).filter(|cost| *cost != -1)) {
                (Some(sum), Some(part)) => Some(sum.saturating_add(part)),
                (sum, part) => sum.or(part),
            };
        }
        Ok(sums)
    }

    /// Runs `fold` over the documents found in each segment.
    pub(super) fn fold<T: Send>(
        &self,
        searcher: &Searcher,
        found: &dyn Query,
        fold: impl Fn(&SegmentReader, &[DocId]) -> Result<T, TantivyError> + Sync,
    ) -> Result<Vec<T>, IndexError> {
        let weight = found.weight(EnableScoring::disabled_from_searcher(searcher))?;
        let of_segment = |segment: &SegmentReader| {
            let alive = segment.alive_bitset();
            let mut docs = Vec::new();
            weight.for_each_no_score(segment, &mut |some| {
                docs.extend(some.iter().filter(|doc| alive.is_none_or(|alive| alive.is_alive(**doc))));
            })?;
            fold(segment, &docs)
        };
        Ok(self.executor.map(of_segment, searcher.segment_readers().iter())?)
    }
}

/// When a turn went on; the earlier start is less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Spell {
    start: Timestamp,
    end: Timestamp,
}

#[derive(Debug, Clone, Copy, Default)]
struct TurnSums {
    turns: u64,
    /// Picodollars, over the turns of which it is known.
    cost: Option<i64>,
}

/// By reference, the number of each session among those that are looked at.
pub(super) type Numbered = HashMap<u64, u32, BuildHasherDefault<Identity>>;

/// The reference of no session: one in 10¹⁹ sessions would have it, too, and not be counted.
const NO_SESSION: u64 = u64::MAX;

pub(super) fn number(starts: &[(u64, Timestamp)]) -> Numbered {
    starts.iter().map(|(session, _)| *session).zip(0..).collect()
}

/// Calls `each` with some of the documents at a time, and which of them belong to what numbered session.
fn each_numbered(
    segment: &SegmentReader,
    docs: &[DocId],
    sessions: &Numbered,
    mut each: impl FnMut(&[DocId], &mut dyn Iterator<Item = (usize, u32)>),
) -> Result<(), TantivyError> {
    let column: Option<Column<u64>> = segment.fast_fields().column_opt("session_ref")?;
    for docs in docs.chunks(BATCH) {
        let references = values(column.as_ref(), docs, NO_SESSION);
        let number = |(at, reference): (usize, &u64)| Some((at, *sessions.get(reference)?));
        each(docs, &mut references.iter().enumerate().filter_map(number));
    }
    Ok(())
}

/// A column of whole numbers, which a segment need not have.
struct Numbers(Option<Column<i64>>);

impl Numbers {
    fn open(segment: &SegmentReader, name: &str) -> Result<Self, TantivyError> {
        segment.fast_fields().column_opt(name).map(Self)
    }

    fn values(&self, docs: &[DocId]) -> Vec<i64> {
        values(self.0.as_ref(), docs, 0)
    }
}

/// The columns of one segment's sessions.
struct Sessions {
    start: Numbers,
    end: Numbers,
    active: Numbers,
    turns: Numbers,
    tokens: Numbers,
    cost: Numbers,
    errors: Numbers,
    ended: Numbers,
    last_failed: Numbers,
    boundary: Boundary,
}

impl Sessions {
    fn open(segment: &SegmentReader, boundary: Boundary) -> Result<Self, TantivyError> {
        let numbers = |name| Numbers::open(segment, name);
        Ok(Self {
            start: numbers("start")?,
            end: numbers("end")?,
            active: numbers("active")?,
            turns: numbers("traces")?,
            tokens: numbers("tokens")?,
            cost: numbers("cost")?,
            errors: numbers("errors")?,
            ended: numbers("ended")?,
            last_failed: numbers("last_failed")?,
            boundary,
        })
    }

    /// Calls `each` with every one of these sessions.
    fn each(&self, docs: &[DocId], selection: &Selection, mut each: impl FnMut(DocId, SessionFacts)) {
        for docs in docs.chunks(BATCH) {
            let columns = [
                &self.start,
                &self.end,
                &self.active,
                &self.turns,
                &self.tokens,
                &self.cost,
                &self.errors,
                &self.ended,
                &self.last_failed,
            ];
            let columns = columns.map(|column| column.values(docs));
            for (at, &doc) in docs.iter().enumerate() {
                let [start, end, active, turns, tokens, cost, errors, ended, last_failed] =
                    columns.each_ref().map(|column| column[at]);
                let (start, end) = (Timestamp::from_nanos(start), Timestamp::from_nanos(end));
                let count = |number: i64| u64::try_from(number).unwrap_or_default();
                let is_over = selection.is_over(ended == 1, end, self.boundary);
                let facts = SessionFacts {
                    time: selection.counts_at(start),
                    duration: end.nanos_since(start),
                    active,
                    turns: count(turns),
                    tokens: count(tokens),
                    cost: Some(cost).filter(|cost| *cost != -1),
                    errors: count(errors),
                    abandoned: last_failed == 1 && is_over,
                };
                each(doc, facts);
            }
        }
    }
}

type Paths = Vec<((Vec<String>, bool), PathTotals)>;

/// The paths of one segment's sessions, told apart by their steps' numbers and only then spelt out.
fn paths(
    segment: &SegmentReader,
    docs: &[DocId],
    steps: &StrColumn,
    (selection, boundary): (&Selection, Boundary),
) -> Result<Paths, TantivyError> {
    let sessions = Sessions::open(segment, boundary)?;
    let mut paths: FxHashMap<(Vec<u64>, bool), PathTotals> = FxHashMap::default();
    sessions.each(docs, selection, |doc, facts| {
        let path = PathGatherer::path(steps.ords().values_for_doc(doc));
        paths.entry(path).or_default().add(&PathTotals::of(&facts));
    });
    let mut used: Vec<u64> = paths.keys().flat_map(|(path, _)| path).copied().collect();
    used.sort_unstable();
    used.dedup();
    let mut names = Vec::with_capacity(used.len());
    steps.dictionary().sorted_ords_to_term_cb(&used, |name| {
        names.push(String::from_utf8_lossy(name).into_owned());
    })?;
    let name = |step: u64| used.binary_search(&step).ok().and_then(|index| names.get(index)).cloned();
    let spell = |path: Vec<u64>| path.into_iter().filter_map(name).collect();
    Ok(paths.into_iter().map(|((path, is_cut), totals)| ((spell(path), is_cut), totals)).collect())
}
