//! Events described before they are emitted: namespaces, groups, events.

use super::Schema;
use super::check::ValidationMode;
use crate::TypedEvent;

/// The events of one namespace, each with its schema. Registered by [`Builder::events`](crate::Builder::events).
///
/// A namespace may itself be dotted. The name of an event is its namespace, its groups and its own name, joined by dots.
///
/// ```
/// use throughline::{AttributeType, Events, Schema, Telemetry, testing::Memory};
///
/// let shop = Events::namespace("shop")
///     .event("order.shipped", Schema::new().required("ctx.order.id", AttributeType::Text))
///     .group("payment", |payment| {
///         payment.event("failed", Schema::new().optional("ctx.payment.provider", AttributeType::Text))
///     })
///     .strict();
/// assert_eq!(shop.names().collect::<Vec<_>>(), ["shop.order.shipped", "shop.payment.failed"]);
///
/// let telemetry = Telemetry::builder("shop").transport(Memory::new()).events(shop).build()?;
/// let refused = telemetry.event("shop.order.shipped").try_emit().unwrap_err();
/// assert_eq!(refused.code(), "TELEMETRY_SCHEMA_VALIDATION_FAILED");
/// assert_eq!(refused.to_string(), "event shop.order.shipped: ctx.order.id is missing");
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "events do nothing until they are registered"]
pub struct Events {
    pub(super) namespace: String,
    pub(super) group: EventGroup,
    pub(super) mode: Option<ValidationMode>,
    pub(super) strict: Option<bool>,
}

/// Some events of a namespace, under a name of their own. Made by [`Events::group`].
///
/// ```
/// use throughline::{EventGroup, Events, Schema};
/// fn payments(group: EventGroup) -> EventGroup {
///     group.event("started", Schema::new()).group("refund", |refund| refund.event("failed", Schema::new()))
/// }
/// let shop = Events::namespace("shop").group("payment", payments);
/// assert_eq!(shop.names().collect::<Vec<_>>(), ["shop.payment.started", "shop.payment.refund.failed"]);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a group has to be given back"]
pub struct EventGroup {
    prefix: String,
    pub(super) entries: Vec<Entry>,
}

/// An event or a group, as it was described.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    /// What is checked of the name: its last part.
    pub(super) own_name: String,
    /// `None` for a group.
    pub(super) schema: Option<Schema>,
}

impl Events {
    /// A namespace without events.
    pub fn namespace(name: impl Into<String>) -> Self {
        let namespace = name.into();
        let group = EventGroup { prefix: namespace.clone(), entries: Vec::new() };
        Self { namespace, group, mode: None, strict: None }
    }

    /// An event; its name may be dotted.
    pub fn event(mut self, name: &str, schema: Schema) -> Self {
        self.group = self.group.event(name, schema);
        self
    }

    /// A group of events; groups nest.
    pub fn group(mut self, name: &str, fill: impl FnOnce(EventGroup) -> EventGroup) -> Self {
        self.group = self.group.group(name, fill);
        self
    }

    /// An event that is a type. Its name must lie in the namespace.
    pub fn typed<E: TypedEvent>(mut self) -> Self {
        let inside = E::NAME.strip_prefix(&self.namespace).and_then(|rest| rest.strip_prefix('.'));
        // A name from outside is kept whole, so that registering tells of it.
        let own_name = inside.unwrap_or("").to_owned();
        self.group.entries.push(Entry { name: E::NAME.to_owned(), own_name, schema: Some(E::schema()) });
        self
    }

    /// When the events of this namespace are checked, whatever holds for others.
    pub const fn mode(mut self, mode: ValidationMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Events of this namespace that are unknown or wrong are refused, whatever holds for others.
    pub const fn strict(mut self) -> Self {
        self.strict = Some(true);
        self
    }

    /// Events of this namespace that are unknown or wrong are emitted and marked, whatever holds for others.
    pub const fn lenient(mut self) -> Self {
        self.strict = Some(false);
        self
    }

    /// The full names of its events.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.group.entries.iter().filter(|entry| entry.schema.is_some()).map(|entry| entry.name.as_str())
    }

    /// The full name of an event by its name in the namespace.
    ///
    /// ```
    /// # use throughline::{Events, Schema};
    /// let shop = Events::namespace("shop").group("order", |order| order.event("shipped", Schema::new()));
    /// assert_eq!(shop.key("order.shipped"), Some("shop.order.shipped"));
    /// assert!(shop.key("order").is_none(), "a group is no event");
    /// ```
    pub fn key(&self, name: &str) -> Option<&str> {
        self.find(name).map(|entry| entry.name.as_str())
    }

    /// The schema of an event by its name in the namespace.
    pub fn schema(&self, name: &str) -> Option<&Schema> {
        self.find(name)?.schema.as_ref()
    }

    fn find(&self, name: &str) -> Option<&Entry> {
        let is_it = |entry: &&Entry| {
            let inside = entry.name.strip_prefix(&self.namespace).and_then(|rest| rest.strip_prefix('.'));
            entry.schema.is_some() && inside == Some(name)
        };
        self.group.entries.iter().find(is_it)
    }
}

impl EventGroup {
    /// An event; its name may be dotted.
    pub fn event(mut self, name: &str, schema: Schema) -> Self {
        self.push(name, Some(schema));
        self
    }

    /// A group of events inside this one.
    pub fn group(mut self, name: &str, fill: impl FnOnce(Self) -> Self) -> Self {
        self.push(name, None);
        let inner = fill(Self { prefix: format!("{}.{name}", self.prefix), entries: Vec::new() });
        self.entries.extend(inner.entries);
        self
    }

    fn push(&mut self, name: &str, schema: Option<Schema>) {
        let full = format!("{}.{name}", self.prefix);
        self.entries.push(Entry { name: full, own_name: name.to_owned(), schema });
    }
}

/// A kind of actor or scope that events may name. Registered by [`Builder::actor`](crate::Builder::actor) and
/// [`Builder::scope`](crate::Builder::scope).
///
/// ```
/// use throughline::{Kind, Telemetry, Validation, testing::Memory};
///
/// let telemetry = Telemetry::builder("shop")
///     .transport(Memory::new())
///     .actor(Kind::new("user").description("A customer.").required())
///     .actor(Kind::new("system"))
///     .validation(Validation::default().strict())
///     .build()?;
/// let refused = telemetry.event("order.shipped").try_emit().unwrap_err();
/// assert_eq!(refused.to_string(), "event order.shipped: it has no actor, and user is required");
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a kind does nothing until it is registered"]
pub struct Kind {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) required: bool,
}

impl Kind {
    /// A kind of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), description: String::new(), required: false }
    }

    /// What it is.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// Every event that is checked has one of this kind, or of another that is required.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
