//! The sessions (or traces) that the documents found refer to, by which one index is joined to the other.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

/// A set of references: see [`reference`](crate::store::embedded::key::reference).
pub(super) type ReferenceSet = HashSet<u64, BuildHasherDefault<Identity>>;

/// References are spread evenly already.
#[derive(Default)]
pub(super) struct Identity(u64);

impl Hasher for Identity {
    fn write(&mut self, bytes: &[u8]) {
        // Not for references, which are written whole.
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, reference: u64) {
        self.0 = reference;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Collects the distinct references in a column of the documents found.
pub(super) struct References {
    pub(super) column: &'static str,
    /// If given, only these count.
    pub(super) among: Option<Arc<ReferenceSet>>,
}

pub(super) struct SegmentReferences {
    column: Option<Column<u64>>,
    among: Option<Arc<ReferenceSet>>,
    found: ReferenceSet,
    last: Option<u64>,
}

impl Collector for References {
    type Fruit = ReferenceSet;
    type Child = SegmentReferences;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentReferences> {
        let column = segment.fast_fields().column_opt(self.column)?;
        let (among, found) = (self.among.clone(), ReferenceSet::default());
        Ok(SegmentReferences { column, among, found, last: None })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<ReferenceSet>) -> tantivy::Result<ReferenceSet> {
        let merged = fruits.into_iter().reduce(|mut all, more| {
            all.extend(more);
            all
        });
        Ok(merged.unwrap_or_default())
    }
}

impl SegmentCollector for SegmentReferences {
    type Fruit = ReferenceSet;

    fn collect(&mut self, doc: DocId, _: Score) {
        let value = self.column.as_ref().and_then(|column| column.first(doc));
        // Records of one session or trace mostly lie together.
        if value == self.last {
            return;
        }
        self.last = value;
        if let Some(value) = value
            && self.among.as_ref().is_none_or(|among| among.contains(&value))
        {
            self.found.insert(value);
        }
    }

    fn harvest(self) -> ReferenceSet {
        self.found
    }
}
