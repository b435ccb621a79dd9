//! Columns read for many documents at once.

use std::fmt::Debug;

use tantivy::DocId;
use tantivy::columnar::Column;

/// So many documents are looked at together, so that what is read stays near.
pub(super) const BATCH: usize = 16 << 10;

/// The value that each of these documents has in the column, `missing` if it has none.
pub(super) fn values<T>(column: Option<&Column<T>>, docs: &[DocId], missing: T) -> Vec<T>
where
    T: PartialOrd + Copy + Debug + Send + Sync + 'static,
{
    let Some(column) = column else { return vec![missing; docs.len()] };
    let mut found = vec![None; docs.len()];
    column.first_vals(docs, &mut found);
    found.into_iter().map(|value| value.unwrap_or(missing)).collect()
}
