//! A session as one JSON document, or as lines of JSON.

use std::collections::HashSet;

use serde::Serialize;
use throughline_model::{Event, Session, TraceId};

use super::super::timeline::TimelineEntry;
use super::sink::{Sink, Stop};
use super::{Export, PAGE, PIECE};
use crate::domain::filter::{Comparison, Field, Filter, Literal, Pattern};
use crate::domain::query::{ListQuery, Sort, SortField};

/// `{"session":…,"traces":[{…,"observations":[…],"events":[…]}],"events":[…]}`: events stand with the trace they were
/// said in, if that belongs to the session, else at the end.
pub(super) async fn write(export: &Export, sink: &mut Sink) -> Result<(), Stop> {
    sink.write(r#"{"session":"#).await?;
    sink.json(&export.session).await?;
    sink.write(r#","traces":["#).await?;
    let mut written = HashSet::new();
    let mut traces = export.traces();
    while let Some(mut open) = traces.next().await? {
        sink.write(if written.insert(open.trace.id) && written.len() > 1 { ",\n" } else { "\n" }).await?;
        sink.json_open(&open.trace).await?;
        sink.write(r#","observations":["#).await?;
        let mut separator = "";
        loop {
            let observations = open.observations().await?;
            if observations.is_empty() {
                break;
            }
            separator = members(sink, separator, &observations).await?;
        }
        sink.write(r#"],"events":["#).await?;
        open.events.retain(|event| export.owns(event));
        members(sink, "", &open.events).await?;
        sink.write("]}").await?;
    }
    sink.write(r#"],"events":["#).await?;
    other_events(export, sink, &written).await?;
    sink.write("]}\n").await
}

/// Writes members of an array; returns what comes before the next one.
async fn members<T: Serialize>(
    sink: &mut Sink,
    mut separator: &'static str,
    members: &[T],
) -> Result<&'static str, Stop> {
    for member in members {
        sink.write(separator).await?;
        sink.json(member).await?;
        separator = ",";
    }
    Ok(separator)
}

/// The session's events that stand with none of the traces already written.
async fn other_events(export: &Export, sink: &mut Sink, written: &HashSet<TraceId>) -> Result<(), Stop> {
    let id = Literal::Text(Pattern::exact(export.id.as_str()));
    let mut query = ListQuery {
        filter: Filter::field(Field::Session, Comparison::Equal, id),
        from: None,
        to: None,
        sort: Sort { by: SortField::StartTime, descending: false },
        limit: PAGE,
        after: None,
        now: export.now,
    };
    let mut separator = "\n";
    loop {
        let page = export.store.events(&export.project, &query).await?;
        for event in page.rows.iter().filter(|event| event.trace_id.is_none_or(|id| !written.contains(&id))) {
            sink.write(separator).await?;
            sink.json(event).await?;
            separator = ",\n";
        }
        query.after = page.next;
        if query.after.is_none() {
            return Ok(());
        }
    }
}

/// One line of an export.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum FirstLine<'a> {
    Session(&'a Session),
}

/// One object per line: the session, then its timeline.
pub(super) async fn write_lines(export: &Export, sink: &mut Sink) -> Result<(), Stop> {
    sink.json(&FirstLine::Session(&export.session)).await?;
    sink.write("\n").await?;
    let mut after = None;
    loop {
        let page = export.store.timeline(&export.project, &export.id, after.as_ref(), PIECE).await?;
        for item in page.rows {
            sink.json(&TimelineEntry::from(item)).await?;
            sink.write("\n").await?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

impl Export {
    /// An event inside one of the session's traces may still name another session.
    fn owns(&self, event: &Event) -> bool {
        event.session_id.as_ref().is_none_or(|id| *id == self.id)
    }
}
