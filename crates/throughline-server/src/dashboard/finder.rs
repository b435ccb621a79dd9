//! The filter bar above a list: the filter with what is wrong with it, the time range, and help made from the
//! language's own table.

use throughline_model::Timestamp;

use super::address::Address;
use super::list_place::{PRESETS, Range};
use super::notation;
use crate::domain::filter::{
    Comparison, FIELDS, Field, FieldInfo, Filter, FilterError, Literal, Pattern, Target,
};

/// A filter bar.
#[derive(Debug, Clone)]
pub(super) struct Finder {
    /// Where the form leads.
    pub action: String,
    pub text: String,
    pub placeholder: &'static str,
    /// What is kept when another filter is asked for.
    pub kept: Vec<(&'static str, String)>,
    pub fault: Option<Fault>,
    /// Without it there is no range to choose.
    pub range: Option<RangeMenu>,
    pub targets: &'static [Target],
}

/// A filter that cannot be read, cut in three where it goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub before: String,
    pub at: String,
    pub after: String,
    pub message: String,
    pub hint: String,
}

/// The choice of time range.
#[derive(Debug, Clone)]
pub(super) struct RangeMenu {
    pub label: String,
    pub options: Vec<RangeOption>,
    pub from: String,
    pub to: String,
    pub error: String,
    /// What the form of the custom range keeps.
    pub kept: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone)]
pub(super) struct RangeOption {
    pub href: String,
    pub name: &'static str,
    pub chosen: bool,
}

impl Finder {
    /// Reads the filter. `address` is the page with all its parameters but the cursor.
    pub(super) fn read(
        text: &str,
        targets: &'static [Target],
        now: Timestamp,
        address: &Address,
        action: &str,
    ) -> (Self, Filter) {
        let (filter, fault) = match Filter::parse(text, targets, now) {
            Ok(filter) => (filter, None),
            Err(error) => (Filter::All, Some(Fault::new(text, &error))),
        };
        let kept = kept(address, &["filter"]);
        let placeholder = match targets {
            [Target::Session] => "Filter sessions: refund user:alice error:true cost:>0.10",
            [Target::Trace] => "Filter traces: name:chat-* model:gpt-4o duration:>5s error:true",
            [Target::Observation] => "Filter calls: model:gpt-4o user:alice tokens:>10k env:production",
            [Target::Observation, _] => {
                "Filter what arrives: type:generation level:>=warn service:shop duration:>2s"
            }
            _ => "Filter events: level:>=warn name:order.* attr.ctx.order.id:ord_789",
        };
        let finder = Self {
            action: action.to_owned(),
            text: text.to_owned(),
            placeholder,
            kept,
            fault,
            range: None,
            targets,
        };
        (finder, filter)
    }

    #[must_use]
    pub(super) fn with_range(mut self, range: &Range, from: &str, to: &str, address: &Address) -> Self {
        let free = || address.clone().without("range").without("from").without("to");
        let all = RangeOption { href: free().to_string(), name: "All time", chosen: range.is_all() };
        let presets = PRESETS.iter().map(|(key, name, _)| RangeOption {
            href: free().with("range", *key).to_string(),
            name,
            chosen: range.preset == Some(key),
        });
        self.range = Some(RangeMenu {
            label: range.label(),
            options: std::iter::once(all).chain(presets).collect(),
            from: field(range.from, from, range),
            to: field(range.to, to, range),
            error: range.error.clone().unwrap_or_default(),
            kept: kept(address, &["range", "from", "to"]),
        });
        self
    }

    pub(super) fn is_wrong(&self) -> bool {
        self.fault.is_some() || self.range.as_ref().is_some_and(|range| !range.error.is_empty())
    }

    /// The fields that make sense here.
    pub(super) fn fields(&self) -> impl Iterator<Item = &'static FieldInfo> {
        let targets = self.targets;
        FIELDS.iter().filter(move |field| targets.iter().any(|target| field.on.contains(target)))
    }
}

/// What has exactly this value in this field.
pub(super) fn exactly(field: Field, value: &str) -> Filter {
    Filter::Field { field, comparison: Comparison::Equal, value: Literal::Text(Pattern::exact(value)) }
}

/// A time as a `datetime-local` field holds it; what could not be read stays as it was typed.
fn field(time: Option<Timestamp>, typed: &str, range: &Range) -> String {
    match time {
        Some(time) if range.preset.is_none() => time.to_string().chars().take(19).collect(),
        _ => typed.to_owned(),
    }
}

fn kept(address: &Address, but: &[&str]) -> Vec<(&'static str, String)> {
    address
        .parameters()
        .filter(|(key, _)| !but.contains(key))
        .map(|(key, value)| (key, value.to_owned()))
        .collect()
}

impl Fault {
    fn new(text: &str, error: &FilterError) -> Self {
        let (before, rest) = text.split_at(text.floor_char_boundary(error.byte.min(text.len())));
        let end = rest.char_indices().nth(error.length).map_or(rest.len(), |(at, _)| at);
        let (at, after) = rest.split_at(end);
        let mark = if at.is_empty() { "␣".to_owned() } else { notation::visible(at) };
        Self {
            before: notation::visible(before),
            at: mark,
            after: notation::visible(after),
            message: error.message.clone(),
            hint: error.hint.clone().unwrap_or_default(),
        }
    }
}
