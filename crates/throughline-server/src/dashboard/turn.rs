//! One turn of a session: a trace with its conversation and its waterfall.

use serde_json::Value;
use throughline_model::{Timestamp, Trace, Unfinished, message, millis};

use super::address::Address;
use super::conversation::Entry;
use super::notation::{self, When};
use super::time_scale::{IDLE_NANOS, TimeScale};
use super::turn_reader::ReadTurn;
use super::waterfall::{Folding, Plan, Waterfall};

/// A turn in full.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub number: usize,
    pub name: String,
    pub href: String,
    pub failed: bool,
    /// Where it has not ended.
    pub unfinished: Option<Mark>,
    pub started: When,
    pub duration: String,
    pub tokens: String,
    pub cost: Option<String>,
    pub gap: Gap,
    pub entries: Vec<Entry>,
    /// Where the steps before and after those told are.
    pub earlier_steps: Option<Link>,
    pub later_steps: Option<Link>,
    pub waterfall: Waterfall,
    /// What happened in the session after it, outside of any turn.
    pub after: Vec<super::event_list::EventRow>,
}

/// What is said of a trace that has not ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// The class of its chip and its dot.
    pub class: &'static str,
    pub says: &'static str,
    pub title: &'static str,
}

/// An address, and what its link says.
pub(super) type Link = (String, String);

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
    pub unfinished: Option<Mark>,
    pub duration: String,
    pub gap: Gap,
    /// Whether the page shows it.
    pub shown: bool,
}

impl Turn {
    pub(super) fn new(
        number: usize,
        read: &ReadTurn,
        gap: Gap,
        entries: Vec<Entry>,
        plan: &TurnPlan<'_>,
    ) -> Self {
        let trace = read.trace();
        let (nodes, all_rows) = read.rows();
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
        let mut waterfall = Waterfall::draw(&nodes, &drawing);
        waterfall.after = all_rows - waterfall.rows.len();
        Self {
            number,
            name: name(trace),
            href: Address::trace(trace.id).to_string(),
            failed: trace.error_count > 0,
            unfinished: None,
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
            earlier_steps: None,
            later_steps: None,
            waterfall,
            after: Vec::new(),
        }
    }
}

/// Where the steps before and after those told are, so many at a time, with what the links say.
pub(super) fn more_steps(
    read: &ReadTurn,
    most: usize,
    number: usize,
    address: &Address,
) -> (Option<Link>, Option<Link>) {
    let told = &read.steps;
    let link = |first: usize, says: String| {
        let step = if first == 0 { String::new() } else { (first + 1).to_string() };
        (address.clone().with("step", step).at(format!("turn-{number}")).to_string(), says)
    };
    let all = notation::count(read.all_steps as u64);
    let earlier = (told.start > 0).then(|| {
        let first = told.start.saturating_sub(most);
        link(first, format!("Earlier: steps {}–{} of {all}", first + 1, told.start))
    });
    let later = (told.end < read.all_steps).then(|| {
        let last = read.all_steps.min(told.end + most);
        link(told.end, format!("Next: steps {}–{last} of {all}", told.end + 1))
    });
    (earlier, later)
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

/// How a trace is marked whose beginning was told and not its end.
pub(super) fn unfinished(trace: &Trace) -> Option<Mark> {
    Some(match trace.unfinished? {
        Unfinished::Live => Mark {
            class: "live",
            says: "live",
            title: "It has begun and goes on; what has ended in it so far is shown",
        },
        Unfinished::Abandoned => Mark {
            class: "warn",
            says: "abandoned",
            title: "It has begun, and nothing was heard of it for so long that it never will end",
        },
    })
}

pub(super) fn name(trace: &Trace) -> String {
    let name = notation::line(&trace.name, 160);
    if name.is_empty() { "(no name)".to_owned() } else { name }
}

/// What the rail says of a turn: what the user said last in its input, else its name.
pub(super) fn label(trace: &Trace) -> String {
    if is_cut_json(trace.input.as_ref()) {
        return name(trace);
    }
    let said = message::conversation(trace.input.as_ref(), None);
    let said = message::last_user_text(&said).map(|text| notation::line(&text, 80));
    said.filter(|said| !said.is_empty()).unwrap_or_else(|| name(trace))
}

/// Whether a summary holds only the beginning of a long list of messages, in which nobody can see what was said.
fn is_cut_json(input: Option<&Value>) -> bool {
    let text = input.and_then(Value::as_str).unwrap_or_default();
    text.ends_with('…') && ["[{\"", "{\""].iter().any(|json| text.starts_with(json))
}

/// The idle time before a trace, if it is worth showing.
pub(super) fn idle_before(previous: Option<&Trace>, trace: &Trace) -> String {
    let gap = previous.map_or(0, |previous| trace.start_time.nanos_since(previous.end_time));
    if gap >= IDLE_NANOS { notation::duration(millis(gap)) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;

    #[test]
    fn the_rail_shows_words_never_json() {
        let label = |input: &str| {
            let mut trace = sample::trace("support-turn", 0).trace;
            trace.input = Some(input.into());
            label(&trace)
        };
        assert_eq!(label("Where is it?"), "Where is it?");
        assert_eq!(label("[{\"role\":\"system\",\"content\":\"Be brief, be k…"), "support-turn");
        assert_eq!(label("[sic] and so on…"), "[sic] and so on…");
    }
}
