//! Which texts a trace shows as its input and its output, and which of its spans have them whole.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use throughline_model::otlp::{LoggedMessage, SpanFacts};
use throughline_model::{ObservationType, SpanId, Timestamp};

use super::claims::{First, Place, Role};
use crate::domain::preview::{Preview, Said};

/// Which span a trace's input or output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSource {
    pub span: SpanId,
    /// It is the span's explicit text for the whole trace (`trace_input`, `trace_output`), not its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explicit: bool,
}

type Earliest = (Timestamp, SpanId);
type Latest = Reverse<(Timestamp, SpanId)>;

/// The texts of a trace, shortened.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    input: End<Earliest>,
    output: End<Latest>,
}

/// What may be shown as one end of a trace, its input or its output; what goes before comes first.
#[derive(Debug, Clone)]
struct End<K> {
    /// What a span says to be that of the whole trace.
    explicit: First<Place, Preview>,
    /// The root's own, if it has one.
    root: First<Place, Option<Preview>>,
    /// A model call's own.
    call: First<K, Preview>,
    /// What was said to or by a model in log records of their own.
    logged: First<Latest, Preview>,
}

impl Texts {
    pub(super) fn take(&mut self, place: Place, facts: &SpanFacts<'_>) {
        let input = |text: &str| Preview::new(text, Said::First);
        let output = |text: &str| Preview::new(text, Said::Last);
        let (own_input, own_output) = (said(facts.input.as_deref()), said(facts.output.as_deref()));
        if let Some(text) = said(facts.trace_input.as_deref()) {
            self.input.explicit.offer(place, || input(text));
        }
        if let Some(text) = said(facts.trace_output.as_deref()) {
            self.output.explicit.offer(place, || output(text));
        }
        if facts.kind == ObservationType::Generation {
            if let Some(text) = own_input {
                self.input.call.offer((facts.start, facts.span_id), || input(text));
            }
            if let Some(text) = own_output {
                self.output.call.offer(Reverse((facts.end, facts.span_id)), || output(text));
            }
        }
        if facts.kind == ObservationType::Event {
            let latest = Reverse((facts.start, facts.span_id));
            match (LoggedMessage::of(&facts.name), own_input, own_output) {
                (Some(LoggedMessage::Input("user")), Some(text), _) => {
                    self.input.logged.offer(latest, || input(text));
                }
                (Some(LoggedMessage::Output), _, Some(text)) => {
                    self.output.logged.offer(latest, || output(text));
                }
                _ => {}
            }
        }
        if place.role != Role::Inner {
            self.input.root.offer(place, || own_input.map(input));
            self.output.root.offer(place, || own_output.map(output));
        }
    }

    pub(super) fn input(&self) -> Option<(&Preview, TextSource)> {
        self.input.chosen(|(_, span)| *span)
    }

    pub(super) fn output(&self) -> Option<(&Preview, TextSource)> {
        self.output.chosen(|Reverse((_, span))| *span)
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.input.size_bytes() + self.output.size_bytes()
    }
}

fn said(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

impl<K: Ord> End<K> {
    fn chosen(&self, span_of_call: impl Fn(&K) -> SpanId) -> Option<(&Preview, TextSource)> {
        let own = |span| TextSource { span, explicit: false };
        let explicit = self.explicit.entry();
        let explicit = explicit.map(|(place, text)| (text, TextSource { span: place.span, explicit: true }));
        let root = self.root.entry().and_then(|(place, text)| Some((text.as_ref()?, own(place.span))));
        let call = self.call.entry().map(|(key, text)| (text, own(span_of_call(key))));
        let logged = self.logged.entry().map(|(Reverse((_, span)), text)| (text, own(*span)));
        explicit.or(root).or(call).or(logged)
    }

    fn size_bytes(&self) -> usize {
        let root = self.root.get().and_then(Option::as_ref);
        let texts = [self.explicit.get(), root, self.call.get(), self.logged.get()];
        texts.into_iter().flatten().map(Preview::size_bytes).sum()
    }
}

impl<K: Ord> Default for End<K> {
    fn default() -> Self {
        Self {
            explicit: First::default(),
            root: First::default(),
            call: First::default(),
            logged: First::default(),
        }
    }
}
