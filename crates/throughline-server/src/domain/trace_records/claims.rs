//! Who may say what about a whole trace, when several of its spans do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use throughline_model::otlp::{AttributeValue, SpanFacts};
use throughline_model::{Attributes, SpanId, Timestamp};

use crate::domain::preview;

/// The most different keys, tags or services that a trace keeps: the first ones in order of the alphabet, so that it
/// does not matter which came first.
const MAX_DISTINCT: usize = 64;

/// The most bytes that a metadata value keeps.
const METADATA_BYTES: usize = 1024;

/// The most bytes that a name, a tag or the like keeps.
const NAME_BYTES: usize = 512;

/// How much a span's word counts for its trace, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// The source says that it is the application's root.
    AppRoot,
    /// It has no parent.
    Root,
    Inner,
}

/// The order in which spans are asked: by role, then the earliest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) role: Role,
    pub(super) start: Timestamp,
    pub(super) span: SpanId,
}

impl Place {
    pub(super) fn of(facts: &SpanFacts<'_>) -> Self {
        let is_root = facts.parent_id.is_none_or(|parent| parent == facts.span_id);
        let role = match (facts.is_app_root, is_root) {
            (true, _) => Role::AppRoot,
            (false, true) => Role::Root,
            (false, false) => Role::Inner,
        };
        Self { role, start: facts.start, span: facts.span_id }
    }
}

/// What the first in some order says.
#[derive(Debug, Clone)]
pub(super) struct First<K, T> {
    held: Option<(K, T)>,
}

impl<K, T> Default for First<K, T> {
    fn default() -> Self {
        Self { held: None }
    }
}

impl<K: Ord, T> First<K, T> {
    /// Takes what `make` says if `key` comes before who is held.
    pub(super) fn offer(&mut self, key: K, make: impl FnOnce() -> T) {
        if self.held.as_ref().is_none_or(|(held, _)| key < *held) {
            self.held = Some((key, make()));
        }
    }

    pub(super) fn get(&self) -> Option<&T> {
        self.held.as_ref().map(|(_, value)| value)
    }

    /// What is held, and by whom.
    pub(super) fn entry(&self) -> Option<(&K, &T)> {
        self.held.as_ref().map(|(key, value)| (key, value))
    }
}

/// A name that all spans should agree on.
#[derive(Debug, Clone, Default)]
pub(super) struct Agreed {
    first: First<Place, Box<str>>,
    pub(super) conflict: bool,
}

impl Agreed {
    pub(super) fn offer(&mut self, place: Place, name: Option<&str>) {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return };
        self.conflict |= self.get().is_some_and(|held| held != name);
        self.first.offer(place, || name.into());
    }

    pub(super) fn get(&self) -> Option<&str> {
        self.first.get().map(|name| &**name)
    }
}

/// Metadata merged key by key: the latest start wins, the root before all.
#[derive(Debug, Clone, Default)]
pub(super) struct Merged {
    values: BTreeMap<Box<str>, (std::cmp::Reverse<Role>, Timestamp, SpanId, Value)>,
}

impl Merged {
    pub(super) fn offer(&mut self, place: Place, key: &str, value: &AttributeValue<'_>) {
        let key = preview::cut(key, NAME_BYTES);
        let order = (std::cmp::Reverse(place.role), place.start, place.span);
        if let Some(held) = self.values.get_mut(key) {
            if (held.0, held.1, held.2) <= order {
                *held = (order.0, order.1, order.2, shown(value));
            }
            return;
        }
        self.values.insert(key.into(), (order.0, order.1, order.2, shown(value)));
        if self.values.len() > MAX_DISTINCT {
            self.values.pop_last();
        }
    }

    pub(super) fn get(&self) -> Attributes {
        self.values.iter().map(|(key, value)| (key.to_string(), value.3.clone())).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

/// A set of names.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    names: BTreeSet<Box<str>>,
}

impl Names {
    pub(super) fn add(&mut self, name: &str) {
        let name = preview::cut(name, NAME_BYTES);
        if name.is_empty() || self.names.contains(name) {
            return;
        }
        self.names.insert(name.into());
        if self.names.len() > MAX_DISTINCT {
            self.names.pop_last();
        }
    }

    pub(super) fn get(&self) -> Vec<String> {
        self.names.iter().map(|name| name.to_string()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}

/// A name, cut if it is beyond all reason.
pub(super) fn name(text: &str) -> Box<str> {
    preview::cut(text, NAME_BYTES).into()
}

fn shown(value: &AttributeValue<'_>) -> Value {
    match value {
        AttributeValue::Text(text) if text.len() > METADATA_BYTES => {
            Value::String(format!("{}…", preview::cut(text, METADATA_BYTES)))
        }
        value => preview::shortened(value.to_json(), METADATA_BYTES),
    }
}
