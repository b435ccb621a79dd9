//! The registry, checked and ready to check events.

use std::collections::{BTreeMap, HashMap};

use super::{Events, Kind, Schema};
use crate::{Actor, Attributes, Error, Level, Scope, name};

/// When events are checked against what is registered.
///
/// ```
/// use throughline::{Events, Telemetry, Validation, ValidationMode};
/// let telemetry = Telemetry::builder("shop")
///     .environment("production")
///     .validation(Validation::default().mode(ValidationMode::Always))
///     // This namespace for itself:
///     .events(Events::namespace("shop").mode(ValidationMode::None))
///     .build()?;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ValidationMode {
    /// In every environment but `production`.
    #[default]
    Development,
    /// In every environment.
    Always,
    /// Nowhere.
    None,
}

/// When events are checked, and what becomes of those that are unknown or wrong. What a namespace says for itself
/// ([`Events::mode`], [`Events::strict`]) goes before.
///
/// Checking comes before sampling, so that a wrong event is found whatever chance says; the attributes of an event that
/// is checked are evaluated even if it is not kept. An event whose level is off is not checked.
///
/// ```
/// use throughline::{Validation, ValidationMode};
/// let validation = Validation::default().mode(ValidationMode::Always).strict();
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub struct Validation {
    mode: ValidationMode,
    strict: bool,
}

impl Validation {
    /// When events are checked; in development unless set.
    pub const fn mode(mut self, mode: ValidationMode) -> Self {
        self.mode = mode;
        self
    }

    /// What is unknown or wrong is refused: `try_emit` says why, other forms drop and count it. Otherwise it is emitted
    /// with an attribute `throughline.validation_error`, and counted. Names outside all registered namespaces are unknown
    /// only in this case.
    pub const fn strict(mut self) -> Self {
        self.strict = true;
        self
    }
}

/// Everything that was registered, before it is checked.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    pub(crate) validation: Validation,
    pub(crate) namespaces: Vec<Events>,
    pub(crate) actors: Vec<Kind>,
    pub(crate) scopes: Vec<Kind>,
}

#[derive(Debug, Clone, Copy)]
struct Policy {
    active: bool,
    strict: bool,
}

/// What events are checked against.
#[derive(Debug)]
pub(crate) struct Registry {
    everywhere: Policy,
    namespaces: BTreeMap<String, Policy>,
    events: HashMap<String, Schema>,
    actors: Vec<Kind>,
    scopes: Vec<Kind>,
}

/// What is checked of an event.
pub(crate) struct Checked<'a> {
    pub(crate) name: &'a str,
    pub(crate) level: Level,
    pub(crate) own: &'a Attributes,
    pub(crate) session: Option<&'a Attributes>,
    pub(crate) actor: Option<&'a Actor>,
    pub(crate) scope: Option<&'a Scope>,
}

/// An event that is not as registered.
pub(crate) struct Violation {
    pub(crate) error: Error,
    pub(crate) strict: bool,
}

impl Registrations {
    pub(crate) fn compile(self, environment: &str) -> Result<Registry, Error> {
        let active = |mode| match mode {
            ValidationMode::Development => environment != "production",
            ValidationMode::Always => true,
            ValidationMode::None => false,
        };
        let Self { validation, namespaces, actors, scopes } = self;
        check_kinds("actor", ["TELEMETRY_INVALID_ACTOR", "TELEMETRY_DUPLICATE_ACTOR"], &actors)?;
        check_kinds("scope", ["TELEMETRY_INVALID_SCOPE", "TELEMETRY_DUPLICATE_SCOPE"], &scopes)?;
        if validation.strict && namespaces.is_empty() && actors.is_empty() && scopes.is_empty() {
            return Err(Error::configuration("validation.strict", "nothing is registered that is known"));
        }
        let everywhere = Policy { active: active(validation.mode), strict: validation.strict };
        let mut registry =
            Registry { everywhere, namespaces: BTreeMap::new(), events: HashMap::new(), actors, scopes };
        for events in namespaces {
            let mode = events.mode.map_or(everywhere.active, active);
            registry
                .add(events, |strict| Policy { active: mode, strict: strict.unwrap_or(everywhere.strict) })?;
        }
        Ok(registry)
    }
}

fn check_kinds(what: &str, [invalid, duplicate]: [&'static str; 2], kinds: &[Kind]) -> Result<(), Error> {
    for (at, kind) in kinds.iter().enumerate() {
        let field = format!("{what} {:?}", kind.name);
        if !name::is_valid(&kind.name) || name::is_reserved(&kind.name) {
            return Err(Error::registration(invalid, field, name::GRAMMAR));
        }
        if kinds[..at].iter().any(|other| other.name == kind.name) {
            return Err(Error::registration(duplicate, field, "is registered twice"));
        }
    }
    Ok(())
}

impl Registry {
    fn add(&mut self, events: Events, policy: impl FnOnce(Option<bool>) -> Policy) -> Result<(), Error> {
        let Events { namespace, group, strict, .. } = events;
        let field = || format!("namespace {namespace:?}");
        if !name::is_valid(&namespace) {
            return Err(Error::registration("TELEMETRY_INVALID_NAMESPACE", field(), name::GRAMMAR));
        }
        if name::is_reserved(&namespace) {
            return Err(Error::registration("TELEMETRY_RESERVED_NAMESPACE", field(), name::RESERVED));
        }
        if self.namespaces.contains_key(&namespace) {
            return Err(Error::registration("TELEMETRY_DUPLICATE_NAMESPACE", field(), "is registered twice"));
        }
        for entry in group.entries {
            let field = format!("event {:?} of namespace {namespace:?}", entry.name);
            if !entry.name.strip_prefix(&namespace).is_some_and(|rest| rest.starts_with('.')) {
                return Err(Error::registration(
                    "TELEMETRY_INVALID_EVENT_NAME",
                    field,
                    "does not lie in the namespace",
                ));
            }
            if !name::is_valid(&entry.own_name) || !name::is_valid(&entry.name) {
                return Err(Error::registration("TELEMETRY_INVALID_EVENT_NAME", field, name::GRAMMAR));
            }
            if name::is_reserved(&entry.own_name) {
                return Err(Error::registration("TELEMETRY_RESERVED_NAMESPACE", field, name::RESERVED));
            }
            let Some(schema) = entry.schema else { continue };
            check_keys(&field, &schema)?;
            if self.events.insert(entry.name, schema).is_some() {
                return Err(Error::registration("TELEMETRY_DUPLICATE_EVENT", field, "is registered twice"));
            }
        }
        self.namespaces.insert(namespace, policy(strict));
        Ok(())
    }

    /// Whether events of this name are checked at all.
    pub(crate) fn checks(&self, name: &str) -> bool {
        let policy = self.policy(name);
        let anything = policy.strict || !self.events.is_empty() || self.has_kinds();
        policy.active && anything
    }

    const fn has_kinds(&self) -> bool {
        !self.actors.is_empty() || !self.scopes.is_empty()
    }

    /// That of the longest namespace that the name lies in.
    fn policy(&self, name: &str) -> Policy {
        self.namespace_policy(name).unwrap_or(self.everywhere)
    }

    fn namespace_policy(&self, name: &str) -> Option<Policy> {
        let mut rest = name;
        while let Some((namespace, _)) = rest.rsplit_once('.') {
            if let Some(policy) = self.namespaces.get(namespace) {
                return Some(*policy);
            }
            rest = namespace;
        }
        None
    }

    pub(crate) fn check(&self, event: &Checked<'_>) -> Result<(), Violation> {
        let name = event.name;
        let (policy, is_inside) = match self.namespace_policy(name) {
            Some(policy) => (policy, true),
            None => (self.everywhere, false),
        };
        let actor = kind_problem("actor", event.actor.map(|actor| &*actor.kind), &self.actors);
        let scope = kind_problem("scope", event.scope.map(|scope| &*scope.kind), &self.scopes);
        let mut problems: Vec<_> = actor.into_iter().chain(scope).collect();
        let may_be_unknown = !is_inside && (!policy.strict || self.namespaces.is_empty());
        let error = match self.events.get(name) {
            None if !may_be_unknown => Error::UnknownEvent(name.to_owned()),
            schema => {
                let own = schema.map(|schema| schema.problems(event.level, event.own, event.session));
                problems.extend(own.unwrap_or_default());
                if problems.is_empty() {
                    return Ok(());
                }
                Error::SchemaValidationFailed { event: name.to_owned(), problems }
            }
        };
        Err(Violation { error, strict: policy.strict })
    }
}

fn check_keys(field: &str, schema: &Schema) -> Result<(), Error> {
    let attributes = schema.attributes();
    for (at, attribute) in attributes.iter().enumerate() {
        let problem = match () {
            () if !name::is_valid(&attribute.key) => name::GRAMMAR,
            () if attributes[..at].iter().any(|other| other.key == attribute.key) => "is described twice",
            () => continue,
        };
        let field = format!("attribute {:?} of {field}", attribute.key);
        return Err(Error::registration("TELEMETRY_CONFIGURATION_INVALID", field, problem));
    }
    Ok(())
}

fn kind_problem(what: &str, given: Option<&str>, kinds: &[Kind]) -> Option<String> {
    if kinds.is_empty() {
        return None;
    }
    let required: Vec<_> = kinds.iter().filter(|kind| kind.required).map(Kind::name).collect();
    let list = required.join(" or ");
    match given {
        None if required.is_empty() => None,
        None => Some(format!("it has no {what}, and {list} is required")),
        Some(given) if !kinds.iter().any(|kind| kind.name == given) => {
            Some(format!("{given:?} is not a registered kind of {what}"))
        }
        Some(given) if !required.is_empty() && !required.contains(&given) => {
            Some(format!("its {what} is {given}, and {list} is required"))
        }
        Some(_) => None,
    }
}
