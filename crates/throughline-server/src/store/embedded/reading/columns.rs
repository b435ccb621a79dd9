//! Columns read for many documents at once: unpacked as they lie, which takes a fraction of looking each value up.

use std::fmt::Debug;

use tantivy::DocId;
use tantivy::columnar::{Column, ColumnIndex};

/// So many documents are looked at together, so that what is unpacked stays near.
pub(super) const BATCH: usize = 16 << 10;

/// The value that each of these documents has in the column, `missing` if it has none. The documents are in order.
pub(super) fn values<T>(column: Option<&Column<T>>, docs: &[DocId], missing: T) -> Vec<T>
where
    T: PartialOrd + Copy + Default + Debug + Send + Sync + 'static,
{
    let mut found = vec![missing; docs.len()];
    let (Some(column), Some(&first), Some(&last)) = (column, docs.first(), docs.last()) else { return found };
    let rows = column.index.docid_range_to_rowids(first..last + 1);
    let lie_apart = rows.len() > docs.len() * 4;
    if lie_apart || matches!(column.index, ColumnIndex::Multivalued(_)) {
        for (&doc, found) in docs.iter().zip(&mut found) {
            *found = column.first(doc).unwrap_or(missing);
        }
        return found;
    }
    let mut all = vec![T::default(); rows.len()];
    column.values.get_range(u64::from(rows.start), &mut all);
    let mut owners: Vec<DocId> = rows.collect();
    column.index.select_batch_in_place(first, &mut owners);
    let mut rows = owners.iter().zip(&all).peekable();
    for (doc, found) in docs.iter().zip(&mut found) {
        while rows.next_if(|(owner, _)| *owner < doc).is_some() {}
        if let Some((_, value)) = rows.next_if(|(owner, _)| *owner == doc) {
            *found = *value;
        }
    }
    found
}
