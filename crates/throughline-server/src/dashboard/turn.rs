//! One turn of a session: a trace with its conversation and its waterfall.

use std::collections::BTreeSet;

use throughline_model::{Timestamp, Trace, millis};

use super::address::Address;
use super::conversation::{self, Entry, History, Room};
use super::notation::{self, When};
use super::time_scale::{IDLE_NANOS, TimeScale};
use super::tree;
use super::waterfall::{Plan, Waterfall};
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
    /// How long nothing happened before it; empty if that was not long.
    pub idle: String,
    pub entries: Vec<Entry>,
    pub waterfall: Waterfall,
    /// What happened in the session after it, outside of any turn.
    pub after: Vec<super::event_list::EventRow>,
}

/// A turn in the rail.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    pub number: usize,
    pub label: String,
    pub href: String,
    pub failed: bool,
    pub duration: String,
    pub idle: String,
    /// Whether the page shows it.
    pub shown: bool,
}

impl Turn {
    pub(super) fn new(
        number: usize,
        detail: &TraceDetail,
        idle: String,
        entries: Vec<Entry>,
        plan: &TurnPlan<'_>,
    ) -> Self {
        let trace = &detail.trace;
        let nodes = tree::flatten(detail);
        let own = TimeScale::new([(trace.start_time, trace.end_time)]);
        let closed = BTreeSet::new();
        let drawing = Plan {
            scale: plan.scale.unwrap_or(&own),
            address: Address::trace(trace.id),
            closed: &closed,
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
            idle,
            entries,
            waterfall: Waterfall::draw(&nodes, &drawing),
            after: Vec::new(),
        }
    }

    pub(super) fn entries_of(detail: &TraceDetail, history: &mut History, room: &mut Room) -> Vec<Entry> {
        conversation::turn(detail, history, room)
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

/// What the rail says of a turn: what went in, if that is text, else its name.
pub(super) fn label(trace: &Trace) -> String {
    let role = super::said::Role::User;
    let said = trace.input.as_ref().and_then(|input| match input {
        serde_json::Value::String(text) if !text.trim_start().starts_with(['[', '{']) => {
            Some(notation::line(text, 80))
        }
        other => {
            let messages = super::said::read(other, role);
            let user = messages.iter().rev().find(|said| said.role == role)?;
            user.parts.iter().find_map(|part| match part {
                super::said::Part::Text(text) => Some(notation::line(text, 80)),
                _ => None,
            })
        }
    });
    said.filter(|said| !said.is_empty()).unwrap_or_else(|| name(trace))
}

/// The idle time before a trace, if it is worth showing.
pub(super) fn idle_before(previous: Option<&Trace>, trace: &Trace) -> String {
    let gap = previous.map_or(0, |previous| trace.start_time.nanos_since(previous.end_time));
    if gap >= IDLE_NANOS { notation::duration(millis(gap)) } else { String::new() }
}
