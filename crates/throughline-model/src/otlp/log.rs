//! The log records of a checked request: events, and spans that came as records.

use std::collections::HashMap;

use super::context::Context;
use super::event;
use super::record::Record;
use super::span::{heading, messages};
use super::synthetic;
use super::wire::{Malformed, WireError};
use crate::Event;

/// What one log record is.
#[derive(Debug)]
pub enum Log<'a> {
    /// One named fact.
    Event(Box<Event>),
    /// A model call, tool call or message that came as a record: a complete one-span `TracesData`, for
    /// [`each_span`](super::each_span).
    Span(&'a [u8]),
}

/// Calls `f` with what each log record of `body` is. `body` is an `ExportLogsServiceRequest` that
/// [`check_logs`](super::check_logs) has found sound.
///
/// An event without an id of its own gets one made from everything that the record says, and from how many records
/// before it in the same request say exactly the same: a request that is sent again gives the same ids, while two
/// like records in one request stay two.
///
/// # Errors
/// When the message is not well-formed; `f` has been called for the records before.
///
/// ```
/// use throughline_model::otlp::{self, Log};
/// # let event: throughline_model::Event = serde_json::from_str(r#"{"id":"evt_1","name":"order.shipped",
/// #     "time":"2024-01-15T10:30:00.000Z","level":"info","service":"shop","environment":"test"}"#).unwrap();
///
/// let body = otlp::events_to_logs(&[event.clone()]);
/// otlp::each_log(&body, |log| match log {
///     Log::Event(read) => assert_eq!(*read, event),
///     Log::Span(_) => unreachable!("no model call"),
/// })?;
/// # Ok::<(), otlp::wire::Malformed>(())
/// ```
pub fn each_log(body: &[u8], mut f: impl FnMut(Log<'_>)) -> Result<(), Malformed> {
    walk(body, &mut f).map_err(|error| error.within(body))
}

fn walk(body: &[u8], f: &mut impl FnMut(Log<'_>)) -> Result<(), WireError> {
    let mut seen: HashMap<[u8; 32], u64> = HashMap::new();
    for resource_logs in messages(body, 1) {
        let resource_logs = resource_logs?;
        let (resource, _) = heading(resource_logs);
        let context = Context::of_resource(resource);
        for scope_logs in messages(resource_logs, 2) {
            let scope_logs = scope_logs?;
            let (scope, _) = heading(scope_logs);
            for record in messages(scope_logs, 2) {
                let record = Record::read(resource, &context.slots, scope, record?);
                each(&record, &mut seen, f);
            }
        }
    }
    Ok(())
}

fn each(record: &Record<'_>, seen: &mut HashMap<[u8; 32], u64>, f: &mut impl FnMut(Log<'_>)) {
    let (name, _) = record.name();
    let mut identity = || {
        let hash = record.hash();
        let ordinal = seen.entry(hash).or_default();
        *ordinal += 1;
        super::digest::digest(&[&hash, &ordinal.to_le_bytes()])
    };
    if record.own_id().is_none()
        && let Some(what) = synthetic::recognise(record, &name)
    {
        return f(Log::Span(&synthetic::span(record, &name, what, &identity())));
    }
    let id = match record.own_id() {
        Some(id) => id.into_owned(),
        None => super::digest::hex(&identity()[..16]),
    };
    f(Log::Event(Box::new(event::read(record, id))));
}
