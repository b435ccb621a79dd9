//! What a router layer's observation says beyond any other: which part of its time was its own, and what became of
//! errors. The attributes are those that `throughline-tower` exports.

use serde_json::Value;
use throughline_model::{Observation, ObservationType, Timestamp};

use super::event_list::Fact;
use super::notation;

/// How a layer spent its time, in milliseconds. Of what is no layer nothing is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Layer {
    /// Before the inner layer began.
    pub before: Option<f64>,
    /// After the inner layer ended.
    pub after: Option<f64>,
    /// Without the time of inner layers.
    pub own: Option<f64>,
    /// Polled, rather than waiting.
    pub busy: Option<f64>,
}

/// A word on what became of an error, or of the layer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub class: &'static str,
    pub word: &'static str,
    /// The whole of it.
    pub title: String,
}

impl Mark {
    pub(super) fn is_handled(&self) -> bool {
        self.class == "handled"
    }
}

impl Layer {
    pub(super) fn of(observation: &Observation) -> Self {
        if observation.kind != ObservationType::Layer {
            return Self::default();
        }
        let millis = |key| {
            let millis = observation.attributes.get(key)?.as_f64()?;
            Some(millis).filter(|millis| millis.is_finite() && *millis >= 0.0)
        };
        Self {
            before: millis("layer.before_ms"),
            after: millis("layer.after_ms"),
            own: millis("layer.self_ms"),
            busy: millis("layer.busy_ms"),
        }
    }

    /// The stretches before and after the inner layer; none if there is no inner layer.
    pub(super) fn own_stretches(&self, observation: &Observation) -> Vec<(Timestamp, Timestamp)> {
        let (Some(before), Some(after)) = (self.before, self.after) else { return Vec::new() };
        let (start, end) = (observation.start_time, observation.end_time);
        let nanos = |millis: f64| (millis * 1e6) as i64;
        let began = start.plus_nanos(nanos(before)).min(end);
        let ended = end.plus_nanos(-nanos(after)).max(began);
        vec![(start, began), (ended, end)]
    }

    pub(super) fn facts(&self, observation: &Observation) -> Vec<Fact> {
        let time =
            |name, millis: Option<f64>| millis.map(|millis| Fact::new(name, notation::duration(millis)));
        let times = [
            time("Own time", self.own),
            time("Before the inner layer", self.before),
            time("After it", self.after),
            time("Polled for", self.busy),
        ];
        let mut facts: Vec<Fact> = times.into_iter().flatten().collect();
        if flag(observation, "error.handled") == Some(true) {
            facts.push(Fact::new("Error", handled(observation)));
        }
        if flag(observation, "cancelled") == Some(true) {
            let reason = text(observation, "cancelled.reason");
            facts.push(Fact::new(
                "Cancelled",
                reason.map_or_else(|| "yes".to_owned(), |reason| notation::line(reason, 80)),
            ));
        }
        facts
    }
}

/// What is said beside a name, of layers and of what is around them.
pub(super) fn marks(observation: &Observation) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mark = |class, word, title: &str| Mark { class, word, title: title.to_owned() };
    match flag(observation, "error.handled") {
        Some(true) => marks.push(Mark { class: "handled", word: "handled", title: handled(observation) }),
        Some(false) => marks.push(mark("open", "unhandled", "nobody handled the error")),
        None => {}
    }
    if flag(observation, "error.propagated") == Some(true) {
        marks.push(mark("passed", "passed on", "an error of an inner layer was passed on"));
    }
    if flag(observation, "cancelled") == Some(true) {
        marks.push(mark("cancelled", "cancelled", &cancelled(observation)));
    }
    marks
}

fn cancelled(observation: &Observation) -> String {
    match text(observation, "cancelled.reason") {
        Some(reason) => format!("cancelled: {}", notation::line(reason, 60)),
        None => "cancelled".to_owned(),
    }
}

/// A layer's name without its kind in front, and its kind.
pub(super) fn name(observation: &Observation) -> (&str, Option<&str>) {
    let kind = text(observation, "layer.kind").filter(|_| observation.kind == ObservationType::Layer);
    let short = kind.and_then(|kind| observation.name.strip_prefix(kind)?.strip_prefix(' '));
    short.map_or((observation.name.as_str(), None), |short| (short, kind))
}

fn handled(observation: &Observation) -> String {
    match text(observation, "error.handled_by").filter(|by| !by.is_empty()) {
        Some(by) => format!("handled by {}", notation::line(by, 60)),
        None => "handled".to_owned(),
    }
}

fn flag(observation: &Observation, key: &str) -> Option<bool> {
    observation.attributes.get(key).and_then(Value::as_bool)
}

fn text<'o>(observation: &'o Observation, key: &str) -> Option<&'o str> {
    observation.attributes.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sample;
    use super::*;

    fn layer(attributes: Value) -> Observation {
        let mut observation = sample::observation(1, None, "middleware auth", 0, 10);
        observation.kind = ObservationType::Layer;
        observation.attributes = serde_json::from_value(attributes).unwrap();
        observation
    }

    #[test]
    fn a_layers_own_time_lies_around_the_inner_one() {
        let observation =
            layer(json!({"layer.before_ms": 1000, "layer.after_ms": 2000.0, "layer.self_ms": 3000}));
        let seconds = |time: Timestamp| time.as_nanos() / 1_000_000_000;
        let stretches = Layer::of(&observation).own_stretches(&observation);
        let stretches: Vec<_> =
            stretches.into_iter().map(|(from, to)| (seconds(from), seconds(to))).collect();
        assert_eq!(stretches, [(0, 1), (8, 10)]);
        let absurd = layer(json!({"layer.before_ms": 1e300, "layer.after_ms": 1e300}));
        let stretches = Layer::of(&absurd).own_stretches(&absurd);
        assert_eq!(stretches, [(absurd.start_time, absurd.end_time), (absurd.end_time, absurd.end_time)]);
        let innermost = layer(json!({"layer.self_ms": 3000}));
        assert!(Layer::of(&innermost).own_stretches(&innermost).is_empty());
    }

    #[test]
    fn marks_tell_what_became_of_an_error() {
        let said = |attributes| {
            let observation = layer(attributes);
            marks(&observation).into_iter().map(|mark| mark.title).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            said(json!({"error.handled": true, "error.handled_by": "on_timeout"})),
            "handled by on_timeout"
        );
        assert_eq!(said(json!({"error.handled": false})), "nobody handled the error");
        assert_eq!(
            said(json!({"error.propagated": true, "cancelled": true})),
            "an error of an inner layer was passed on, cancelled"
        );
        assert_eq!(said(json!({"error.handled": "yes", "cancelled": 1})), "");
    }

    #[test]
    fn what_is_no_layer_has_no_own_time() {
        let mut observation = layer(json!({"layer.self_ms": 1}));
        observation.kind = ObservationType::Span;
        assert_eq!(Layer::of(&observation), Layer::default());
    }
}
