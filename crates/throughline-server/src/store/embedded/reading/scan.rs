//! Queries that look through a segment's terms or a column, and give the matching documents as a set of bits.

use std::fmt;
use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::query::{BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, DocSet as _, Score, SegmentReader, TantivyError};

use super::references::ReferenceSet;

type Find = dyn Fn(&SegmentReader) -> tantivy::Result<BitSet> + Send + Sync;

/// Documents found by a function that is given a segment.
#[derive(Clone)]
pub(super) struct Scan {
    name: &'static str,
    find: Arc<Find>,
}

impl Scan {
    fn query(
        name: &'static str,
        find: impl Fn(&SegmentReader) -> tantivy::Result<BitSet> + Send + Sync + 'static,
    ) -> Box<dyn Query> {
        Box::new(Self { name, find: Arc::new(find) })
    }

    /// Documents with a term that begins with `prefix` and of which the rest passes `test`.
    pub(super) fn terms(
        field: Field,
        prefix: Vec<u8>,
        test: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    ) -> Box<dyn Query> {
        Self::query("terms", move |segment| {
            let mut found = BitSet::with_max_value(segment.max_doc());
            let inverted = segment.inverted_index(field)?;
            let mut terms = inverted.terms().range().ge(&prefix).into_stream()?;
            while terms.advance() {
                let Some(rest) = terms.key().strip_prefix(&prefix[..]) else { break };
                if !test(rest) {
                    continue;
                }
                let mut postings =
                    inverted.read_block_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
                while !postings.docs().is_empty() {
                    for &doc in postings.docs() {
                        found.insert(doc);
                    }
                    postings.advance();
                }
            }
            Ok(found)
        })
    }

    /// Documents whose value in the column is one of these.
    pub(super) fn one_of(column: &'static str, values: Arc<ReferenceSet>) -> Box<dyn Query> {
        Self::query("one_of", move |segment| {
            let mut found = BitSet::with_max_value(segment.max_doc());
            let column: Option<Column<u64>> = segment.fast_fields().column_opt(column)?;
            let Some(column) = column else { return Ok(found) };
            let mut chunk = [0; 1024];
            let mut rows = Vec::new();
            for start in (0..column.values.num_vals()).step_by(chunk.len()) {
                let chunk = &mut chunk[..(column.values.num_vals() - start).min(1024) as usize];
                column.values.get_range(u64::from(start), chunk);
                rows.extend(
                    (start..).zip(&*chunk).filter(|(_, value)| values.contains(value)).map(|(row, _)| row),
                );
            }
            column.index.select_batch_in_place(0, &mut rows);
            for doc in rows {
                found.insert(doc);
            }
            Ok(found)
        })
    }

    /// Documents that have a value in each of these columns, and whose values pass `test`.
    pub(super) fn values<const N: usize>(
        columns: [&'static str; N],
        test: impl Fn([i64; N]) -> bool + Send + Sync + 'static,
    ) -> Box<dyn Query> {
        Self::query("values", move |segment| {
            let mut found = BitSet::with_max_value(segment.max_doc());
            let mut opened: Vec<Column<i64>> = Vec::with_capacity(N);
            for name in columns {
                let Some(column) = segment.fast_fields().column_opt(name)? else { return Ok(found) };
                opened.push(column);
            }
            for doc in 0..segment.max_doc() {
                let mut values = [0; N];
                let read = |(value, column): (&mut i64, &Column<i64>)| {
                    column.first(doc).map(|found| *value = found).is_some()
                };
                if values.iter_mut().zip(&opened).all(read) && test(values) {
                    found.insert(doc);
                }
            }
            Ok(found)
        })
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scan({})", self.name)
    }
}

impl Query for Scan {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Scan {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from((self.find)(segment)?), boost)))
    }

    fn explain(&self, segment: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(segment, 1.0)?;
        if scorer.doc() <= doc && scorer.seek(doc) == doc {
            return Ok(Explanation::new("Scan", 1.0));
        }
        Err(TantivyError::InvalidArgument(format!("document {doc} does not match")))
    }
}
