//! Answering questions from one snapshot. Nothing here waits or changes anything.

mod analytics;
mod columns;
mod conditions;
mod filter;
mod goals;
mod lists;
mod newest;
mod outline;
mod records;
mod references;
mod repricing;
mod scan;
mod scores;
mod top;
mod usage;

use std::sync::Arc;

use tantivy::query::Query;
use tantivy::{DocAddress, Executor, Searcher};
use throughline_model::{ProjectId, Timestamp};

use super::snapshot::{IndexError, Snapshot};
use crate::domain::lifecycle::{Boundary, Lifecycle};

/// From when to when: what ended before or began after does not count.
type Times = (Option<Timestamp>, Option<Timestamp>);

/// One project as one snapshot shows it.
pub(super) struct Reading {
    snapshot: Arc<Snapshot>,
    project: ProjectId,
    boundary: Boundary,
    /// See [`Lifecycle::abandoned_after`].
    abandoned_after: i64,
    /// For what goes through all segments.
    executor: Arc<Executor>,
}

impl Reading {
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        project: &ProjectId,
        lifecycle: &Lifecycle,
        executor: Arc<Executor>,
    ) -> Self {
        let (boundary, abandoned_after) = (lifecycle.boundary(project), lifecycle.abandoned_after);
        Self { snapshot, project: project.clone(), boundary, abandoned_after, executor }
    }
}

/// The documents found, in the order of the index.
fn documents(searcher: &Searcher, query: &dyn Query) -> Result<Vec<DocAddress>, IndexError> {
    let mut found: Vec<_> =
        searcher.search(query, &tantivy::collector::DocSetCollector)?.into_iter().collect();
    found.sort_unstable();
    Ok(found)
}
