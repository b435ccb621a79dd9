//! Everything about one record of a trace, or about the trace itself.

use serde_json::Value;
use throughline_model::{Event, Observation, Timestamp, Trace, Usage};

use super::conversation;
use super::event_list::{self, EventRow, Fact, Failure};
use super::layers::{self, Fate};
use super::message::{Body, Message, Room};
use super::notation::{self, When};
use super::passage::{self, JsonText};
use super::token_chart::buckets;

/// The panel beside the tree.
#[derive(Debug, Clone, Default)]
pub(super) struct RecordPanel {
    pub name: String,
    /// The observation type, `event` or `trace`.
    pub kind: &'static str,
    /// The class of its colour.
    pub colour: String,
    pub id: String,
    pub status: &'static str,
    /// What became of it: `handled` or `cancelled`, if that is to be said.
    pub fate: &'static str,
    pub level: &'static str,
    pub facts: Vec<Fact>,
    pub failure: Option<Failure>,
    pub sides: Vec<Side>,
    pub usage: Option<UsageView>,
    pub parameters: Vec<(String, String)>,
    pub tags: Vec<String>,
    pub attributes: Vec<(String, String)>,
    pub attributes_name: &'static str,
    pub raw: JsonText,
    /// Leads to the same with nothing cut, if anything was.
    pub in_full: Option<String>,
}

/// Input, output, arguments or result.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub name: &'static str,
    pub messages: Vec<Message>,
    pub body: Body,
}

/// Usage as one stacked bar with a list.
#[derive(Debug, Clone)]
pub(super) struct UsageView {
    pub total: String,
    pub parts: Vec<UsagePart>,
}

#[derive(Debug, Clone)]
pub(super) struct UsagePart {
    pub name: &'static str,
    pub class: &'static str,
    pub tokens: String,
    pub x: String,
    pub width: String,
}

impl UsageView {
    pub(super) fn new(usage: &Usage) -> Option<Self> {
        let total = usage.total();
        let mut before = 0;
        let parts = buckets(usage)
            .into_iter()
            .filter(|(_, _, tokens)| *tokens > 0)
            .map(|(name, class, tokens)| {
                let x = notation::percentage(before as f64 / total as f64);
                before += tokens;
                let width = notation::percentage(tokens as f64 / total as f64);
                UsagePart { name, class, tokens: notation::count(tokens), x, width }
            })
            .collect();
        (total > 0).then(|| Self { total: notation::count(total), parts })
    }
}

impl RecordPanel {
    pub(super) fn observation(observation: &Observation, now: Timestamp, most: usize) -> Self {
        let mut room = Room::new(most.saturating_mul(8), most);
        let error = conversation::failure(observation);
        let mut sides = vec![
            Side::input("Input", observation.input.as_ref(), &mut room),
            Side::output("Output", observation.output.as_ref(), &mut room),
        ];
        if let Some(tool) = &observation.tool {
            let other = |value: &Option<Value>, than: &Option<Value>| value.clone().filter(|_| value != than);
            let arguments = other(&tool.arguments, &observation.input);
            let result = other(&tool.result, &observation.output);
            sides.push(Side::data("Arguments", arguments.as_ref(), &mut room));
            sides.push(Side::data("Result", result.as_ref(), &mut room));
        }
        Self {
            name: notation::line(&observation.name, 300),
            kind: observation.kind.as_str(),
            colour: format!("t-{}", observation.kind.as_str()),
            id: observation.id.to_string(),
            status: if observation.is_error() { "error" } else { observation.status.as_str() },
            fate: match Fate::of(observation) {
                fate @ (Fate::Handled | Fate::Cancelled | Fate::Unfinished) => fate.class(),
                Fate::Fine | Fate::Failed => "",
            },
            level: observation.level.as_str(),
            facts: observation_facts(observation, now),
            failure: error,
            sides: sides.into_iter().flatten().collect(),
            usage: observation.usage.as_ref().and_then(UsageView::new),
            parameters: event_list::pairs(&observation.model_parameters),
            tags: observation.tags.iter().map(|tag| notation::line(tag, 60)).collect(),
            attributes: event_list::pairs(&observation.attributes),
            attributes_name: "Attributes",
            raw: JsonText::of(observation, most),
            in_full: None,
        }
    }

    pub(super) fn event(event: &Event, now: Timestamp) -> Self {
        let row = EventRow::new(event, now);
        let mut facts = vec![Fact::new("Time", row.when.millisecond())];
        facts.extend(row.facts.into_iter().filter(|fact| fact.name != "Trace"));
        Self {
            name: row.name,
            kind: "event",
            colour: format!("lv-{}", row.level),
            id: notation::line(event.id.as_str(), 200),
            status: if event.is_error() { "error" } else { "" },
            level: row.level,
            facts,
            failure: row.error,
            attributes: row.attributes,
            attributes_name: "Attributes",
            raw: row.raw,
            ..Self::default()
        }
    }

    pub(super) fn trace(trace: &Trace, now: Timestamp, most: usize) -> Self {
        let mut room = Room::new(most.saturating_mul(8), most);
        let sides = [
            Side::input("Input", trace.input.as_ref(), &mut room),
            Side::output("Output", trace.output.as_ref(), &mut room),
        ];
        let mut facts = vec![Fact::new("Started", When::new(trace.start_time, now).millisecond())];
        facts.push(Fact::new("Ended", When::new(trace.end_time, now).millisecond()));
        if let Some(version) = &trace.version {
            facts.push(Fact::new("Version", notation::line(version, 80)));
        }
        Self {
            name: notation::line(&trace.name, 300),
            kind: "trace",
            colour: "t-span".to_owned(),
            id: trace.id.to_string(),
            status: trace.status.as_str(),
            level: "info",
            facts,
            sides: sides.into_iter().flatten().collect(),
            usage: UsageView::new(&trace.usage),
            attributes: event_list::pairs(&trace.metadata),
            attributes_name: "Metadata",
            raw: JsonText::of(trace, most),
            ..Self::default()
        }
    }

    /// Whether anything was too long to be shown.
    pub(super) fn is_cut(&self) -> bool {
        let body_cut = |body: &Body| {
            body.prose.as_ref().is_some_and(|prose| !prose.hidden.is_empty())
                || body.json.as_ref().is_some_and(|json| json.cut)
        };
        let side_cut = |side: &Side| {
            body_cut(&side.body)
                || side
                    .messages
                    .iter()
                    .any(|message| message.pieces.iter().any(|piece| body_cut(&piece.body)))
        };
        self.raw.cut || self.sides.iter().any(side_cut)
    }
}

impl Side {
    fn input(name: &'static str, value: Option<&Value>, room: &mut Room) -> Option<Self> {
        let messages = conversation::messages(value, None, room);
        Self::of(name, value, messages, room)
    }

    fn output(name: &'static str, value: Option<&Value>, room: &mut Room) -> Option<Self> {
        let messages = conversation::messages(None, value, room);
        Self::of(name, value, messages, room)
    }

    fn data(name: &'static str, value: Option<&Value>, room: &mut Room) -> Option<Self> {
        Self::of(name, value, Vec::new(), room)
    }

    /// As messages if there are any, else as it is.
    fn of(
        name: &'static str,
        value: Option<&Value>,
        messages: Vec<Message>,
        room: &mut Room,
    ) -> Option<Self> {
        let value = value.filter(|value| !value.is_null())?;
        let body = if messages.is_empty() { room.body(value) } else { Body::default() };
        Some(Self { name, messages, body })
    }
}

fn observation_facts(observation: &Observation, now: Timestamp) -> Vec<Fact> {
    let text = |text: &str| notation::line(text, 200);
    let mut facts = vec![
        Fact::new("Duration", notation::duration(observation.duration)),
        Fact::new("Started", When::new(observation.start_time, now).millisecond()),
    ];
    if let Some(first) = observation.time_to_first_token {
        facts.push(Fact::new("First token after", notation::duration(first)));
        let rest = observation.duration - first;
        if let Some(tokens) = observation.completion_tokens.filter(|n| *n > 0 && rest > 1.0) {
            facts.push(Fact::new("Speed", format!("{:.0} tokens/s", tokens as f64 * 1_000.0 / rest)));
        }
    }
    facts.extend(layers::facts(observation));
    if let Some(model) = &observation.model {
        facts.push(Fact::new("Model", text(model)));
    }
    if let Some(requested) =
        observation.requested_model.as_ref().filter(|asked| Some(*asked) != observation.model.as_ref())
    {
        facts.push(Fact::new("Asked for", text(requested)));
    }
    if let Some(provider) = &observation.provider {
        facts.push(Fact::new("Provider", text(provider)));
    }
    if let Some(tool) = observation.tool.as_ref().and_then(|tool| tool.name.as_ref()) {
        facts.push(Fact::new("Tool", text(tool)));
    }
    if let Some(call) = observation.tool.as_ref().and_then(|tool| tool.call_id.as_ref()) {
        facts.push(Fact::new("Call id", text(call)));
    }
    let cost = observation.cost.map(notation::money);
    let given = observation.given_cost.map(|cost| format!("{} (as sent)", notation::money(cost)));
    if let Some(cost) = cost.or(given) {
        facts.push(Fact::new("Cost", cost));
    }
    if let Some(service) = &observation.service {
        facts.push(Fact::new("Service", text(service)));
    }
    if let Some(environment) = &observation.environment {
        facts.push(Fact::new("Environment", text(environment)));
    }
    if let Some(message) = observation.status_message.as_deref().filter(|_| !observation.is_error()) {
        facts.push(Fact::new("Status", text(message)));
    }
    facts
}

/// Texts are cut at this size unless everything is asked for.
pub(super) fn size(full: bool) -> usize {
    if full { passage::LONG } else { passage::SHORT }
}
