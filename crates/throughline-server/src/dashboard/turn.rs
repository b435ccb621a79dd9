//! One turn of a session: a trace with its conversation and its waterfall.

use throughline_model::{Timestamp, Trace, message, millis};

use super::address::Address;
use super::conversation::Entry;
use super::notation::{self, When};
use super::time_scale::{IDLE_NANOS, TimeScale};
use super::tree;
use super::waterfall::{Folding, Plan, Waterfall};
use crate::domain::query::TraceDetail;

/// A turn in full.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub number: usize,
    pub name: String,
    pub href: String,
    pub failed: bool,
    pub started: When,
    pub duration: String,
    pub tokens: String,
    pub cost: Option<String>,
    pub gap: Gap,
    pub entries: Vec<Entry>,
    pub waterfall: Waterfall,
    /// What happened in the session after it, outside of any turn.
    pub after: Vec<super::event_list::EventRow>,
}

/// What lies between a turn and the one before it.
#[derive(Debug, Clone, Default)]
pub(super) struct Gap {
    /// How long nothing happened; empty if that was not long.
    pub idle: String,
    /// The part of the session that begins here, and why; empty where none does.
    pub part: String,
}

/// A turn in the rail.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    pub number: usize,
    pub label: String,
    pub href: String,
    pub failed: bool,
    pub duration: String,
    pub gap: Gap,
    /// Whether the page shows it.
    pub shown: bool,
}

impl Turn {
    pub(super) fn new(
        number: usize,
        detail: &TraceDetail,
        gap: Gap,
        entries: Vec<Entry>,
        plan: &TurnPlan<'_>,
    ) -> Self {
        let trace = &detail.trace;
        let nodes = tree::flatten(detail);
        let own = TimeScale::new([(trace.start_time, trace.end_time)]);
        let open = Folding::default();
        let drawing = Plan {
            scale: plan.scale.unwrap_or(&own),
            address: Address::trace(trace.id),
            folding: &open,
            foldable: false,
            selected: None,
            first: 0,
            limit: plan.rows,
            now: plan.now,
        };
        Self {
            number,
            name: name(trace),
            href: Address::trace(trace.id).to_string(),
            failed: trace.error_count > 0,
            started: When::new(trace.start_time, plan.now),
            duration: notation::duration(trace.duration),
            tokens: if trace.total_tokens > 0 {
                notation::compact(trace.total_tokens)
            } else {
                String::new()
            },
            cost: trace.total_cost.map(notation::money),
            gap,
            entries,
            waterfall: Waterfall::draw(&nodes, &drawing),
            after: Vec::new(),
        }
    }
}

/// How turns are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct TurnPlan<'a> {
    /// A common axis, or each turn's own.
    pub scale: Option<&'a TimeScale>,
    /// Rows of the waterfall at most.
    pub rows: usize,
    pub now: Timestamp,
}

pub(super) fn name(trace: &Trace) -> String {
    let name = notation::line(&trace.name, 160);
    if name.is_empty() { "(no name)".to_owned() } else { name }
}

/// What the rail says of a turn: what the user said last in its input, else its name.
pub(super) fn label(trace: &Trace) -> String {
    let said = message::conversation(trace.input.as_ref(), None);
    let said = message::last_user_text(&said).map(|text| notation::line(&text, 80));
    said.filter(|said| !said.is_empty()).unwrap_or_else(|| name(trace))
}

/// The idle time before a trace, if it is worth showing.
pub(super) fn idle_before(previous: Option<&Trace>, trace: &Trace) -> String {
    let gap = previous.map_or(0, |previous| trace.start_time.nanos_since(previous.end_time));
    if gap >= IDLE_NANOS { notation::duration(millis(gap)) } else { String::new() }
}
