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
use super::references::Identity;
use crate::domain::analytics::{
    Interval, Journeys, PathGatherer, PathTotals, Selection, SessionFacts, SessionStatistics,
    StatisticsGatherer, StepKind, StepPath, Values,
};
use crate::domain::filter::{Filter, Target};
use crate::domain::lifecycle::Boundary;
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
            let paths = steps.map(|steps| paths(segment, docs, &steps, (selection, self.boundary)));
            paths.unwrap_or_else(|| Ok(Paths::default()))
        })?;
        let mut gatherer = PathGatherer::default();
        for Paths { names, paths } in paths {
            gatherer.add_numbered(&names, paths.into_iter());
        }
        Ok(gatherer.finish(funnel))
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

/// By reference, the number of each session among those that are looked at.
pub(super) type Numbered = HashMap<u64, u32, BuildHasherDefault<Identity>>;

/// The reference of no session: one in 10¹⁹ sessions would have it, too, and not be counted.
pub(super) const NO_SESSION: u64 = u64::MAX;

pub(super) fn number(starts: &[(u64, Timestamp)]) -> Numbered {
    starts.iter().map(|(session, _)| *session).zip(0..).collect()
}

/// A column of whole numbers, which a segment need not have.
pub(super) struct Numbers(Option<Column<i64>>);

impl Numbers {
    pub(super) fn open(segment: &SegmentReader, name: &str) -> Result<Self, TantivyError> {
        segment.fast_fields().column_opt(name).map(Self)
    }

    pub(super) fn values(&self, docs: &[DocId]) -> Vec<i64> {
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

/// The paths of one segment's sessions, by the numbers of their steps' names.
#[derive(Default)]
struct Paths {
    names: Vec<String>,
    paths: FxHashMap<StepPath, PathTotals>,
}

fn paths(
    segment: &SegmentReader,
    docs: &[DocId],
    steps: &StrColumn,
    (selection, boundary): (&Selection, Boundary),
) -> Result<Paths, TantivyError> {
    let sessions = Sessions::open(segment, boundary)?;
    let numbers = numbers_of_used(docs, steps);
    let mut paths: FxHashMap<StepPath, PathTotals> = FxHashMap::default();
    sessions.each(docs, selection, |doc, facts| {
        let path = StepPath::of(steps.ords().values_for_doc(doc).map(|step| numbers[step as usize]));
        paths.entry(path).or_default().add(&PathTotals::of(&facts));
    });
    let used = (0..).zip(&numbers).filter(|(_, number)| **number != UNUSED).map(|(step, _)| step);
    let used: Vec<u64> = used.collect();
    let mut names = Vec::with_capacity(used.len());
    steps.dictionary().sorted_ords_to_term_cb(&used, |name| {
        names.push(String::from_utf8_lossy(name).into_owned());
    })?;
    if names.len() < used.len() {
        return Err(TantivyError::InternalError("the index has no names for some of its steps".to_owned()));
    }
    Ok(Paths { names, paths })
}

const UNUSED: u32 = u32::MAX;

/// The number of each step among those that these documents take.
fn numbers_of_used(docs: &[DocId], steps: &StrColumn) -> Vec<u32> {
    let mut numbers = vec![UNUSED; steps.num_terms()];
    for step in docs.iter().flat_map(|doc| steps.ords().values_for_doc(*doc)) {
        numbers[step as usize] = 0;
    }
    let used = numbers.iter_mut().filter(|number| **number != UNUSED);
    used.zip(0..).for_each(|(number, place)| *number = place);
    numbers
}
