//! What the earliest or the latest trace or event of a session says.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use throughline_model::{EventId, Timestamp, TraceId};

use super::Stale;

/// Who says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Speaker<'a> {
    #[serde(rename = "t")]
    Trace(TraceId),
    #[serde(rename = "e")]
    Event(Cow<'a, EventId>),
}

/// What counts, who says it, and the time that gives them precedence. Of two at the same time the id decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Held<T, const LATEST: bool> {
    at: i64,
    by: Speaker<'static>,
    #[serde(rename = "is")]
    pub(super) value: T,
}

/// Said by the earliest.
pub(super) type Earliest<T> = Option<Held<T, false>>;
/// Said by the latest.
pub(super) type Latest<T> = Option<Held<T, true>>;

impl<T, const LATEST: bool> Held<T, LATEST> {
    pub(super) fn at(&self) -> Timestamp {
        Timestamp::from_nanos(self.at)
    }

    /// `by` says something new, or (`None`) nothing any more.
    pub(super) fn replace<V: ToOwned<Owned = T> + ?Sized>(
        held: &mut Option<Self>,
        by: &Speaker<'_>,
        new: Option<(Timestamp, &V)>,
    ) -> Result<(), Stale> {
        let own = held.as_ref().is_some_and(|held| held.by == *by);
        let Some((at, value)) = new else {
            return if own { Err(Stale) } else { Ok(()) };
        };
        let at = at.as_nanos();
        let precedence = held.as_ref().map_or(Ordering::Less, |held| {
            let order = (at, by).cmp(&(held.at, &held.by));
            if LATEST { order.reverse() } else { order }
        });
        match precedence {
            Ordering::Less | Ordering::Equal => {
                *held = Some(Self { at, by: by.to_static(), value: value.to_owned() });
                Ok(())
            }
            // Somebody else may come first now.
            Ordering::Greater if own => Err(Stale),
            Ordering::Greater => Ok(()),
        }
    }
}

impl Speaker<'_> {
    fn to_static(&self) -> Speaker<'static> {
        match self {
            Self::Trace(id) => Speaker::Trace(*id),
            Self::Event(id) => Speaker::Event(Cow::Owned(id.as_ref().clone())),
        }
    }
}
