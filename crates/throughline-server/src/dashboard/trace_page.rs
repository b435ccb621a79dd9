//! `/traces/{id}`: one trace as a tree on an axis of time, with a panel for the record that is selected.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::Html;
use serde::Deserialize;
use throughline_model::{Timestamp, Trace, TraceId};

use super::address::Address;
use super::event_list::{Fact, pairs};
use super::frame::{Asked, Frame, Named, Section, Visit, html};
use super::notation;
use super::passage;
use super::record_panel::{self, RecordPanel};
use super::scores::Scores;
use super::session_header::explain;
use super::time_scale::TimeScale;
use super::tree::{self, Node, Record};
use super::turn::Mark;
use super::waterfall::{self, Folding, Plan, Waterfall};
use crate::domain::query::TraceDetail;
use crate::http::{Error, Project, State};

/// Rows of the tree on one page.
const ROWS: usize = 500;
/// Rows that may be closed or opened one by one: their ids are in the address.
const TOGGLED: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    /// The id of the observation or event in the panel.
    observation: String,
    /// Whether what is below the root's children is hidden.
    fold: String,
    /// Ids of the rows that are otherwise.
    toggled: String,
    /// The first row of the page.
    row: String,
    /// Whether texts are shown in full.
    full: String,
}

#[derive(Template)]
#[template(path = "trace.html")]
struct TracePage {
    frame: Frame,
    id: String,
    name: String,
    /// How many errors, and the place of the first.
    errors: Option<(String, String)>,
    unfinished: Option<Mark>,
    session: Option<(String, String)>,
    facts: Vec<Fact>,
    models: Vec<String>,
    tags: Vec<String>,
    notes: Vec<String>,
    waterfall: Waterfall,
    rows: String,
    /// Hides or shows everything below the root's children, where there is anything.
    fold: Option<(&'static str, String)>,
    earlier: Option<String>,
    later: Option<String>,
    overview: String,
    panel: RecordPanel,
    scores: Scores,
    json_href: String,
}

/// `GET /traces/{id}`
pub(super) async fn trace(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    Named(id): Named,
    Asked(parameters): Asked<Parameters>,
) -> Result<Html<String>, Error> {
    let now = state.clock.now();
    let id: TraceId = id.parse().map_err(|error| Error::not_found(format!("{error}")))?;
    let detail = state.store.trace(&project, &id).await?;
    let mut detail = detail.ok_or_else(|| Error::not_found(format!("no trace has the id {id}")))?;
    state.note_unfinished([&mut detail.trace]);
    html(&TracePage::new(&detail, &parameters, &visit, now))
}

impl TracePage {
    fn new(detail: &TraceDetail, parameters: &Parameters, visit: &Visit, now: Timestamp) -> Self {
        let trace = &detail.trace;
        let nodes = tree::flatten(detail);
        let place = Place::read(parameters, &nodes);
        let stretches =
            detail.observations.iter().map(|observation| (observation.start_time, observation.end_time));
        // Events may come before or after every observation.
        let moments = detail.events.iter().map(|event| (event.time, event.time));
        let scale = TimeScale::new(stretches.chain(moments));
        let address = place.address(trace.id);
        let plan = Plan {
            scale: &scale,
            address: address.clone(),
            folding: &place.folding,
            foldable: true,
            selected: (!parameters.observation.is_empty()).then_some(parameters.observation.as_str()),
            first: place.first,
            limit: ROWS,
            now,
        };
        let waterfall = Waterfall::draw(&nodes, &plan);
        let page_at = |row: usize| {
            let row = if row == 0 { String::new() } else { row.to_string() };
            address.clone().with("observation", &parameters.observation).with("row", row).to_string()
        };
        Self {
            frame: visit.frame(Section::Sessions, format!("{} · trace", turn_name(trace))),
            id: trace.id.to_string(),
            name: turn_name(trace),
            errors: first_error(&nodes, &address)
                .map(|href| (href, notation::plural(trace.error_count.max(1), "error"))),
            session: trace.session_id.as_ref().map(|session| {
                (Address::session(session.as_str()).to_string(), notation::line(session.as_str(), 120))
            }),
            unfinished: super::turn::unfinished(trace),
            facts: facts(trace),
            models: trace.models.iter().take(12).map(|model| notation::line(model, 80)).collect(),
            tags: trace.tags.iter().take(40).map(|tag| notation::line(tag, 60)).collect(),
            notes: trace.flags.iter().map(|flag| explain(flag)).collect(),
            rows: rows_say(&waterfall),
            fold: fold(&nodes, &place.folding, &address, &parameters.observation),
            earlier: (waterfall.before > 0).then(|| page_at(waterfall.before.saturating_sub(ROWS))),
            later: (waterfall.after > 0).then(|| page_at(waterfall.before + waterfall.rows.len())),
            overview: address.to_string(),
            panel: panel(detail, &nodes, parameters, &address, now),
            scores: Scores::of_record(detail, &parameters.observation),
            waterfall,
            json_href: Address::of("/api/v1/traces", &trace.id.to_string()).to_string(),
        }
    }
}

fn turn_name(trace: &Trace) -> String {
    super::turn::name(trace)
}

/// Which rows are on the page.
struct Place {
    folding: Folding,
    first: usize,
    /// Whether the page was asked for by its first row, which then stays in the address.
    given: bool,
}

impl Place {
    fn read(parameters: &Parameters, nodes: &[Node<'_>]) -> Self {
        let ids = parameters.toggled.split(',').filter(|id| !id.is_empty());
        let toggled = ids.take(TOGGLED).map(str::to_owned).collect();
        let folding = Folding { all: !parameters.fold.is_empty(), toggled };
        if let Ok(first) = parameters.row.parse() {
            return Self { folding, first, given: true };
        }
        // The page where the selected record is.
        let at = waterfall::place_of(nodes, &folding, &parameters.observation).unwrap_or(0);
        Self { folding, first: at - at % ROWS, given: false }
    }

    fn address(&self, trace: TraceId) -> Address {
        let row = if self.given || self.first > 0 { self.first.to_string() } else { String::new() };
        let fold = if self.folding.all { "all" } else { "" };
        Address::trace(trace).with("fold", fold).with("toggled", self.folding.ids()).with("row", row)
    }
}

fn fold(
    nodes: &[Node<'_>],
    folding: &Folding,
    address: &Address,
    selected: &str,
) -> Option<(&'static str, String)> {
    nodes.iter().any(|node| node.depth > 0 && node.descendants > 0).then(|| {
        let (says, fold) = if folding.all { ("Unfold all", "") } else { ("Fold all", "all") };
        let address = address.clone().without("toggled").without("row").with("observation", selected);
        (says, address.with("fold", fold).to_string())
    })
}

/// The first failed record that has no failed one below it: where the trouble began.
fn first_error(nodes: &[Node<'_>], address: &Address) -> Option<String> {
    let is_origin = |place: usize| {
        let node = &nodes[place];
        let below = &nodes[place + 1..=place + node.descendants];
        node.record.is_error() && !below.iter().any(|node| node.record.is_error())
    };
    let place = nodes.iter().position(|node| node.record.is_error())?;
    // Below the first failed one, or it itself.
    let origin = (place..=place + nodes[place].descendants).find(|&place| is_origin(place))?;
    let id = waterfall::id_of(&nodes[origin].record);
    Some(
        address
            .clone()
            .without("fold")
            .without("toggled")
            .without("row")
            .with("observation", id.as_str())
            .at(format!("o-{id}"))
            .to_string(),
    )
}

fn rows_say(waterfall: &Waterfall) -> String {
    let all = waterfall.before + waterfall.rows.len() + waterfall.after;
    let last = waterfall.before + waterfall.rows.len();
    format!(
        "Rows {}–{} of {}",
        waterfall.before + 1,
        notation::count(last as u64),
        notation::count(all as u64)
    )
}

fn so_far(trace: &Trace) -> String {
    let duration = notation::duration(trace.duration);
    if trace.unfinished.is_some() { format!("{duration} so far") } else { duration }
}

fn facts(trace: &Trace) -> Vec<Fact> {
    let mut facts = vec![Fact::new("Duration", so_far(trace))];
    if let Some(user) = &trace.user_id {
        facts.push(Fact::new("User", notation::line(user, 120)));
    }
    facts.push(Fact::new("Observations", notation::count(trace.observation_count)));
    if trace.event_count > 0 {
        facts.push(Fact::new("Events", notation::count(trace.event_count)));
    }
    if trace.error_count > 0 {
        facts.push(Fact::new("Errors", notation::count(trace.error_count)));
    }
    if trace.total_tokens > 0 {
        facts.push(Fact::new("Tokens", notation::count(trace.total_tokens)));
    }
    if let Some(cost) = trace.total_cost {
        facts.push(Fact::new("Cost", notation::money(cost)));
    }
    if !trace.services.is_empty() {
        facts.push(Fact::new("Services", notation::line(&trace.services.join(", "), 200)));
    }
    if let Some(environment) = &trace.environment {
        facts.push(Fact::new("Environment", notation::line(environment, 60)));
    }
    facts
}

fn panel(
    detail: &TraceDetail,
    nodes: &[Node<'_>],
    parameters: &Parameters,
    address: &Address,
    now: Timestamp,
) -> RecordPanel {
    let most = record_panel::size(!parameters.full.is_empty());
    let chosen = nodes.iter().find(|node| {
        !parameters.observation.is_empty() && waterfall::id_of(&node.record) == parameters.observation
    });
    let mut panel = match chosen.map(|node| node.record) {
        Some(Record::Observation(observation)) => RecordPanel::observation(observation, now, most),
        Some(Record::Event(event)) => RecordPanel::event(event, now),
        None => RecordPanel::trace(&detail.trace, now, most),
    };
    if panel.is_cut() && most < passage::LONG {
        let address = address.clone().with("observation", &parameters.observation).with("full", "1");
        panel.in_full = Some(address.at("record").to_string());
    }
    if panel.kind == "trace" {
        panel.attributes = pairs(&detail.trace.metadata);
    }
    panel
}
