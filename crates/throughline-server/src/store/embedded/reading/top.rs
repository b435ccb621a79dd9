//! The best so many documents of a query by a column, ties broken by id, from a given place on.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use tantivy::columnar::{Column, StrColumn, TermOrdHit};
use tantivy::query::{EnableScoring, Query};
use tantivy::{DocAddress, DocId, Searcher, SegmentReader};

use crate::store::embedded::snapshot::IndexError;

/// Which column orders the rows, which one breaks ties, and which rows are wanted.
#[derive(Debug, Clone)]
pub(super) struct Order<'a> {
    pub(super) value: &'static str,
    pub(super) id: &'static str,
    /// Turns both around: the largest value first, and among equals the largest id.
    pub(super) descending: bool,
    /// Only rows behind this one.
    pub(super) after: Option<(i64, &'a str)>,
    pub(super) limit: usize,
}

/// A segment by its place in the index, with the column that orders its rows.
type Segment<'s> = (u32, &'s SegmentReader, Column<i64>);

/// One row found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) value: i64,
    pub(super) id: String,
    pub(super) address: DocAddress,
}

impl Order<'_> {
    fn turn(&self, ordering: Ordering) -> Ordering {
        if self.descending { ordering.reverse() } else { ordering }
    }

    /// The rows in order, at most `limit`.
    pub(super) fn search(&self, searcher: &Searcher, query: &dyn Query) -> Result<Vec<Row>, IndexError> {
        let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
        let mut best: Vec<Row> = Vec::new();
        for (ord, segment, column) in self.segments(searcher)? {
            let worst = (best.len() >= self.limit).then(|| best[self.limit - 1].value);
            let promising = if self.descending { column.max_value() } else { column.min_value() };
            if worst.is_some_and(|worst| self.turn(promising.cmp(&worst)) == Ordering::Greater) {
                continue;
            }
            let ids = segment.fast_fields().str(self.id)?;
            let mut heap = Heap { order: self, column, worst, rows: BinaryHeap::new(), after: None, ids };
            heap.set_after()?;
            let alive = segment.alive_bitset();
            weight.for_each_no_score(segment, &mut |docs| {
                for &doc in docs {
                    if alive.is_none_or(|alive| alive.is_alive(doc)) {
                        heap.offer(doc);
                    }
                }
            })?;
            heap.into_rows(ord, &mut best)?;
            best.sort_by(|a, b| self.turn(a.cmp(b)));
            best.truncate(self.limit);
        }
        Ok(best)
    }

    /// Segments that have the column, the most promising first.
    fn segments<'s>(&self, searcher: &'s Searcher) -> Result<Vec<Segment<'s>>, IndexError> {
        let mut segments = Vec::new();
        for (ord, segment) in (0..).zip(searcher.segment_readers()) {
            if let Some(column) = segment.fast_fields().column_opt::<i64>(self.value)? {
                segments.push((ord, segment, column));
            }
        }
        if self.descending {
            segments.sort_by_key(|(.., column)| std::cmp::Reverse(column.max_value()));
        } else {
            segments.sort_by_key(|(.., column)| column.min_value());
        }
        Ok(segments)
    }
}

/// The best rows of one segment. Ids are compared by their place in the segment's dictionary.
struct Heap<'a> {
    order: &'a Order<'a>,
    column: Column<i64>,
    ids: Option<StrColumn>,
    /// Values behind this one are not wanted any more.
    worst: Option<i64>,
    /// The row to begin behind: its value, where its id is or would be in the dictionary, and whether it is there.
    after: Option<(i64, u64, bool)>,
    /// The worst on top.
    rows: BinaryHeap<Ranked>,
}

/// Sorts by what comes first in the list, whichever the direction: `rank` is turned around already.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    rank: (i64, i64),
    doc: DocId,
}

impl Heap<'_> {
    fn set_after(&mut self) -> Result<(), IndexError> {
        let (Some((value, id)), Some(ids)) = (self.order.after, &self.ids) else { return Ok(()) };
        let (place, is_there) = match ids.dictionary().term_ord_or_next(id)? {
            TermOrdHit::Exact(place) => (place, true),
            TermOrdHit::Next(place) => (place, false),
        };
        self.after = Some((value, place, is_there));
        Ok(())
    }

    fn offer(&mut self, doc: DocId) {
        let Some(value) = self.column.first(doc) else { return };
        let order = self.order;
        if self.worst.is_some_and(|worst| order.turn(value.cmp(&worst)) == Ordering::Greater) {
            return;
        }
        let is_full = self.rows.len() >= order.limit;
        let turned = if order.descending { !value } else { value };
        if is_full && self.rows.peek().is_some_and(|worst| turned > worst.rank.0) {
            return;
        }
        let id = self.ids.as_ref().and_then(|ids| ids.ords().first(doc)).unwrap_or(0);
        if let Some((after, place, is_there)) = self.after {
            let by_id = match id.cmp(&place) {
                Ordering::Equal if is_there => Ordering::Equal,
                Ordering::Equal => Ordering::Greater,
                other => other,
            };
            if order.turn(value.cmp(&after).then(by_id)) != Ordering::Greater {
                return;
            }
        }
        let id = id as i64;
        let row = Ranked { rank: (turned, if order.descending { !id } else { id }), doc };
        if !is_full {
            self.rows.push(row);
        } else if let Some(mut worst) = self.rows.peek_mut()
            && row < *worst
        {
            *worst = row;
        }
    }

    fn into_rows(self, segment: u32, rows: &mut Vec<Row>) -> Result<(), IndexError> {
        for ranked in self.rows {
            let turn = |n: i64| if self.order.descending { !n } else { n };
            let (value, ord) = (turn(ranked.rank.0), turn(ranked.rank.1) as u64);
            let mut id = String::new();
            if let Some(ids) = &self.ids {
                ids.ord_to_str(ord, &mut id)?;
            }
            rows.push(Row { value, id, address: DocAddress::new(segment, ranked.doc) });
        }
        Ok(())
    }
}
