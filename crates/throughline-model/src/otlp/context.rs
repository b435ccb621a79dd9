//! What the spans of one resource and scope have in common.

use std::borrow::Cow;

use super::facts::AttributeValue;
use super::mapping::{Field, INDEX};
use super::slots::Slots;
use super::value::key_value;
use super::wire::{self, Wire};

/// A resource and a scope, read once for all their spans.
#[derive(Debug, Clone)]
pub(super) struct Context<'a> {
    pub(super) slots: Slots<'a>,
    /// The resource's attributes that the table does not know.
    pub(super) attributes: Vec<(Cow<'a, str>, AttributeValue<'a>)>,
    pub(super) claude_code: bool,
}

/// A resource may name these; everything else there is about the process, not about the work.
fn is_shared(field: Field) -> bool {
    matches!(
        field,
        Field::Session
            | Field::ParentSession
            | Field::User
            | Field::Service
            | Field::Environment
            | Field::Version
            | Field::Tags
            | Field::ActorType
            | Field::ActorId
            | Field::ActorTags
            | Field::ScopeType
            | Field::ScopeId
            | Field::ScopeTags
    )
}

impl<'a> Context<'a> {
    pub(super) fn of_resource(resource: &'a [u8]) -> Self {
        let mut context = Self { slots: Slots::new(), attributes: Vec::new(), claude_code: false };
        for field in wire::checked(resource) {
            let (1, Wire::Bytes(attribute)) = field else { continue };
            let (key, value) = key_value(attribute);
            match INDEX.rules(key).iter().find(|rule| is_shared(rule.field)) {
                Some(rule) => {
                    context.slots.offer(rule, value);
                }
                None => context.attributes.push((wire::text(key), value.to_attribute())),
            }
        }
        context
    }

    pub(super) fn with_scope(&self, scope: &[u8]) -> Self {
        let name = wire::checked(scope).find_map(|field| match field {
            (1, Wire::Bytes(name)) => Some(name),
            _ => None,
        });
        let claude_code = name.is_some_and(|name| name.starts_with(b"com.anthropic.claude_code"));
        Self { claude_code, ..self.clone() }
    }
}
