//! A session's spans as they were received.

use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use throughline_model::SpanId;

use super::sink::{Sink, Stop};
use super::{Export, PIECE};

/// Protobuf messages of one type can be concatenated: the spans together are one `TracesData`.
pub(super) async fn write_protobuf(export: &Export, sink: &mut Sink) -> Result<(), Stop> {
    let mut spans = Received::of(export);
    while let Some(bodies) = spans.next().await? {
        for body in bodies {
            sink.write(body).await?;
        }
    }
    Ok(())
}

pub(super) async fn write_json(export: &Export, sink: &mut Sink) -> Result<(), Stop> {
    sink.write(r#"{"resourceSpans":["#).await?;
    let mut separator = "\n";
    let mut spans = Received::of(export);
    while let Some(bodies) = spans.next().await? {
        for body in bodies {
            let data = TracesData::decode(body).map_err(|error| Stop::Write(error.to_string()))?;
            for resource in data.resource_spans {
                sink.write(separator).await?;
                sink.json(&resource).await?;
                separator = ",\n";
            }
        }
    }
    sink.write("]}\n").await
}

/// The spans of the exported session, trace by trace, some at a time.
struct Received<'a> {
    export: &'a Export,
    traces: super::Traces<'a>,
    trace: Option<throughline_model::TraceId>,
    ids: std::vec::IntoIter<SpanId>,
}

impl<'a> Received<'a> {
    fn of(export: &'a Export) -> Self {
        Self { export, traces: export.traces(), trace: None, ids: Vec::new().into_iter() }
    }

    async fn next(&mut self) -> Result<Option<Vec<Bytes>>, Stop> {
        let Export { store, project, .. } = self.export;
        loop {
            let ids: Vec<SpanId> = self.ids.by_ref().take(PIECE).collect();
            if let Some(trace) = self.trace.filter(|_| !ids.is_empty()) {
                return Ok(Some(store.received_spans(project, &trace, &ids).await?));
            }
            let Some(summary) = self.traces.next_summary().await? else { return Ok(None) };
            let outline = store.trace_outline(project, &summary.id).await?;
            let spans = outline.map(|outline| outline.spans).unwrap_or_default();
            self.ids = spans.into_iter().map(|span| span.id).collect::<Vec<_>>().into_iter();
            self.trace = Some(summary.id);
        }
    }
}
