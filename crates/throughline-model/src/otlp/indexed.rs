//! Lists that lie flattened in attributes: `llm.input_messages.0.message.role`, `gen_ai.prompt.0.content`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::value::key_value;
use super::wire::{self, Wire};

/// Keys with more segments than this are not taken apart any further.
const DEEPEST: usize = 12;

enum Node {
    Leaf(Value),
    /// Numeric keys, which sort as numbers, and others.
    Branch(BTreeMap<usize, Self>, BTreeMap<String, Self>),
}

/// The attributes of `span` whose keys begin with `prefix`, put together as JSON text.
pub(super) fn gather(span: &[u8], prefix: &str) -> String {
    let mut root = Node::Branch(BTreeMap::new(), BTreeMap::new());
    for field in wire::checked(span) {
        let (9, Wire::Bytes(attribute)) = field else { continue };
        let (key, value) = key_value(attribute);
        if let Some(rest) = key.strip_prefix(prefix.as_bytes()) {
            let rest = wire::text(rest);
            root.insert(&rest.splitn(DEEPEST, '.').collect::<Vec<_>>(), value.to_json());
        }
    }
    root.into_json().to_string()
}

impl Node {
    fn insert(&mut self, path: &[&str], value: Value) {
        let Some((first, rest)) = path.split_first() else {
            *self = Self::Leaf(value);
            return;
        };
        if let Self::Leaf(_) = self {
            *self = Self::Branch(BTreeMap::new(), BTreeMap::new());
        }
        let Self::Branch(items, entries) = self else { return };
        let empty = || Self::Leaf(Value::Null);
        let child = match first.parse::<usize>() {
            Ok(index) => items.entry(index).or_insert_with(empty),
            Err(_) => entries.entry((*first).to_owned()).or_insert_with(empty),
        };
        child.insert(rest, value);
    }

    fn into_json(self) -> Value {
        match self {
            Self::Leaf(value) => value,
            Self::Branch(items, entries) if entries.is_empty() => {
                Value::Array(items.into_values().map(|item| unwrapped(item.into_json())).collect())
            }
            Self::Branch(items, entries) => {
                let items = items.into_iter().map(|(index, item)| (index.to_string(), item));
                let object = items.chain(entries).map(|(key, node)| (key, node.into_json()));
                Value::Object(object.collect::<Map<_, _>>())
            }
        }
    }
}

/// OpenInference puts each item of a list under a name of its own: `{"message": {...}}`, `{"tool_call": {...}}`.
fn unwrapped(item: Value) -> Value {
    const WRAPPERS: [&str; 5] = ["message", "tool_call", "document", "message_content", "prompt"];
    match item {
        Value::Object(mut object) if object.len() == 1 => {
            let wrapper = WRAPPERS.iter().find(|name| object.contains_key(**name));
            match wrapper.and_then(|name| object.remove(*name)) {
                Some(inner) => inner,
                None => Value::Object(object),
            }
        }
        other => other,
    }
}
