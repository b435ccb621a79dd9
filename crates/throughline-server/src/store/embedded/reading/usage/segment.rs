//! One segment's calls by group.

use tantivy::{DocId, SegmentReader, TantivyError};

use super::calls::{Columns, Needs, Summing};
use super::sums::{Detail, Series, Sums};
use crate::store::embedded::reading::columns::BATCH;

/// With so few groups, it costs less to gather all in detail at once than to come back for those that are answered.
const FEW: usize = 64;

/// The groups that occur in a segment.
pub(super) struct Found {
    pub(super) names: Names,
    pub(super) sums: Vec<Sums>,
}

/// What it takes to tell the same groups in detail.
pub(super) struct Rest {
    /// Their numbers in the segment.
    groups: Vec<usize>,
    /// If they were gathered already.
    details: Option<Vec<Detail>>,
    /// Of all of them together.
    series: Series,
    docs: Vec<DocId>,
}

/// Names one after another.
#[derive(Default)]
pub(super) struct Names {
    text: String,
    ends: Vec<usize>,
}

/// Sums up these documents.
pub(super) fn sum(
    segment: &SegmentReader,
    docs: &[DocId],
    summing: Summing,
) -> Result<(Found, Rest), TantivyError> {
    let are_few = summing.names(segment)? <= FEW;
    let needs = Needs { sums: true, durations: are_few, points: summing.interval.is_some() };
    let columns = Columns::open(segment, summing, needs)?;
    // The last one is for what has no name.
    let mut sums = vec![Sums::default(); columns.names() + 1];
    let (mut series, mut details) = (Series::default(), Vec::new());
    details.resize_with(if are_few { sums.len() } else { 0 }, Detail::default);
    for docs in docs.chunks(BATCH) {
        let (groups, batch) = (columns.groups(docs), columns.read(docs));
        for (at, &doc) in docs.iter().enumerate() {
            let Some(calls) = batch.calls(at) else { continue };
            groups.each(at, doc, |group| {
                sums[group].add_calls(&calls);
                if let Some(detail) = details.get_mut(group) {
                    detail.add_calls(&calls, summing.interval);
                } else if let Some(interval) = summing.interval {
                    series.add_calls(&calls, interval);
                }
            });
        }
    }
    details.iter().for_each(|detail: &Detail| series.add(&detail.series));
    let used: Vec<usize> = (0..sums.len()).filter(|group| sums[*group].observations > 0).collect();
    let sum = |group: &usize| sums[*group].with_buckets(columns.all_buckets(sums[*group].buckets));
    let found = Found { names: names(&columns, &used)?, sums: used.iter().map(sum).collect() };
    let details = are_few.then(|| used.iter().map(|group| std::mem::take(&mut details[*group])).collect());
    let docs = if are_few { Vec::new() } else { docs.to_vec() };
    Ok((found, Rest { groups: used, details, series, docs }))
}

fn names(columns: &Columns, groups: &[usize]) -> Result<Names, TantivyError> {
    let mut names = Names::default();
    let ords: Vec<u64> =
        groups.iter().filter(|group| **group < columns.names()).map(|group| *group as u64).collect();
    if let Some(column) = &columns.group {
        // One pass over the dictionary: looked up one by one, each name would unpack a block of it.
        column
            .dictionary()
            .sorted_ords_to_term_cb(&ords, |name| names.push(&String::from_utf8_lossy(name)))?;
    }
    if ords.len() < groups.len() {
        names.push("");
    }
    Ok(names)
}

impl Names {
    fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }
}

impl Rest {
    /// What its groups are in detail, where `places` says of each what place that is among those chosen; and the series of
    /// all others, whose place is `chosen`.
    pub(super) fn details(
        mut self,
        segment: &SegmentReader,
        summing: Summing,
        places: &[u32],
        chosen: usize,
    ) -> Result<(Vec<Detail>, Series), TantivyError> {
        let mut by_place: Vec<Detail> = Vec::new();
        by_place.resize_with(chosen, Detail::default);
        match self.details.take() {
            Some(details) => {
                for (detail, place) in details.into_iter().zip(places) {
                    if let Some(known) = by_place.get_mut(*place as usize) {
                        known.add(detail);
                    }
                }
            }
            None => self.gather(segment, summing, places, &mut by_place)?,
        }
        let mut others = self.series;
        by_place.iter().for_each(|detail| others.subtract(&detail.series));
        Ok((by_place, others))
    }

    /// Goes through the documents again for the groups chosen.
    fn gather(
        &self,
        segment: &SegmentReader,
        summing: Summing,
        places: &[u32],
        by_place: &mut [Detail],
    ) -> Result<(), TantivyError> {
        let needs = Needs { sums: false, durations: true, points: summing.interval.is_some() };
        let columns = Columns::open(segment, summing, needs)?;
        let mut place_of = vec![by_place.len(); columns.names() + 1];
        for (group, place) in self.groups.iter().zip(places) {
            place_of[*group] = *place as usize;
        }
        for docs in self.docs.chunks(BATCH) {
            let groups = columns.groups(docs);
            let is_chosen = |(at, &doc): (usize, &DocId)| {
                let mut is_chosen = false;
                groups.each(at, doc, |group| is_chosen |= place_of[group] < by_place.len());
                is_chosen.then_some(doc)
            };
            let docs: Vec<DocId> = docs.iter().enumerate().filter_map(is_chosen).collect();
            let (groups, batch) = (columns.groups(&docs), columns.read(&docs));
            for (at, &doc) in docs.iter().enumerate() {
                let Some(calls) = batch.calls(at) else { continue };
                groups.each(at, doc, |group| {
                    if let Some(detail) = by_place.get_mut(place_of[group]) {
                        detail.add_calls(&calls, summing.interval);
                    }
                });
            }
        }
        Ok(())
    }
}
