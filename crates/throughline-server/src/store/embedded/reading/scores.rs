//! What scores say in many sessions: the columns of scores, joined to the sessions that are selected.

use rustc_hash::FxHashMap;
use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, SegmentReader, TantivyError};
use throughline_model::Timestamp;

use super::Reading;
use super::analytics::{Numbered, number};
use super::columns::{BATCH, values};
use super::conditions::term;
use crate::domain::analytics::{Interval, ScoreGatherer, ScoreStatistics, Selection};
use crate::domain::filter::Filter;
use crate::store::embedded::key::text_key;
use crate::store::embedded::snapshot::IndexError;
use crate::store::embedded::span_index::mark;

/// The scores with one name, and the numbers of the sessions that they are in.
struct Named {
    gatherer: ScoreGatherer,
    sessions: Members,
}

impl Reading {
    pub(crate) fn score_statistics(
        &self,
        selection: &Selection,
        interval: Interval,
    ) -> Result<Vec<ScoreStatistics>, IndexError> {
        let starts = self.starts(&*self.selected(selection, Filter::All)?)?;
        let times: Vec<Timestamp> =
            starts.iter().map(|(_, start)| interval.floor(selection.counts_at(*start))).collect();
        let numbered = number(&starts);
        let scores = term(self.snapshot.fields.span.mark, &text_key(&self.project, mark::SCORE));
        let of_segments = self.fold(&self.snapshot.spans, &*scores, |segment, docs| {
            gather(segment, docs, &numbered, &times, interval)
        })?;
        let mut names: FxHashMap<String, Named> = FxHashMap::default();
        for (name, more) in of_segments.into_iter().flatten() {
            let all = match names.remove(&name) {
                Some(known) => known.merge(more),
                None => more,
            };
            names.insert(name, all);
        }
        let finish = |(name, named): (String, Named)| {
            let sessions = named.sessions.len();
            named.gatherer.finish(name, sessions)
        };
        let mut scores: Vec<ScoreStatistics> = names.into_iter().map(finish).collect();
        scores.sort_by(|a, b| b.scores.cmp(&a.scores).then_with(|| a.name.cmp(&b.name)));
        Ok(scores)
    }
}

impl Named {
    fn new(interval: Interval, sessions: usize) -> Self {
        Self { gatherer: ScoreGatherer::new(interval), sessions: Members::of(sessions) }
    }

    fn merge(self, more: Self) -> Self {
        Self { gatherer: self.gatherer.merge(more.gatherer), sessions: self.sessions.union(&more.sessions) }
    }
}

/// Some of the sessions selected, a bit for each.
struct Members(Vec<u64>);

impl Members {
    /// None of so many.
    fn of(sessions: usize) -> Self {
        Self(vec![0; sessions.div_ceil(64)])
    }

    fn insert(&mut self, session: u32) {
        self.0[session as usize / 64] |= 1 << (session % 64);
    }

    fn union(mut self, more: &Self) -> Self {
        self.0.iter_mut().zip(&more.0).for_each(|(all, some)| *all |= some);
        self
    }

    fn len(&self) -> u64 {
        self.0.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }
}

/// The scores of one segment by name. Labels are told apart by their numbers and only then spelt out.
fn gather(
    segment: &SegmentReader,
    docs: &[DocId],
    numbered: &Numbered,
    times: &[Timestamp],
    interval: Interval,
) -> Result<Vec<(String, Named)>, TantivyError> {
    let columns = segment.fast_fields();
    let Some(names) = columns.str("score_name")? else { return Ok(Vec::new()) };
    let session: Option<Column<u64>> = columns.column_opt("session_ref")?;
    let numbers: Option<Column<f64>> = columns.column_opt("score_number")?;
    let labels: Option<StrColumn> = columns.str("score_label")?;
    let mut of_names: FxHashMap<u64, Named> = FxHashMap::default();
    let mut labelled: FxHashMap<(u64, u64, Timestamp), u64> = FxHashMap::default();
    for docs in docs.chunks(BATCH) {
        let sessions = values(session.as_ref(), docs, u64::MAX);
        let of_docs = values(Some(names.ords()), docs, u64::MAX);
        let numbers = values(numbers.as_ref(), docs, f64::NAN);
        let labels = values(labels.as_ref().map(|column| column.ords()), docs, u64::MAX);
        for (at, &name) in of_docs.iter().enumerate() {
            let Some(&session) = numbered.get(&sessions[at]) else { continue };
            let named = of_names.entry(name).or_insert_with(|| Named::new(interval, times.len()));
            named.sessions.insert(session);
            let time = times[session as usize];
            if numbers[at].is_nan() {
                *labelled.entry((name, labels[at], time)).or_default() += 1;
            } else {
                named.gatherer.number(time, numbers[at]);
            }
        }
    }
    let mut text = String::new();
    for ((name, label, time), count) in labelled {
        if label == u64::MAX {
            of_names.entry(name).and_modify(|named| named.gatherer.texts(time, count));
            continue;
        }
        text.clear();
        let known = labels.as_ref().map_or(Ok(false), |labels| labels.ord_to_str(label, &mut text))?;
        if let Some(named) = of_names.get_mut(&name).filter(|_| known) {
            named.gatherer.label(time, &text, count);
        }
    }
    let spell = |(name, named)| {
        let mut text = String::new();
        names.ord_to_str(name, &mut text)?;
        Ok((text, named))
    };
    of_names.into_iter().map(spell).collect()
}
