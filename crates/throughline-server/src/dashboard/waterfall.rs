//! A trace drawn as a waterfall: one row per record, bars on a common axis of time.

use std::collections::BTreeSet;

use throughline_model::{Event, Observation};

use super::address::Address;
use super::layers::{self, Fate, Note};
use super::notation::{self, When};
use super::time_scale::{Tick, TimeScale};
use super::tree::{Node, Record};
use throughline_model::Timestamp;

/// Deeper rows are drawn at this depth: names must stay readable.
const MAX_INDENT: usize = 14;

/// A drawn waterfall.
#[derive(Debug, Clone, Default)]
pub(super) struct Waterfall {
    pub rows: Vec<Row>,
    pub ticks: Vec<Tick>,
    /// How many rows come before and after these.
    pub before: usize,
    pub after: usize,
    pub foldable: bool,
}

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub anchor: String,
    pub href: String,
    /// Observation type, or `log` for an event: the colour.
    pub kind: &'static str,
    /// What comes before the name and is worth less: `handler `.
    pub prefix: &'static str,
    pub name: String,
    /// Model, tool, own time or the like.
    pub detail: String,
    /// Class of the indent.
    pub indent: usize,
    pub shape: Shape,
    pub duration: String,
    /// What the bar's tooltip says.
    pub summary: String,
    pub fate: Fate,
    pub note: Option<Note>,
    pub selected: bool,
    pub toggle: Option<Toggle>,
}

/// How a record lies on the axis; coordinates are percentages.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Bar(Bar),
    Diamond { x: String, level: &'static str },
}

#[derive(Debug, Clone)]
pub(super) struct Bar {
    pub x: String,
    pub width: String,
    pub end: String,
    pub first_token: Option<String>,
    /// Where layers inside ran, and for how wide: not its own time.
    pub inner: Option<(String, String)>,
}

/// Opens or closes what is below a row.
#[derive(Debug, Clone)]
pub(super) struct Toggle {
    pub href: String,
    pub open: bool,
    /// How many rows are hidden or would be.
    pub rows: usize,
    /// Whether something hidden failed.
    pub troubled: bool,
}

/// Which rows to draw and where their links lead.
pub(super) struct Plan<'a> {
    pub scale: &'a TimeScale,
    /// The page that a row's link opens, with the record named in the `observation` or `event` parameter.
    pub address: Address,
    pub folding: &'a Folding,
    /// Whether rows can be opened and closed.
    pub foldable: bool,
    pub selected: Option<&'a str>,
    /// The first row drawn and how many at most.
    pub first: usize,
    pub limit: usize,
    pub now: Timestamp,
}

/// Which rows hide what is below them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Folding {
    /// Whether rows below a root are closed unless they are listed, rather than open unless they are listed.
    pub all: bool,
    /// Ids of the rows that are otherwise than the rest.
    pub toggled: BTreeSet<String>,
}

impl Folding {
    fn is_closed(&self, node: &Node<'_>, id: &str) -> bool {
        node.descendants > 0 && (self.all && node.depth > 0) != self.toggled.contains(id)
    }

    fn with_toggled(&self, id: &str) -> String {
        let mut toggled = self.toggled.clone();
        if !toggled.remove(id) {
            toggled.insert(id.to_owned());
        }
        Self { all: self.all, toggled }.ids()
    }

    pub(super) fn ids(&self) -> String {
        self.toggled.iter().map(String::as_str).collect::<Vec<_>>().join(",")
    }
}

impl Waterfall {
    pub(super) fn draw(nodes: &[Node<'_>], plan: &Plan<'_>) -> Self {
        let open = open_rows(nodes, plan.folding);
        let first = plan.first.min(open.len());
        let last = open.len().min(first.saturating_add(plan.limit));
        Self {
            rows: open[first..last].iter().map(|&i| draw_row(&nodes[i..], plan)).collect(),
            ticks: plan.scale.ticks(),
            before: first,
            after: open.len() - last,
            foldable: plan.foldable,
        }
    }
}

/// The rows that are not hidden below a closed one.
fn open_rows(nodes: &[Node<'_>], folding: &Folding) -> Vec<usize> {
    let mut open = Vec::with_capacity(nodes.len());
    let mut i = 0;
    while let Some(node) = nodes.get(i) {
        open.push(i);
        let nothing_closed = !folding.all && folding.toggled.is_empty();
        let hides = !nothing_closed && folding.is_closed(node, &id_of(&node.record));
        i += 1 + if hides { node.descendants } else { 0 };
    }
    open
}

/// The place among the rows drawn where the record with this id is.
pub(super) fn place_of(nodes: &[Node<'_>], folding: &Folding, id: &str) -> Option<usize> {
    open_rows(nodes, folding).into_iter().position(|i| id_of(&nodes[i].record) == id)
}

pub(super) fn id_of(record: &Record<'_>) -> String {
    match record {
        Record::Observation(observation) => observation.id.to_string(),
        Record::Event(event) => event.id.to_string(),
    }
}

/// What is below the first of these nodes, as far as it has been read.
fn below<'n, 'a>(nodes: &'n [Node<'a>]) -> &'n [Node<'a>] {
    &nodes[1..nodes.len().min(nodes[0].descendants + 1)]
}

/// Draws the first of these nodes; those below it come after it.
fn draw_row(nodes: &[Node<'_>], plan: &Plan<'_>) -> Row {
    let node = &nodes[0];
    let id = id_of(&node.record);
    let mut row = match node.record {
        Record::Observation(observation) => observation_row(observation, below(nodes), plan),
        Record::Event(event) => event_row(event, plan),
    };
    row.indent = node.depth.min(MAX_INDENT);
    row.selected = plan.selected == Some(id.as_str());
    row.toggle = (plan.foldable && node.descendants > 0).then(|| toggle(node, &id, plan));
    row
}

fn toggle(node: &Node<'_>, id: &str, plan: &Plan<'_>) -> Toggle {
    let open = !plan.folding.is_closed(node, id);
    let mut address = plan.address.clone().with("toggled", plan.folding.with_toggled(id));
    if let Some(selected) = plan.selected {
        address = address.with("observation", selected);
    }
    let href = address.at(format!("o-{id}")).to_string();
    Toggle { href, open, rows: node.descendants, troubled: node.troubled && !open }
}

fn observation_row(observation: &Observation, below: &[Node<'_>], plan: &Plan<'_>) -> Row {
    let name = notation::line(&observation.name, 200);
    let mut duration = notation::duration(observation.duration);
    if observation.unfinished {
        duration += "…";
    }
    let own = layers::own_time(observation).map(|own| format!(", own time {own}")).unwrap_or_default();
    let summary = format!(
        "{name}: {} for {duration}, from {}{own}",
        observation.kind.as_str(),
        When::new(observation.start_time, plan.now).clock
    );
    let (prefix, short) = layers::split_name(observation, &name);
    Row {
        anchor: format!("o-{}", observation.id),
        href: plan.address.clone().with("observation", observation.id.to_string()).at("record").to_string(),
        kind: observation.kind.as_str(),
        detail: observation_detail(observation, &name),
        prefix,
        name: if short.is_empty() { "(no name)".to_owned() } else { short.to_owned() },
        indent: 0,
        shape: Shape::Bar(bar(observation, below, plan.scale)),
        duration,
        summary,
        fate: Fate::of(observation),
        note: layers::note(observation, below),
        selected: false,
        toggle: None,
    }
}

fn bar(observation: &Observation, below: &[Node<'_>], scale: &TimeScale) -> Bar {
    let start = scale.position(observation.start_time);
    let end = scale.position(observation.end_time);
    let first_token = observation.time_to_first_token.filter(|ms| ms.is_finite() && *ms > 0.0).map(|ms| {
        let at = observation.start_time.plus_nanos((ms * 1e6) as i64).min(observation.end_time);
        notation::percentage(scale.position(at))
    });
    let inner = layers::inner(observation, below).map(|(first, last)| {
        let (first, last) = (scale.position(first), scale.position(last));
        (notation::percentage(first), notation::percentage(last - first))
    });
    Bar {
        x: notation::percentage(start.min(0.997)),
        width: notation::percentage((end - start).max(0.003)),
        end: notation::percentage(end.max(0.003)),
        first_token,
        inner,
    }
}

/// What a row says beside its name: the model, or the tool if the name does not tell it; then tokens; and what is known
/// of a layer.
fn observation_detail(observation: &Observation, name: &str) -> String {
    let tool = observation.tool.as_ref().and_then(|tool| tool.name.as_deref());
    let what = [observation.model.as_deref(), tool].into_iter().flatten().find(|what| !name.contains(what));
    let tokens = observation.total_tokens.filter(|n| *n > 0).map(|n| format!("{} tok", notation::compact(n)));
    let mut parts: Vec<String> =
        what.map(|what| notation::line(what, 60)).into_iter().chain(tokens).collect();
    parts.extend(layers::detail(observation));
    parts.join(" · ")
}

fn event_row(event: &Event, plan: &Plan<'_>) -> Row {
    let name = notation::line(&event.name, 200);
    let level = event.level.as_str();
    Row {
        anchor: format!("o-{}", event.id),
        href: plan.address.clone().with("observation", event.id.to_string()).at("record").to_string(),
        kind: "log",
        summary: format!("{name}: {level} event at {}", When::new(event.time, plan.now).clock),
        detail: String::new(),
        prefix: "",
        name: if name.is_empty() { "(no name)".to_owned() } else { name },
        indent: 0,
        shape: Shape::Diamond { x: notation::percentage(plan.scale.position(event.time)), level },
        duration: level.to_owned(),
        fate: if event.is_error() { Fate::Failed } else { Fate::Fine },
        note: None,
        selected: false,
        toggle: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{sample, tree};
    use super::*;
    use crate::domain::query::TraceDetail;

    fn detail() -> TraceDetail {
        let mut detail = sample::trace("t", 0);
        detail.observations = vec![
            sample::observation(1, None, "root", 0, 10),
            sample::observation(2, Some(1), "first half", 0, 5),
            sample::observation(3, Some(2), "deeper", 1, 2),
            sample::observation(4, Some(1), "second half", 5, 10),
        ];
        detail
    }

    fn draw(detail: &TraceDetail, folding: &Folding, first: usize, limit: usize) -> Waterfall {
        let scale = TimeScale::new(detail.observations.iter().map(|o| (o.start_time, o.end_time)));
        let plan = Plan {
            scale: &scale,
            address: Address::page("/t"),
            folding,
            foldable: true,
            selected: None,
            first,
            limit,
            now: Timestamp::default(),
        };
        Waterfall::draw(&tree::flatten(detail), &plan)
    }

    #[test]
    fn bars_lie_where_their_times_say() {
        let drawn = draw(&detail(), &Folding::default(), 0, 100);
        let bars: Vec<String> = drawn
            .rows
            .iter()
            .map(|row| match &row.shape {
                Shape::Bar(Bar { x, width, .. }) => format!("{} {x} {width}", row.name),
                Shape::Diamond { .. } => String::new(),
            })
            .collect();
        assert_eq!(bars, ["root 0% 100%", "first half 0% 50%", "deeper 10% 10%", "second half 50% 50%"]);
    }

    #[test]
    fn closed_rows_hide_what_is_below_and_their_link_opens_them() {
        let closed = Folding { all: false, toggled: ["0000000000000002".to_owned()].into() };
        let drawn = draw(&detail(), &closed, 0, 100);
        let names: Vec<&str> = drawn.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["root", "first half", "second half"]);
        let toggle = drawn.rows[1].toggle.as_ref().unwrap();
        assert_eq!((toggle.href.as_str(), toggle.open, toggle.rows), ("/t#o-0000000000000002", false, 1));
    }

    #[test]
    fn folded_rows_open_one_by_one() {
        let folded = |toggled: &[&str]| {
            let folding = Folding { all: true, toggled: toggled.iter().map(|id| (*id).to_owned()).collect() };
            draw(&detail(), &folding, 0, 100).rows.into_iter().map(|row| row.name).collect::<Vec<_>>()
        };
        assert_eq!(folded(&[]), ["root", "first half", "second half"]);
        assert_eq!(folded(&["0000000000000002"]), ["root", "first half", "deeper", "second half"]);
    }

    #[test]
    fn only_the_window_is_drawn() {
        let drawn = draw(&detail(), &Folding::default(), 1, 2);
        assert_eq!((drawn.before, drawn.rows.len(), drawn.after), (1, 2, 1));
        assert_eq!(draw(&detail(), &Folding::default(), 99, 2).before, 4);
    }
}
