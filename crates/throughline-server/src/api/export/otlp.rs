//! A session's spans as they were received.

use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;

use super::sink::{Sink, Stop};
use super::{Export, PAGE};

/// Protobuf messages of one type can be concatenated: the pages together are one `TracesData`.
pub(super) async fn write_protobuf(export: &Export, sink: &mut Sink) -> Result<(), Stop> {
    let mut after = None;
    loop {
        let page = export.store.session_otlp(&export.project, &export.id, after.as_ref(), PAGE).await?;
        for bytes in page.rows {
            sink.write(bytes).await?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

pub(super) async fn write_json(export: &Export, sink: &mut Sink) -> Result<(), Stop> {
    sink.write(r#"{"resourceSpans":["#).await?;
    let mut separator = "\n";
    let mut after = None;
    loop {
        let page = export.store.session_otlp(&export.project, &export.id, after.as_ref(), PAGE).await?;
        for bytes in page.rows {
            let data = TracesData::decode(bytes).map_err(|error| Stop::Write(error.to_string()))?;
            for resource in data.resource_spans {
                sink.write(separator).await?;
                sink.json(&resource).await?;
                separator = ",\n";
            }
        }
        after = page.next;
        if after.is_none() {
            return sink.write("]}\n").await;
        }
    }
}
