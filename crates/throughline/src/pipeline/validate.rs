//! Checking an event against what is registered, before sampling is asked.

use serde_json::Value;

use super::{Core, Kept};
use crate::ambient::Ambient;
use crate::event::Extra;
use crate::registry::Checked;
use crate::{AttributeValue, Attributes, Callsite, Error, Level, Session};

/// Marks an event that was emitted although it is not as registered.
const VALIDATION_ERROR: &str = "throughline.validation_error";

/// An event that is kept: what it says beyond its call site, and how sampling came to keep it.
type Decided = (Option<Box<Extra>>, Kept);

impl Core {
    /// Checks the event, then asks sampling: `None` if it is not kept.
    #[cold]
    pub(super) fn check(
        &self,
        session: Option<&Session>,
        site: Option<&'static Callsite>,
        values: &[AttributeValue<'_>],
        mut extra: Option<Box<Extra>>,
    ) -> Result<Option<Decided>, Error> {
        let state = match session {
            Some(session) => Some(session.shared().state()),
            None => Ambient::with(|ambient| Some(ambient?.session.as_ref()?.state())),
        };
        let given = extra.as_deref();
        let keys = site.map_or(&[][..], |site| site.keys);
        let pairs =
            keys.iter().zip(values).map(|(key, value)| ((*key).to_owned(), Value::from(value.clone())));
        let mut own: Attributes = pairs.collect();
        own.extend(given.map(|extra| extra.attributes.clone()).unwrap_or_default());
        let name = given.and_then(|extra| extra.name.as_deref()).or(site.map(|site| site.name));
        let name = name.unwrap_or_default().to_owned();
        let level = given.and_then(|extra| extra.level).or(site.map(|site| site.level));
        let level = level.unwrap_or(Level::Info);
        let checked = self.registry.check(&Checked {
            name: &name,
            level,
            own: &own,
            session: state.as_ref().map(|state| &state.attributes),
            actor: given.and_then(|extra| extra.actor.as_ref()).or_else(|| state.as_ref()?.actor.as_ref()),
            scope: given.and_then(|extra| extra.scope.as_ref()).or_else(|| state.as_ref()?.scope.as_ref()),
        });
        if let Err(violation) = checked {
            self.counters.count_invalid_event();
            if violation.strict {
                return Err(violation.error);
            }
            let problem = Value::String(violation.error.to_string());
            extra.get_or_insert_default().attributes.insert(VALIDATION_ERROR.to_owned(), problem);
        }
        let rule = self.sampler.rule(&name, level);
        Ok(self.draw(rule, level, session, 0).map(|kept| (extra, kept)))
    }
}
