//! What an event is made of: its attributes and their types.

use serde::Serialize;
use serde_json::Value;

use crate::{Attributes, Level};

/// What type an attribute's value must be of.
///
/// ```
/// use throughline::AttributeType;
/// assert!(AttributeType::Number.admits(&2.3.into()) && !AttributeType::Integer.admits(&2.3.into()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AttributeType {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Bool,
    /// A list.
    List,
    /// An object with values by key.
    Object,
    /// Anything, null included.
    Any,
}

impl AttributeType {
    /// Whether this value is of the type. Null is of no type but [`Any`](Self::Any).
    pub fn admits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Bool => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
            Self::Any => true,
        }
    }

    const fn with_article(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::List => "a list",
            Self::Object => "an object",
            Self::Any => "anything",
        }
    }
}

/// One attribute of a [`Schema`].
///
/// ```
/// use throughline::{AttributeType, Schema};
/// let schema = Schema::new().optional("ctx.shipment.weight_kg", AttributeType::Number);
/// let weight = &schema.attributes()[0];
/// assert_eq!((weight.key.as_str(), weight.required), ("ctx.shipment.weight_kg", false));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AttributeSchema {
    /// Its key.
    pub key: String,
    /// The type of its value.
    #[serde(rename = "type")]
    pub kind: AttributeType,
    /// Whether the event is wrong without it. An optional one may be missing or null.
    pub required: bool,
    /// What it says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// What an event is made of. Serializes as JSON, so that a registry can be published.
///
/// ```
/// use throughline::{AttributeType, Level, Schema};
///
/// let shipped = Schema::new()
///     .description("An order left the warehouse.")
///     .level(Level::Info)
///     .required("ctx.order.id", AttributeType::Text)
///     .optional("ctx.shipment.weight_kg", AttributeType::Number)
///     .describe("ctx.order.id", "As the shop numbers it.");
/// assert_eq!(shipped.attributes()[0].description, "As the shop numbers it.");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct Schema {
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<Level>,
    closed: bool,
    attributes: Vec<AttributeSchema>,
}

impl Schema {
    /// A schema that asks for nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the event says.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// The level that the event must have.
    pub const fn level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// An attribute that every such event has, itself or from its session.
    pub fn required(self, key: impl Into<String>, kind: AttributeType) -> Self {
        self.attribute(key.into(), kind, true)
    }

    /// An attribute that such an event may have.
    pub fn optional(self, key: impl Into<String>, kind: AttributeType) -> Self {
        self.attribute(key.into(), kind, false)
    }

    fn attribute(mut self, key: String, kind: AttributeType, required: bool) -> Self {
        self.attributes.push(AttributeSchema { key, kind, required, description: String::new() });
        self
    }

    /// What the derive macro says of a field.
    #[doc(hidden)]
    pub fn attribute_of<T: super::TypedAttribute>(self, key: &str, description: &str) -> Self {
        self.attribute(key.to_owned(), T::TYPE, T::REQUIRED).describe(key, description)
    }

    /// What the attribute of this key says, if there is one.
    pub fn describe(mut self, key: &str, text: impl Into<String>) -> Self {
        if let Some(attribute) = self.attributes.iter_mut().find(|attribute| attribute.key == key) {
            attribute.description = text.into();
        }
        self
    }

    /// Attributes that are not described here are wrong too. Those of the session are not looked at.
    pub const fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// Its attributes.
    pub fn attributes(&self) -> &[AttributeSchema] {
        &self.attributes
    }

    /// What is wrong with an event that has these attributes, beside those of its session.
    pub(super) fn problems(
        &self,
        level: Level,
        own: &Attributes,
        session: Option<&Attributes>,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(wanted) = self.level.filter(|wanted| *wanted != level) {
            problems.push(format!("the level is {} and not {}", level.as_str(), wanted.as_str()));
        }
        for AttributeSchema { key, kind, required, .. } in &self.attributes {
            match own.get(key).or_else(|| session?.get(key)) {
                None if *required => problems.push(format!("{key} is missing")),
                None => {}
                Some(Value::Null) if !required => {}
                Some(value) if kind.admits(value) => {}
                // Never the value itself: it may be what redaction is there to hide.
                Some(_) => problems.push(format!("{key} is not {}", kind.with_article())),
            }
        }
        if self.closed {
            let known = |key: &str| self.attributes.iter().any(|attribute| attribute.key == key);
            let unknown = own.keys().filter(|key| !known(key));
            problems.extend(unknown.map(|key| format!("{key} is not an attribute of the event")));
        }
        problems
    }
}
