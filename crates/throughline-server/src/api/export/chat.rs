//! What was said, turn by turn, as JSON.

use super::Export;
use super::sink::{Sink, Stop};
use super::turns::Turn;

/// `{"session":…,"turns":[{"traceId":…,"messages":[{"role":…,"content":…}]}]}`
pub(super) async fn write(export: &Export, sink: &mut Sink) -> Result<(), Stop> {
    sink.write(r#"{"session":"#).await?;
    sink.json(&export.session).await?;
    sink.write(r#","turns":["#).await?;
    let mut separator = "\n";
    let mut traces = export.traces();
    while let Some(detail) = traces.next().await? {
        sink.write(separator).await?;
        sink.json(&Turn::of(&detail, separator == "\n")).await?;
        separator = ",\n";
    }
    sink.write("]}\n").await
}
