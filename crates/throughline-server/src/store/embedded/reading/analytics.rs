//! What many sessions say together: columns of the derived index, folded a segment at a time on all cores.

use rustc_hash::{FxHashMap, FxHashSet};
use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{EnableScoring, Query};
use tantivy::{DocId, Searcher, SegmentReader, TantivyError};
use throughline_model::Timestamp;

use super::Reading;
use super::filter::term;
use crate::domain::analytics::{
    Goal, GoalGatherer, GoalReport, Interval, Journeys, PathGatherer, PathTotals, Selection, SessionFacts,
    SessionStatistics, StatisticsGatherer, StepKind,
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
            for &doc in docs {
                let tokens = turn_tokens.iter().flat_map(|column| column.values_for_doc(doc));
                gatherer.add(&sessions.facts(doc, selection), tokens);
            }
            Ok(gatherer)
        })?;
        let all = gathered.into_iter().reduce(StatisticsGatherer::merge);
        Ok(all.unwrap_or_else(|| StatisticsGatherer::new(interval)).finish())
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
            let sessions: FxHashSet<u64> = reached.iter().map(|(session, _)| *session).collect();
            let deciding = self.deciding_turns(turn, selection.now, &sessions)?;
            let before = self.up_to(&deciding)?;
            for (session, start) in reached {
                if let (Some(turn), Some(sums)) = (deciding.get(&session), before.get(&session)) {
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
            let (session, start) = (References::open(segment)?, Numbers::open(segment, "start")?);
            let row = |doc: &DocId| Some((session.get(*doc)?, start.time(*doc)));
            Ok(docs.iter().filter_map(row).collect::<Vec<_>>())
        })?;
        Ok(starts.concat())
    }

    /// By session, the first of its turns that matches.
    fn deciding_turns(
        &self,
        filter: &Filter,
        now: Timestamp,
        sessions: &FxHashSet<u64>,
    ) -> Result<FxHashMap<u64, Spell>, IndexError> {
        let found = self.derived(Target::Trace, filter, (None, None), now)?;
        let turns = self.fold(&self.snapshot.derived, &*found, |segment, docs| {
            let session = References::open(segment)?;
            let (start, end) = (Numbers::open(segment, "start")?, Numbers::open(segment, "end")?);
            let row = |doc: &DocId| {
                let session = session.get(*doc).filter(|session| sessions.contains(session))?;
                Some((session, Spell { start: start.time(*doc), end: end.time(*doc) }))
            };
            Ok(docs.iter().filter_map(row).collect::<Vec<_>>())
        })?;
        let mut first: FxHashMap<u64, Spell> = FxHashMap::default();
        for (session, spell) in turns.into_iter().flatten() {
            let known = first.entry(session).or_insert(spell);
            *known = spell.min(*known);
        }
        Ok(first)
    }

    /// By session, what its turns up to and with the deciding one come to.
    fn up_to(&self, deciding: &FxHashMap<u64, Spell>) -> Result<FxHashMap<u64, TurnSums>, IndexError> {
        let traces = term(self.snapshot.fields.derived.kind, &text_key(&self.project, kind::TRACE));
        let turns = self.fold(&self.snapshot.derived, &*traces, |segment, docs| {
            let session = References::open(segment)?;
            let (start, cost) = (Numbers::open(segment, "start")?, Numbers::open(segment, "cost")?);
            let row = |doc: &DocId| {
                let session = session.get(*doc)?;
                let counts = deciding.get(&session).is_some_and(|turn| start.time(*doc) <= turn.start);
                counts.then(|| (session, cost.known(*doc)))
            };
            Ok(docs.iter().filter_map(row).collect::<Vec<_>>())
        })?;
        let mut sums: FxHashMap<u64, TurnSums> = FxHashMap::default();
        for (session, cost) in turns.into_iter().flatten() {
            let sums = sums.entry(session).or_default();
            sums.turns += 1;
            sums.cost = match (sums.cost, cost) {
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

/// A column of whole numbers, which a segment need not have.
struct Numbers(Option<Column<i64>>);

impl Numbers {
    fn open(segment: &SegmentReader, name: &str) -> Result<Self, TantivyError> {
        segment.fast_fields().column_opt(name).map(Self)
    }

    fn get(&self, doc: DocId) -> i64 {
        self.0.as_ref().and_then(|column| column.first(doc)).unwrap_or_default()
    }

    fn count(&self, doc: DocId) -> u64 {
        u64::try_from(self.get(doc)).unwrap_or_default()
    }

    fn time(&self, doc: DocId) -> Timestamp {
        Timestamp::from_nanos(self.get(doc))
    }

    /// Cost, of which -1 means that it is not known.
    fn known(&self, doc: DocId) -> Option<i64> {
        Some(self.get(doc)).filter(|cost| *cost != -1)
    }
}

/// Which session a document belongs to.
struct References(Option<Column<u64>>);

impl References {
    fn open(segment: &SegmentReader) -> Result<Self, TantivyError> {
        segment.fast_fields().column_opt("session_ref").map(Self)
    }

    fn get(&self, doc: DocId) -> Option<u64> {
        self.0.as_ref()?.first(doc)
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

    fn facts(&self, doc: DocId, selection: &Selection) -> SessionFacts {
        let (start, end) = (self.start.time(doc), self.end.time(doc));
        let is_over = selection.is_over(self.ended.get(doc) == 1, end, self.boundary);
        SessionFacts {
            time: selection.counts_at(start),
            duration: end.nanos_since(start),
            active: self.active.get(doc),
            turns: self.turns.count(doc),
            tokens: self.tokens.count(doc),
            cost: self.cost.known(doc),
            errors: self.errors.count(doc),
            abandoned: self.last_failed.get(doc) == 1 && is_over,
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
    for &doc in docs {
        let path = PathGatherer::path(steps.ords().values_for_doc(doc));
        let facts = sessions.facts(doc, selection);
        paths.entry(path).or_default().add(&PathTotals::of(&facts));
    }
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
