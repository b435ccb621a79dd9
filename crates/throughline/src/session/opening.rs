//! What is said of a session when it is opened: flat, so that opening one costs two allocations, and made a
//! [`SessionState`] for whoever looks into it.

use std::sync::Arc;

use serde_json::Value;

use super::SessionState;
use crate::observation::Said;
use crate::pipeline::{Piece, Scalar};
use crate::source::IdText;
use crate::{Actor, AttributeValue, Attributes, Scope, SessionId, Timestamp};

/// Room for the texts of most sessions.
const TEXT: usize = 256;
/// So many attributes take no allocation.
const FEW: usize = 4;

#[derive(Debug, Clone, Default)]
pub(crate) struct Opening {
    /// What everything else is pieces of.
    text: String,
    id: Option<Piece>,
    actor: Option<Who<Actor>>,
    scope: Option<Who<Scope>>,
    /// In order; of a key that is said twice the last counts.
    few: [Option<Said>; FEW],
    more: Vec<Said>,
    outer: Option<Arc<SessionState>>,
    started_at: Timestamp,
}

#[derive(Debug, Clone)]
enum Who<T> {
    Said { kind: Piece, id: Option<Piece> },
    Given(Box<T>),
}

impl Opening {
    #[inline]
    fn push(&mut self, text: &str) -> Piece {
        if self.text.capacity() == 0 {
            self.text.reserve(TEXT);
        }
        let piece = Piece::new(self.text.len(), text.len());
        self.text.push_str(text);
        piece
    }

    pub(super) fn set_id(&mut self, id: &str) {
        self.id = Some(self.push(id));
    }

    #[inline]
    pub(super) fn set_actor(&mut self, kind: &str, id: Option<&str>) {
        let kind = self.push(kind);
        self.actor = Some(Who::Said { kind, id: id.map(|id| self.push(id)) });
    }

    #[inline]
    pub(super) fn set_scope(&mut self, kind: &str, id: &str) {
        let kind = self.push(kind);
        self.scope = Some(Who::Said { kind, id: Some(self.push(id)) });
    }

    pub(super) fn give_actor(&mut self, actor: Actor) {
        self.actor = Some(Who::Given(Box::new(actor)));
    }

    pub(super) fn give_scope(&mut self, scope: Scope) {
        self.scope = Some(Who::Given(Box::new(scope)));
    }

    /// Does nothing without an actor.
    pub(super) fn tag_actor(&mut self, key: String, value: Value) {
        if let Some(mut actor) = self.own_actor() {
            actor.tags.insert(key, value);
            self.give_actor(actor);
        }
    }

    /// Does nothing without a scope.
    pub(super) fn tag_scope(&mut self, key: String, value: Value) {
        if let Some(mut scope) = self.own_scope() {
            scope.tags.insert(key, value);
            self.give_scope(scope);
        }
    }

    #[inline]
    pub(super) fn set_attribute(&mut self, key: &str, value: AttributeValue<'_>) {
        let key = self.push(key);
        let value = match value {
            AttributeValue::Null => Scalar::Null,
            AttributeValue::Bool(yes) => Scalar::Bool(yes),
            AttributeValue::Int(number) => Scalar::Int(number),
            AttributeValue::Uint(number) => Scalar::Uint(number),
            AttributeValue::Float(number) => Scalar::Float(number),
            AttributeValue::Text(text) => Scalar::Text(self.push(text)),
            AttributeValue::Json(value) => Scalar::Json(value),
        };
        let said = Said { key, value };
        match self.few.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(said),
            None => self.more.push(said),
        }
    }

    /// Opens it: from here on it stays as it is. Without an id it gets one made of `chance`.
    pub(super) fn begin(
        &mut self,
        outer: Option<Arc<SessionState>>,
        now: Timestamp,
        chance: impl FnOnce() -> u64,
    ) {
        if self.id.is_none() {
            self.set_id(IdText::session(now, chance()).as_str());
        }
        (self.outer, self.started_at) = (outer, now);
    }

    pub(super) fn id(&self) -> &str {
        self.id.unwrap_or_default().of(&self.text)
    }

    fn own_actor(&self) -> Option<Actor> {
        Some(match self.actor.as_ref()? {
            Who::Said { kind, id } => Actor {
                kind: kind.of(&self.text).to_owned(),
                id: id.map(|id| id.of(&self.text).to_owned()),
                tags: Attributes::new(),
            },
            Who::Given(actor) => (**actor).clone(),
        })
    }

    fn own_scope(&self) -> Option<Scope> {
        Some(match self.scope.as_ref()? {
            Who::Said { kind, id } => Scope {
                kind: kind.of(&self.text).to_owned(),
                id: id.unwrap_or_default().of(&self.text).to_owned(),
                tags: Attributes::new(),
            },
            Who::Given(scope) => (**scope).clone(),
        })
    }

    /// What it says, and for what it does not say what the session around it said.
    pub(super) fn state(&self) -> SessionState {
        let outer = self.outer.as_deref();
        let mut attributes = outer.map(|outer| outer.attributes.clone()).unwrap_or_default();
        let said = self.few.iter().flatten().chain(&self.more);
        attributes
            .extend(said.map(|said| (said.key.of(&self.text).to_owned(), said.value.to_json(&self.text))));
        SessionState {
            session_id: SessionId::from(self.id()),
            parent_session_id: outer.map(|outer| outer.session_id.clone()),
            actor: self.own_actor().or_else(|| outer?.actor.clone()),
            scope: self.own_scope().or_else(|| outer?.scope.clone()),
            attributes,
            started_at: self.started_at,
            ended: false,
        }
    }
}
