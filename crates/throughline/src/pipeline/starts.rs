//! Traces that have begun and not ended. Of those that go on for a while some transports are told, so that whoever gets
//! it can show them meanwhile.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use throughline_model::keys;

use crate::observation::Moment;
use crate::session::{Prepared, Shared};
use crate::{Attributes, Envelope, Event, Level, ObservationType, Resource, SpanContext, Timestamp, source};

/// What ends sooner than this is not told of: its span says everything.
const SOON: Duration = Duration::from_millis(500);

/// A trace, for as long as its first span goes on: whoever has ended the span forgets this.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) context: SpanContext,
    pub(crate) kind: ObservationType,
    pub(crate) name: String,
    pub(crate) start: Moment,
    /// Where no session says who it is.
    pub(crate) user_id: Option<String>,
    pub(crate) session: Option<Arc<Shared>>,
}

/// Those that may have to be told of, in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Starts(Vec<(Instant, Weak<Begun>)>);

impl Starts {
    pub(super) fn meet(&mut self, begun: impl Iterator<Item = Weak<Begun>>) {
        let now = Instant::now();
        self.0.extend(begun.map(|begun| (now, begun)));
    }

    /// Those that go on and were met a while ago; all that go on, if `all` is asked for. Each once.
    pub(super) fn due(&mut self, all: bool) -> Vec<Arc<Begun>> {
        let due = if all { self.0.len() } else { self.0.partition_point(|(met, _)| met.elapsed() >= SOON) };
        self.0.drain(..due).filter_map(|(_, begun)| begun.upgrade()).collect()
    }
}

impl Begun {
    /// The event that tells of it.
    pub(super) fn envelope(
        &self,
        start: Timestamp,
        session: Option<&Prepared>,
        resource: &Resource,
    ) -> Envelope {
        let Resource { service, environment, version } = resource.clone();
        let session = session.map(|session| &session.state);
        let SpanContext { trace_id, span_id } = self.context;
        let mut attributes = Attributes::new();
        attributes.insert(keys::TRACE_NAME.to_owned(), self.name.as_str().into());
        attributes.insert(keys::OBSERVATION_TYPE.to_owned(), self.kind.as_str().into());
        if let Some(user) = &self.user_id {
            attributes.insert(keys::USER_ID.to_owned(), user.as_str().into());
        }
        let event = Event {
            id: format!("start_{trace_id}_{span_id}").into(),
            name: keys::TRACE_STARTED.to_owned(),
            time: start,
            level: Level::Info,
            service,
            environment,
            version,
            session_id: Some(session.map_or_else(|| source::session_id(start, 0), |s| s.session_id.clone())),
            trace_id: Some(trace_id),
            span_id: Some(span_id),
            actor: session.and_then(|session| session.actor.clone()),
            scope: session.and_then(|session| session.scope.clone()),
            attributes,
            error: None,
            source: None,
        };
        Envelope {
            event,
            parent_session_id: session.and_then(|session| session.parent_session_id.clone()),
            standalone: session.is_none(),
            sampling_weight: 1.0,
        }
    }
}
