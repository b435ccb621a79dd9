//! A trace summed up: what lists show of it, and what it adds to its session.

use serde::{Deserialize, Serialize};
use throughline_model::Trace;

/// A pure function of a trace's records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceSummary {
    /// What lists show; input and output shortened.
    pub trace: Trace,
    // more that only the session needs: see `session_summary`
}
