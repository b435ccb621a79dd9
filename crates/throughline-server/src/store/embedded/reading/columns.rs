//! Columns read for many documents at once.

use std::fmt::Debug;

use tantivy::DocId;
use tantivy::columnar::{Column, ColumnIndex, ColumnValues, RowId};

/// So many documents are looked at together, so that what is read stays near.
pub(super) const BATCH: usize = 16 << 10;

/// The value that each of these documents has in the column, `missing` if it has none. Documents are in order.
pub(super) fn values<T>(column: Option<&Column<T>>, docs: &[DocId], missing: T) -> Vec<T>
where
    T: PartialOrd + Copy + Debug + Send + Sync + 'static,
{
    let Some(column) = column else { return vec![missing; docs.len()] };
    if matches!(column.index, ColumnIndex::Full) {
        return of_rows(&*column.values, docs, missing);
    }
    let (mut having, mut rows) = (Vec::new(), Vec::new());
    column.row_ids_for_docs(docs, &mut having, &mut rows);
    let found = of_rows(&*column.values, &rows, missing);
    if having == docs {
        return found;
    }
    let mut values = vec![missing; docs.len()];
    let (mut at, mut last) = (0, None);
    for (doc, value) in having.into_iter().zip(found) {
        // Only the first of several.
        if last.replace(doc) == Some(doc) {
            continue;
        }
        while docs[at] < doc {
            at += 1;
        }
        values[at] = value;
    }
    values
}

/// The values in these rows, which are in order.
fn of_rows<T: Copy + PartialOrd + 'static>(column: &dyn ColumnValues<T>, rows: &[RowId], any: T) -> Vec<T> {
    let mut values = vec![any; rows.len()];
    match rows {
        // Without gaps, they are unpacked together.
        [first, .., last] if (last - first) as usize == rows.len() - 1 => {
            column.get_range(u64::from(*first), &mut values);
        }
        _ => column.get_vals(rows, &mut values),
    }
    values
}
