//! Lists by time, the latest first, are mostly answered by what is newest: only if that does not fill the page is
//! the rest looked at.

use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, Score, Searcher, SegmentReader};

/// From when on about the newest `count` documents of an index have their time in this column, if it has far more
/// than that. Only documents from before `until` count, if given.
pub(super) fn newest(
    searcher: &Searcher,
    column: &str,
    count: f64,
    until: Option<i64>,
) -> tantivy::Result<Option<i64>> {
    let mut segments = Vec::new();
    for segment in searcher.segment_readers() {
        if let Some(times) = segment.fast_fields().column_opt::<i64>(column)? {
            segments.push((
                times.min_value() as f64,
                times.max_value() as f64,
                f64::from(segment.num_docs()),
            ));
        }
    }
    let until = until.map_or(f64::INFINITY, |until| until as f64);
    // As if the times in each segment were spread evenly: a bad guess costs time, never rows.
    let before = |time: f64| -> f64 {
        let share = |&(min, max, docs): &(f64, f64, f64)| {
            docs * ((time - min) / (max - min).max(1.0)).clamp(0.0, 1.0)
        };
        segments.iter().map(share).sum()
    };
    let wanted = before(until) - count;
    if wanted < count {
        return Ok(None);
    }
    let (mut low, mut high) = segments
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), (min, max, _)| (low.min(*min), high.max(*max)));
    for _ in 0..60 {
        let middle = low + (high - low) / 2.0;
        if before(middle) < wanted { low = middle } else { high = middle }
    }
    Ok(Some(low as i64))
}

/// Asks one question of segments that hold anything from `since` on, and another of those that are wholly older.
#[derive(Debug, Clone)]
pub(super) struct BySegment {
    pub(super) column: &'static str,
    pub(super) since: i64,
    pub(super) newer: Arc<dyn Query>,
    pub(super) older: Arc<dyn Query>,
}

impl Query for BySegment {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let (column, since) = (self.column, self.since);
        let (newer, older) = (self.newer.weight(scoring)?, self.older.weight(scoring)?);
        Ok(Box::new(BySegmentWeight { column, since, newer, older }))
    }
}

struct BySegmentWeight {
    column: &'static str,
    since: i64,
    newer: Box<dyn Weight>,
    older: Box<dyn Weight>,
}

impl BySegmentWeight {
    fn of(&self, segment: &SegmentReader) -> tantivy::Result<&dyn Weight> {
        let times: Option<Column<i64>> = segment.fast_fields().column_opt(self.column)?;
        let is_older = times.is_some_and(|times| times.max_value() < self.since);
        Ok(if is_older { &*self.older } else { &*self.newer })
    }
}

impl Weight for BySegmentWeight {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        self.of(segment)?.scorer(segment, boost)
    }

    fn explain(&self, segment: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.of(segment)?.explain(segment, doc)
    }
}
