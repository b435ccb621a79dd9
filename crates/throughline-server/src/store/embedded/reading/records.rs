//! Sessions and traces in full: every record, as shown and as received.

use tantivy::columnar::Column;
use tantivy::query::Query;
use tantivy::{DocAddress, Searcher};
use throughline_model::otlp::{SpanFacts, each_span, observation, shown};
use throughline_model::{Event, Money, Observation, SessionId, Trace, TraceId};

use super::conditions::{all_of, but_not, term};
use super::{Reading, documents};
use crate::domain::logged_messages;
use crate::domain::query::{Cursor, Page, TimelineItem, TraceDetail};
use crate::domain::session_cost::Call;
use crate::domain::trace_records::{TextSource, TraceRecords};
use crate::domain::trace_start::is_trace_start;
use crate::domain::trace_summary::TraceSummary;
use crate::store::embedded::key::text_key;
use crate::store::embedded::snapshot::{IndexError, StoredRecord};
use crate::store::embedded::span_index::{mark, own_session};

/// A whole trace as read back.
struct WholeTrace {
    records: TraceRecords,
    /// Each observation with its span as received.
    bodies: Vec<(Observation, Vec<u8>)>,
    events: Vec<Event>,
}

/// Where an entry of a timeline is read from.
#[derive(Clone, Copy)]
enum Source {
    Trace(DocAddress),
    Record(DocAddress),
}

impl Reading {
    pub(crate) fn trace(&self, id: TraceId) -> Result<Option<TraceDetail>, IndexError> {
        let mut whole = self.whole_trace(id)?;
        let Some(mut summary) = whole.records.summary() else { return Ok(None) };
        // Its session may follow from the project's boundary, as that was when the trace was summed up.
        if let Some(TraceSummary { trace: counted, .. }) = self.snapshot.trace(&self.project, id)?.flatten() {
            (summary.trace.session_id, summary.trace.flags) = (counted.session_id, counted.flags);
        }
        let open: Vec<_> = summary.open_observations().collect();
        let mut trace = summary.trace;
        trace.input =
            whole.text(whole.records.input_source(), |facts| facts.trace_input.as_deref(), |o| &o.input);
        trace.output =
            whole.text(whole.records.output_source(), |facts| facts.trace_output.as_deref(), |o| &o.output);
        let inherited = |mut observation: Observation| {
            observation.session_id.clone_from(&trace.session_id);
            observation.user_id.clone_from(&trace.user_id);
            observation
        };
        let bodies = std::mem::take(&mut whole.bodies);
        let mut observations: Vec<_> =
            bodies.into_iter().map(|(observation, _)| inherited(observation)).chain(open).collect();
        logged_messages::tell(&mut observations);
        let events = events_in(&trace, whole.events);
        Ok(Some(TraceDetail { trace, observations, events }))
    }

    fn whole_trace(&self, id: TraceId) -> Result<WholeTrace, IndexError> {
        let mut whole = WholeTrace { records: TraceRecords::new(id), bodies: Vec::new(), events: Vec::new() };
        self.snapshot.trace_records(&self.project, id, |record| {
            match record {
                StoredRecord::Span { body, cost } => {
                    let cost = cost.map(|picodollars| Money::from_picodollars(picodollars.into()));
                    let mut read = None;
                    with_facts(&body, |facts| {
                        whole.records.insert_span(facts, cost);
                        read = Some(Observation { cost, ..observation(facts) });
                    });
                    whole.bodies.extend(read.map(|observation| (observation, body)));
                }
                StoredRecord::Event(event) => {
                    whole.records.insert_event(&event);
                    whole.events.push(*event);
                }
            }
            Ok::<_, IndexError>(())
        })?;
        Ok(whole)
    }

    /// The billable calls of a session.
    pub(crate) fn session_calls(&self, id: &SessionId) -> Result<Vec<Call>, IndexError> {
        let fields = &self.snapshot.fields.span;
        let query = all_of(vec![
            term(fields.session, &text_key(&self.project, id.as_str())),
            term(fields.mark, &text_key(&self.project, mark::BILLABLE)),
        ]);
        let mut calls = Vec::new();
        self.snapshot.records(&documents(&self.snapshot.spans, &*query)?, |record| {
            if let StoredRecord::Span { body, cost } = record {
                let cost = cost.map(|picodollars| Money::from_picodollars(picodollars.into()));
                with_facts(&body, |facts| calls.extend(Call::of(facts, cost)));
            }
            Ok::<_, IndexError>(())
        })?;
        Ok(calls)
    }

    /// Everything in a session in order of time.
    pub(crate) fn timeline(
        &self,
        id: &SessionId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<TimelineItem>, IndexError> {
        let snapshot = &self.snapshot;
        let fields = &snapshot.fields.span;
        let beginning = term(fields.mark, &text_key(&self.project, mark::START));
        let session =
            all_of(vec![term(fields.session, &text_key(&self.project, id.as_str())), but_not(beginning)]);
        let mut places = starts(&snapshot.derived, &*self.traces_of(id), Source::Trace)?;
        places.extend(starts(&snapshot.spans, &*session, Source::Record)?);
        // What begins at the very time of the cursor or of the page's end is read before its order is known.
        places.retain(|(start, _)| after.is_none_or(|after| *start >= after.value));
        let mut wanted = limit + 1;
        if let Some(after) = after {
            wanted += places.iter().filter(|(start, _)| *start == after.value).count();
        }
        if places.len() > wanted {
            let (_, &mut (last, _), _) = places.select_nth_unstable_by_key(wanted, |(start, _)| *start);
            places.retain(|(start, _)| *start <= last);
        }
        let mut items = self.timeline_items(id, &places)?;
        items.retain(|(place, _)| after.is_none_or(|after| place > after));
        items.sort_by(|(a, _), (b, _)| a.cmp(b));
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(|(place, _)| place.clone());
        Ok(Page { rows: items.into_iter().map(|(_, item)| item).collect(), next })
    }

    fn timeline_items(
        &self,
        session: &SessionId,
        places: &[(i64, Source)],
    ) -> Result<Vec<(Cursor, TimelineItem)>, IndexError> {
        let mut items = Vec::with_capacity(places.len());
        let mut records = Vec::new();
        let mut users: Vec<(TraceId, Option<String>)> = Vec::new();
        for (_, source) in places {
            match source {
                Source::Trace(address) => {
                    let summary = &self.snapshot.fields.derived.summary;
                    let stored = summary.read(&self.snapshot.derived, *address)?;
                    let trace = serde_json::from_slice::<TraceSummary>(&stored)?.trace;
                    users.push((trace.id, trace.user_id.clone()));
                    items.push(TimelineItem::Trace(Box::new(trace)));
                }
                Source::Record(address) => records.push(*address),
            }
        }
        records.sort_unstable();
        self.snapshot.records(&records, |record| {
            match record {
                StoredRecord::Span { body, cost } => with_facts(&body, |facts| {
                    let mut observation = observation(facts);
                    observation.cost = cost.map(|picodollars| Money::from_picodollars(picodollars.into()));
                    observation.session_id = Some(session.clone());
                    items.push(TimelineItem::Observation(Box::new(observation)));
                }),
                StoredRecord::Event(mut event) => {
                    event.session_id = Some(session.clone());
                    items.push(TimelineItem::Event(event));
                }
            }
            Ok::<_, IndexError>(())
        })?;
        for item in &mut items {
            if let TimelineItem::Observation(observation) = item {
                observation.user_id = self.user_of(observation.trace_id, &mut users)?;
            }
        }
        Ok(items.into_iter().map(|item| (item.place(), item)).collect())
    }

    /// The user of a trace, looked up once.
    fn user_of(
        &self,
        trace: TraceId,
        known: &mut Vec<(TraceId, Option<String>)>,
    ) -> Result<Option<String>, IndexError> {
        if let Some((_, user)) = known.iter().rev().find(|(id, _)| *id == trace) {
            return Ok(user.clone());
        }
        let summary = self.snapshot.trace(&self.project, trace)?.flatten();
        let user = summary.and_then(|summary| summary.trace.user_id);
        known.push((trace, user.clone()));
        Ok(user)
    }

    /// Says of events that name no session which one they belong to.
    pub(super) fn place_events(&self, events: &mut [Event]) -> Result<(), IndexError> {
        for event in events {
            if own_session(event).is_some() {
                continue;
            }
            event.session_id = None;
            if let Some(trace) = event.trace_id {
                let summary = self.snapshot.trace(&self.project, trace)?.flatten();
                event.session_id = summary.and_then(|summary| summary.trace.session_id);
            }
        }
        Ok(())
    }
}

impl WholeTrace {
    /// The whole text that the source names.
    fn text(
        &self,
        source: Option<TextSource>,
        explicit: impl for<'f> Fn(&'f SpanFacts<'f>) -> Option<&'f str>,
        own: impl Fn(&Observation) -> &Option<serde_json::Value>,
    ) -> Option<serde_json::Value> {
        let source = source?;
        let (observation, body) =
            self.bodies.iter().find(|(observation, _)| observation.id == source.span)?;
        if !source.explicit {
            return own(observation).clone();
        }
        let mut value = None;
        with_facts(body, |facts| value = explicit(facts).map(shown));
        value
    }
}

/// The documents found, with when they start.
fn starts(
    searcher: &Searcher,
    query: &dyn Query,
    source: impl Fn(DocAddress) -> Source,
) -> Result<Vec<(i64, Source)>, IndexError> {
    let mut places = Vec::new();
    let mut column: Option<(u32, Column<i64>)> = None;
    for address in documents(searcher, query)? {
        if column.as_ref().is_none_or(|(ord, _)| *ord != address.segment_ord) {
            let segment = searcher.segment_reader(address.segment_ord);
            column = Some((address.segment_ord, segment.fast_fields().i64("start")?));
        }
        let start = column.as_ref().and_then(|(_, column)| column.first(address.doc_id));
        places.push((start.unwrap_or_default(), source(address)));
    }
    Ok(places)
}

/// The events of a trace that are shown, in order of time, with the session that they belong to.
pub(super) fn events_in(trace: &Trace, mut events: Vec<Event>) -> Vec<Event> {
    events.retain(|event| !is_trace_start(event));
    for event in events.iter_mut().filter(|event| own_session(event).is_none()) {
        event.session_id.clone_from(&trace.session_id);
    }
    events.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    events
}

/// Calls `f` with the facts of a stored span.
pub(super) fn with_facts(body: &[u8], mut f: impl FnMut(&SpanFacts<'_>)) {
    if let Err(error) = each_span(body, |span| f(&span.facts())) {
        tracing::error!(%error, "a stored span cannot be read");
    }
}
