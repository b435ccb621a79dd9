//! What was said, turn by turn, as JSON.

use serde::Serialize;
use throughline_model::{Timestamp, TraceId};

use super::sink::{Sink, Stop};
use super::turns::{Line, Turn};
use super::{Export, OpenTrace};

/// What stands before the messages of a turn.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    trace_id: TraceId,
    name: &'a str,
    start_time: Timestamp,
}

/// `{"session":…,"turns":[{"traceId":…,"messages":[{"role":…,"content":…}]}]}`
pub(super) async fn write(export: &Export, sink: &mut Sink) -> Result<(), Stop> {
    sink.write(r#"{"session":"#).await?;
    sink.json(&export.session).await?;
    sink.write(r#","turns":["#).await?;
    let mut separator = "\n";
    let mut traces = export.traces();
    while let Some(mut open) = traces.next().await? {
        sink.write(separator).await?;
        write_turn(&mut open, separator == "\n", sink).await?;
        separator = ",\n";
    }
    sink.write("]}\n").await
}

async fn write_turn(open: &mut OpenTrace<'_>, is_first: bool, sink: &mut Sink) -> Result<(), Stop> {
    let trace = open.trace.clone();
    let mut turn = Turn::new(&trace, is_first);
    sink.json_open(&Head { trace_id: trace.id, name: &trace.name, start_time: trace.start_time }).await?;
    sink.write(r#","messages":["#).await?;
    let mut separator = "";
    let mut lines = turn.asked();
    loop {
        // What was looked up is no message; it was said to the model with the next call.
        for line in lines.iter().filter(|line: &&Line| line.role != "retriever") {
            sink.write(separator).await?;
            sink.json(line).await?;
            separator = ",";
        }
        let observations = open.observations().await?;
        if observations.is_empty() {
            break;
        }
        lines = turn.steps(&observations);
    }
    for line in turn.answered() {
        sink.write(separator).await?;
        sink.json(&line).await?;
        separator = ",";
    }
    sink.write("]").await?;
    if !turn.errors.is_empty() {
        sink.write(r#","errors":"#).await?;
        sink.json(&turn.errors).await?;
    }
    sink.write("}").await
}
