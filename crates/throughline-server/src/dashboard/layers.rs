//! What is shown of the layers of a request, as a web framework's router nests them: the time that is a layer's own, where
//! an error began and who handled it, and what was cancelled before it had a result.

use serde_json::Value;
use throughline_model::{Observation, ObservationType, Timestamp};

use super::event_list::Fact;
use super::notation;
use super::tree::{Node, Record};

/// A line under a row that has more to tell than a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// Its class: `error`, `handled` or `cancelled`.
    pub kind: &'static str,
    pub says: String,
}

/// How a record that failed or was cut off ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Fine,
    Failed,
    /// Failed, and something around it made up for that.
    Handled,
    Cancelled,
    /// It has begun and not ended.
    Unfinished,
}

impl Fate {
    pub(super) fn of(observation: &Observation) -> Self {
        match () {
            () if observation.is_error() && is_set(observation, "error.handled") => Self::Handled,
            () if observation.is_error() => Self::Failed,
            () if is_set(observation, "cancelled") => Self::Cancelled,
            () if observation.unfinished => Self::Unfinished,
            () => Self::Fine,
        }
    }

    /// The class of a row.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Fine => "",
            Self::Failed => "failed",
            Self::Handled => "handled",
            Self::Cancelled => "cancelled",
            Self::Unfinished => "unfinished",
        }
    }
}

fn is_set(observation: &Observation, key: &str) -> bool {
    observation.attributes.get(key).and_then(Value::as_bool) == Some(true)
}

fn text(observation: &Observation, key: &str) -> Option<String> {
    let text = observation.attributes.get(key)?.as_str()?;
    Some(notation::line(text, 120)).filter(|text| !text.is_empty())
}

fn millis(observation: &Observation, key: &str) -> Option<f64> {
    observation.attributes.get(key)?.as_f64().filter(|ms| ms.is_finite() && *ms >= 0.0)
}

fn status(observation: &Observation) -> Option<u64> {
    observation.attributes.get("http.response.status_code")?.as_u64()
}

/// The nodes directly under a node, of all that are `below` it.
fn children<'n, 'a>(below: &'n [Node<'a>]) -> impl Iterator<Item = &'n Node<'a>> {
    let mut rest = below;
    std::iter::from_fn(move || {
        let (child, others) = rest.split_first()?;
        // Of a large trace not everything that is below may have been read.
        rest = others.get(child.descendants..).unwrap_or_default();
        Some(child)
    })
}

/// From when to when layers inside `observation` ran: the rest is its own time. As it says itself, which holds also if
/// the layers are siblings in the tree, or from the layers below it.
pub(super) fn inner(observation: &Observation, below: &[Node<'_>]) -> Option<(Timestamp, Timestamp)> {
    let (start, end) = (observation.start_time, observation.end_time);
    if let (Some(before), Some(after)) =
        (millis(observation, "layer.before_ms"), millis(observation, "layer.after_ms"))
    {
        let first = start.plus_nanos((before * 1e6) as i64);
        let last = end.plus_nanos(-(after * 1e6) as i64);
        return (first <= last).then_some((first, last));
    }
    if observation.kind == ObservationType::Layer {
        return None;
    }
    let layers = children(below).filter_map(|child| match child.record {
        Record::Observation(layer) if layer.kind == ObservationType::Layer => Some(layer),
        _ => None,
    });
    let (first, last) = layers.fold(None, |around, layer| {
        let (first, last) = around.unwrap_or((layer.start_time, layer.end_time));
        Some((first.min(layer.start_time), last.max(layer.end_time)))
    })?;
    Some((first.max(start), last.min(end))).filter(|(first, last)| first <= last)
}

/// What is worth saying of the part a layer plays, and what it is called, of a name like `handler show_order`. Most are
/// middlewares: those go without saying.
pub(super) fn split_name<'n>(observation: &Observation, name: &'n str) -> (&'static str, &'n str) {
    let Some(kind) = observation.attributes.get("layer.kind").and_then(Value::as_str) else {
        return ("", name);
    };
    let part = match kind {
        "handler" => "handler ",
        "error_handler" => "error handler ",
        _ => "",
    };
    match name.strip_prefix(kind).and_then(|rest| rest.strip_prefix(' ')) {
        Some(rest) if !rest.is_empty() => (part, rest),
        _ => ("", name),
    }
}

/// What a row says beside its name.
pub(super) fn detail(observation: &Observation) -> Vec<String> {
    let own = millis(observation, "layer.before_ms").and_then(|_| millis(observation, "layer.self_ms"));
    let own = own.map(|ms| format!("own {}", notation::duration(ms)));
    let is_layer = observation.kind == ObservationType::Layer;
    let status = status(observation).filter(|status| !is_layer || *status >= 400).map(|n| n.to_string());
    let passed_on = is_set(observation, "error.propagated").then(|| "passed the error on".to_owned());
    [status, own, passed_on].into_iter().flatten().collect()
}

/// What went wrong here, if this is where it did.
pub(super) fn note(observation: &Observation, below: &[Node<'_>]) -> Option<Note> {
    match Fate::of(observation) {
        Fate::Unfinished => None,
        Fate::Fine => {
            let error = text(observation, "layer.incoming_error")?;
            Some(Note { kind: "answer", says: format!("called with: {error}") })
        }
        Fate::Failed => {
            let kept = observation.attributes.get("error.handled").map_or("", |_| " · handled by nobody");
            Some(Note { kind: "error", says: format!("{}{kept}", error(observation)?) })
        }
        Fate::Handled => {
            let says = format!("{} · handled by {}", error(observation)?, handled_by(observation));
            Some(Note { kind: "handled", says })
        }
        Fate::Cancelled => {
            // Everything around it was cancelled too.
            let is_innermost = !children(below).any(|child| match child.record {
                Record::Observation(inner) => is_set(inner, "cancelled"),
                Record::Event(_) => false,
            });
            is_innermost.then(|| Note { kind: "cancelled", says: cancelled(observation).to_owned() })
        }
    }
}

fn handled_by(observation: &Observation) -> String {
    text(observation, "error.handled_by").unwrap_or_else(|| "somebody".to_owned())
}

fn cancelled(observation: &Observation) -> &'static str {
    let by_panic = text(observation, "cancelled.reason").as_deref() == Some("unwinding");
    match (by_panic, observation.kind) {
        (true, _) => "cancelled by a panic",
        (false, ObservationType::Layer) => "cancelled here, before it had a result",
        (false, _) => "cancelled before it was over",
    }
}

fn error(observation: &Observation) -> Option<String> {
    let said = match (&observation.error, &observation.status_message) {
        (Some(error), _) if error.name.is_empty() || error.name == "error" => error.message.clone(),
        (Some(error), _) if !error.message.is_empty() => format!("{}: {}", error.name, error.message),
        (Some(error), _) => error.name.clone(),
        (None, Some(message)) => message.clone(),
        (None, None) => return None,
    };
    Some(notation::line(&said, 240)).filter(|said| !said.is_empty())
}

/// The time that is a layer's own, in words.
pub(super) fn own_time(observation: &Observation) -> Option<String> {
    let time = |key| millis(observation, key).map(notation::duration);
    let own = time("layer.self_ms")?;
    Some(match (time("layer.before_ms"), time("layer.after_ms")) {
        (Some(before), Some(after)) => format!("{own} ({before} before and {after} after what is inside)"),
        _ => own,
    })
}

/// What the panel tells of a layer or a request.
pub(super) fn facts(observation: &Observation) -> Vec<Fact> {
    let handled = (Fate::of(observation) == Fate::Handled).then(|| {
        let by = handled_by(observation);
        text(observation, "error.handled_how").map_or_else(|| by.clone(), |how| format!("{by} ({how})"))
    });
    let cancelled = is_set(observation, "cancelled").then(|| cancelled(observation).to_owned());
    let facts = [
        ("Own time", own_time(observation)),
        ("Polled for", millis(observation, "layer.busy_ms").map(notation::duration)),
        ("Response", status(observation).map(|status| status.to_string())),
        ("Route", text(observation, "http.route")),
        ("Error handled by", handled),
        ("Ended", cancelled),
    ];
    facts.into_iter().filter_map(|(name, value)| Some(Fact::new(name, value?))).collect()
}
