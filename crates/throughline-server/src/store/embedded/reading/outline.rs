//! Traces of any size: their outline, and single records of them in full.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::Value;
use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocAddress, Term};
use throughline_model::otlp::{SpanFacts, each_span, observation, shown};
use throughline_model::{Money, Observation, ObservationType, SpanId, Timestamp, TraceId};

use super::Reading;
use super::records::{events_in, with_facts};
use crate::domain::logged_messages;
use crate::domain::query::{SpanOutline, TraceOutline};
use crate::domain::trace_records::TextSource;
use crate::domain::trace_summary::TraceSummary;
use crate::store::embedded::key::trace_key;
use crate::store::embedded::snapshot::{IndexError, Snapshot, StoredRecord};

/// What the columns say of a span.
struct PlacedSpan {
    address: DocAddress,
    id: SpanId,
    kind: ObservationType,
    start: i64,
    duration: i64,
    failed: bool,
}

/// The columns of one segment that place a record in its trace.
struct PlaceColumns {
    segment_ord: u32,
    span: Option<Column<u64>>,
    start: Option<Column<i64>>,
    duration: Option<Column<i64>>,
    failed: Option<Column<u64>>,
    kind: Option<StrColumn>,
    /// Types by their number in this segment.
    kinds: Vec<ObservationType>,
}

impl Reading {
    pub(crate) fn trace_outline(&self, id: TraceId) -> Result<Option<TraceOutline>, IndexError> {
        let Some(summary) = self.snapshot.trace(&self.project, id)?.flatten() else { return Ok(None) };
        let (placed, others) = self.places_in(id)?;
        let open: Vec<SpanOutline> =
            summary.open_observations().map(|begun| SpanOutline::of(&begun)).collect();
        let mut trace = summary.trace;
        if let Some(source) = summary.input_source {
            let told = |facts: &SpanFacts<'_>| facts.trace_input.as_deref().map(shown);
            trace.input = self.whole_text(&placed, source, told, |own| own.input)?.or(trace.input);
        }
        if let Some(source) = summary.output_source {
            let told = |facts: &SpanFacts<'_>| facts.trace_output.as_deref().map(shown);
            trace.output = self.whole_text(&placed, source, told, |own| own.output)?.or(trace.output);
        }
        let mut spans = open;
        let addresses: Vec<DocAddress> = placed.iter().map(|span| span.address).collect();
        let mut next = placed.iter();
        self.snapshot.records(&addresses, |record| {
            if let (StoredRecord::Span { body, .. }, Some(span)) = (record, next.next()) {
                spans.push(span.outline(parent_of(&body)));
            }
            Ok::<_, IndexError>(())
        })?;
        spans.sort_unstable_by_key(|span| (span.start_time, span.id));
        let mut events = Vec::with_capacity(others.len());
        self.snapshot.records(&others, |record| {
            if let StoredRecord::Event(event) = record {
                events.push(*event);
            }
            Ok::<_, IndexError>(())
        })?;
        let events = events_in(&trace, events);
        Ok(Some(TraceOutline { trace, spans, events }))
    }

    /// The text that a list shows shortened.
    fn whole_text(
        &self,
        placed: &[PlacedSpan],
        source: TextSource,
        told: impl Fn(&SpanFacts<'_>) -> Option<Value>,
        own: impl Fn(Observation) -> Option<Value>,
    ) -> Result<Option<Value>, IndexError> {
        let addresses = placed.iter().filter(|span| span.id == source.span).map(|span| span.address);
        let mut text = None;
        self.snapshot.records(&addresses.collect::<Vec<_>>(), |record| {
            if let StoredRecord::Span { body, .. } = record {
                with_facts(&body, |facts| {
                    text = if source.explicit { told(facts) } else { own(observation(facts)) };
                });
            }
            Ok::<_, IndexError>(())
        })?;
        Ok(text)
    }

    /// These observations in full.
    pub(crate) fn observations(
        &self,
        id: TraceId,
        wanted: &HashSet<SpanId>,
    ) -> Result<Vec<Observation>, IndexError> {
        let summary = self.snapshot.trace(&self.project, id)?.flatten();
        let (placed, _) = self.places_in(id)?;
        let (chosen, others): (Vec<_>, Vec<_>) =
            placed.into_iter().partition(|span| wanted.contains(&span.id));
        let mut observations = self.read_spans(&chosen, |_| true)?;
        let silent = observations.iter().filter(|call| call.input.is_none() || call.output.is_none());
        let silent: HashSet<SpanId> = silent.map(|call| call.id).collect();
        if !silent.is_empty() {
            let records: Vec<_> =
                others.into_iter().filter(|span| span.kind == ObservationType::Event).collect();
            let said_in = |body: &[u8]| parent_of(body).is_some_and(|parent| silent.contains(&parent));
            observations.extend(self.read_spans(&records, said_in)?);
        }
        observations.extend(summary.iter().flat_map(TraceSummary::open_observations));
        logged_messages::tell(&mut observations);
        observations.retain(|observation| wanted.contains(&observation.id));
        let trace = summary.as_ref().map(|summary| &summary.trace);
        for observation in &mut observations {
            observation.session_id = trace.and_then(|trace| trace.session_id.clone());
            observation.user_id = trace.and_then(|trace| trace.user_id.clone());
        }
        Ok(observations)
    }

    /// These spans as they were received.
    pub(crate) fn received_spans(
        &self,
        id: TraceId,
        wanted: &HashSet<SpanId>,
    ) -> Result<Vec<Bytes>, IndexError> {
        let (mut placed, _) = self.places_in(id)?;
        placed.retain(|span| wanted.contains(&span.id));
        let addresses: Vec<DocAddress> = placed.iter().map(|span| span.address).collect();
        let mut bodies = Vec::with_capacity(placed.len());
        let mut next = placed.iter();
        self.snapshot.records(&addresses, |record| {
            if let (StoredRecord::Span { body, .. }, Some(span)) = (record, next.next()) {
                bodies.push((span.start, span.id, Bytes::from(body)));
            }
            Ok::<_, IndexError>(())
        })?;
        bodies.sort_unstable_by_key(|(start, id, _)| (*start, *id));
        Ok(bodies.into_iter().map(|(.., body)| body).collect())
    }

    fn read_spans(
        &self,
        spans: &[PlacedSpan],
        matters: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<Observation>, IndexError> {
        let addresses: Vec<DocAddress> = spans.iter().map(|span| span.address).collect();
        let mut read = Vec::with_capacity(addresses.len());
        self.snapshot.records(&addresses, |record| {
            if let StoredRecord::Span { body, cost } = record
                && matters(&body)
            {
                let cost = cost.map(|picodollars| Money::from_picodollars(picodollars.into()));
                with_facts(&body, |facts| read.push(Observation { cost, ..observation(facts) }));
            }
            Ok::<_, IndexError>(())
        })?;
        Ok(read)
    }

    /// The spans of a trace, and where its events are; both in the order of the index.
    fn places_in(&self, id: TraceId) -> Result<(Vec<PlacedSpan>, Vec<DocAddress>), IndexError> {
        let snapshot = &self.snapshot;
        let term = Term::from_field_bytes(snapshot.fields.span.trace, &trace_key(&self.project, id));
        let (mut spans, mut events) = (Vec::new(), Vec::new());
        let mut columns: Option<PlaceColumns> = None;
        for address in Snapshot::documents(&snapshot.spans, &term)? {
            if columns.as_ref().is_none_or(|columns| columns.segment_ord != address.segment_ord) {
                columns = Some(PlaceColumns::open(snapshot, address.segment_ord)?);
            }
            match columns.as_ref().and_then(|columns| columns.span(address)) {
                Some(span) => spans.push(span),
                None => events.push(address),
            }
        }
        Ok((spans, events))
    }
}

impl PlaceColumns {
    fn open(snapshot: &Snapshot, segment_ord: u32) -> Result<Self, IndexError> {
        let columns = snapshot.spans.segment_reader(segment_ord).fast_fields();
        let kind = columns.str("kind")?;
        let mut kinds = Vec::new();
        if let Some(kind) = &kind {
            let mut name = String::new();
            for ord in 0..kind.num_terms() as u64 {
                name.clear();
                kind.ord_to_str(ord, &mut name)?;
                kinds.push(ObservationType::from_name(&name).unwrap_or_default());
            }
        }
        Ok(Self {
            segment_ord,
            span: columns.column_opt("span")?,
            start: columns.column_opt("start")?,
            duration: columns.column_opt("duration")?,
            failed: columns.column_opt("failed")?,
            kind,
            kinds,
        })
    }

    /// `None` for an event.
    fn span(&self, address: DocAddress) -> Option<PlacedSpan> {
        let doc = address.doc_id;
        let number = |column: &Option<Column<i64>>| column.as_ref().and_then(|column| column.first(doc));
        let id = self.span.as_ref()?.first(doc)?;
        let kind = self.kind.as_ref().and_then(|kind| kind.ords().first(doc));
        let kind = kind.and_then(|ord| self.kinds.get(usize::try_from(ord).ok()?).copied());
        Some(PlacedSpan {
            address,
            id: SpanId::from_bytes(id.to_be_bytes())?,
            kind: kind.unwrap_or_default(),
            start: number(&self.start).unwrap_or_default(),
            duration: number(&self.duration).unwrap_or_default(),
            failed: self.failed.as_ref().is_some_and(|failed| failed.first(doc).is_some()),
        })
    }
}

impl PlacedSpan {
    fn outline(&self, parent_id: Option<SpanId>) -> SpanOutline {
        SpanOutline {
            id: self.id,
            parent_id,
            kind: self.kind,
            start_time: Timestamp::from_nanos(self.start),
            end_time: Timestamp::from_nanos(self.start.saturating_add(self.duration)),
            failed: self.failed,
        }
    }
}

/// The parent of a stored span.
fn parent_of(body: &[u8]) -> Option<SpanId> {
    let mut parent = None;
    if let Err(error) = each_span(body, |span| parent = span.parent_id()) {
        tracing::error!(%error, "a stored span cannot be read");
    }
    parent
}
