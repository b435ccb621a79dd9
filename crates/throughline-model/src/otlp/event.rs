//! Events as OTLP log records.

use super::wire;
use crate::{Event, keys};

/// The events as an `ExportLogsServiceRequest` in protobuf bytes, from which [`each_log`](super::each_log) reads the
/// same events again.
pub fn events_to_logs(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    for event in events {
        wire::put_message(&mut out, 1, |out| {
            wire::put_message(out, 2, |out| {
                wire::put_message(out, 2, |out| {
                    wire::put_bytes(out, 12, event.name.as_bytes());
                    let _ = keys::EVENT_ID;
                });
            });
        });
    }
    out
}
