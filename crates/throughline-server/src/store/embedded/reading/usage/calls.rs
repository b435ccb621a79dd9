//! What the documents of one segment say of their calls, read from columns in batches.

use tantivy::columnar::{Cardinality, Column, StrColumn};
use tantivy::{DocId, SegmentReader, TantivyError};
use throughline_model::Timestamp;

use crate::domain::analytics::Interval;
use crate::store::embedded::reading::Times;
use crate::store::embedded::reading::columns::values;
use crate::store::embedded::span_index::USAGE_COLUMNS;

/// What is summed up, and by what.
#[derive(Clone, Copy)]
pub(super) struct Summing {
    pub(super) times: Times,
    /// The column that tells the group.
    pub(super) group: &'static str,
    pub(super) interval: Option<Interval>,
    /// Documents are traces with their calls, not calls.
    pub(super) of_traces: bool,
}

impl Summing {
    /// How many groups have a name in this segment.
    pub(super) fn names(self, segment: &SegmentReader) -> Result<usize, TantivyError> {
        let names = segment.fast_fields().str(self.group)?;
        Ok(names.map_or(0, |names| names.dictionary().num_terms()))
    }
}

/// What is to be known of calls. Columns that tell nothing of it stay closed.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    pub(super) sums: bool,
    pub(super) durations: bool,
    pub(super) points: bool,
}

/// What one document says: a call, or a trace with its calls. What is not needed is zero.
pub(super) struct Calls {
    pub(super) start: Timestamp,
    pub(super) duration: i64,
    pub(super) count: u64,
    pub(super) failed: u64,
    buckets: [u64; 8],
    occurring: usize,
    /// Picodollars.
    pub(super) cost: Option<i64>,
}

impl Calls {
    /// The buckets that occur in the segment.
    pub(super) fn buckets(&self) -> &[u64] {
        &self.buckets[..self.occurring]
    }

    pub(super) fn tokens(&self) -> u64 {
        self.buckets().iter().fold(0, |sum, tokens| sum.saturating_add(*tokens))
    }
}

/// The columns of one segment that are needed.
pub(super) struct Columns {
    pub(super) group: Option<StrColumn>,
    start: Option<Column<i64>>,
    duration: Option<Column<i64>>,
    cost: Option<Column<i64>>,
    given_cost: Option<Column<i64>>,
    calls: Option<Column<u64>>,
    failed: Option<Column<u64>>,
    /// Only buckets that occur in the segment, with their places among all.
    buckets: Vec<(usize, Column<u64>)>,
    summing: Summing,
}

impl Columns {
    pub(super) fn open(
        segment: &SegmentReader,
        summing: Summing,
        needs: Needs,
    ) -> Result<Self, TantivyError> {
        let columns = segment.fast_fields();
        let (from, to) = summing.times;
        let (start, duration) =
            (needs.points || from.is_some() || to.is_some(), needs.durations || from.is_some());
        let (tokens, cost) = (needs.sums || needs.points, needs.sums || needs.points);
        let whole = |name: &str, needed: bool| match needed {
            true => columns.column_opt::<i64>(name),
            false => Ok(None),
        };
        let count = |name: &str, needed: bool| match needed {
            true => columns.column_opt::<u64>(name),
            false => Ok(None),
        };
        let mut buckets = Vec::new();
        for (bucket, name) in USAGE_COLUMNS.into_iter().enumerate() {
            buckets.extend(count(name, tokens)?.map(|column| (bucket, column)));
        }
        Ok(Self {
            group: columns.str(summing.group)?,
            start: whole("start", start)?,
            duration: whole("duration", duration)?,
            cost: whole("cost", cost)?,
            given_cost: whole("given_cost", cost)?,
            calls: count("calls", true)?,
            failed: count(if summing.of_traces { "failed_calls" } else { "failed" }, needs.sums)?,
            buckets,
            summing,
        })
    }

    /// How many groups have a name in this segment.
    pub(super) fn names(&self) -> usize {
        self.group.as_ref().map_or(0, |group| group.dictionary().num_terms())
    }

    /// The groups of these documents.
    pub(super) fn groups(&self, docs: &[DocId]) -> GroupsOf<'_> {
        let names = self.group.as_ref().map(|group| group.ords());
        let several = names.filter(|names| names.get_cardinality() == Cardinality::Multivalued);
        let first = if several.is_some() { None } else { names };
        GroupsOf { first: values(first, docs, u64::MAX), several, nameless: self.names() }
    }

    pub(super) fn read(&self, docs: &[DocId]) -> Batch<'_> {
        let is_trace = self.summing.of_traces;
        Batch {
            start: values(self.start.as_ref(), docs, 0),
            duration: values(self.duration.as_ref(), docs, 0),
            cost: values(self.cost.as_ref(), docs, NO_COST),
            given_cost: values(self.given_cost.as_ref(), docs, NO_COST),
            calls: values(self.calls.as_ref(), docs, if is_trace { 0 } else { 1 }),
            failed: values(self.failed.as_ref(), docs, 0),
            buckets: self.buckets.iter().map(|(_, column)| values(Some(column), docs, 0)).collect(),
            summing: &self.summing,
        }
    }

    /// Puts buckets that occur here in their places among all.
    pub(super) fn all_buckets(&self, occurring: [u64; 8]) -> [u64; 8] {
        let mut all = [0; 8];
        for ((bucket, _), tokens) in self.buckets.iter().zip(occurring) {
            all[*bucket] = tokens;
        }
        all
    }
}

/// The groups of some documents: their numbers in the segment's dictionary, the next one for what has no name.
pub(super) struct GroupsOf<'a> {
    first: Vec<u64>,
    /// If documents may be in several.
    several: Option<&'a Column<u64>>,
    nameless: usize,
}

impl GroupsOf<'_> {
    /// Calls `each` with every group of the document `doc`, which is the one at `at`.
    pub(super) fn each(&self, at: usize, doc: DocId, mut each: impl FnMut(usize)) {
        let mut several = self.several.into_iter().flat_map(|names| names.values_for_doc(doc)).peekable();
        if several.peek().is_none() {
            each((self.first[at] as usize).min(self.nameless));
        }
        several.for_each(|name| each(name as usize));
    }
}

/// What the columns say of some documents, in their order.
pub(super) struct Batch<'a> {
    start: Vec<i64>,
    duration: Vec<i64>,
    cost: Vec<i64>,
    given_cost: Vec<i64>,
    calls: Vec<u64>,
    failed: Vec<u64>,
    buckets: Vec<Vec<u64>>,
    summing: &'a Summing,
}

/// What stands for a cost that is not there.
const NO_COST: i64 = i64::MIN;

impl Batch<'_> {
    /// `None` if it does not count.
    pub(super) fn calls(&self, at: usize) -> Option<Calls> {
        let (start, duration, count) =
            (Timestamp::from_nanos(self.start[at]), self.duration[at], self.calls[at]);
        let (from, to) = self.summing.times;
        let is_over = from.is_some_and(|from| start.plus_nanos(duration) < from);
        if is_over || count == 0 || to.is_some_and(|to| start >= to) {
            return None;
        }
        let mut buckets = [0; 8];
        for (bucket, tokens) in buckets.iter_mut().zip(&self.buckets) {
            *bucket = tokens[at];
        }
        // Traces have -1 where it is not known.
        let is_known = |cost: i64| cost != NO_COST && !(self.summing.of_traces && cost == -1);
        let known = |cost: i64| Some(cost).filter(|cost| is_known(*cost));
        let cost = known(self.cost[at]).or_else(|| known(self.given_cost[at]));
        let (failed, occurring) = (self.failed[at], self.buckets.len().min(buckets.len()));
        Some(Calls { start, duration, count, failed, buckets, occurring, cost })
    }
}
