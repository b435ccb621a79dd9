//! What a memory transport has, as a text that a person can read and a snapshot can hold.

use std::collections::HashMap;
use std::fmt::Write;

use crate::transport::Item;
use crate::{Actor, Envelope, Level, Scope, Span, SpanId, Status, Timestamp, TraceId};

type Place = (TraceId, SpanId);

/// An event or a span on its line.
struct Node {
    time: Timestamp,
    text: String,
    /// `None` for events.
    place: Option<Place>,
    parent: Option<Place>,
}

/// A session, or what happened outside any.
struct Group {
    id: Option<String>,
    parent: Option<String>,
    who: String,
    nodes: Vec<Node>,
}

/// Sessions in the order in which they began to speak, nested ones inside theirs; what happened outside any comes last.
pub(crate) fn tree(items: &[Item]) -> String {
    let groups = groups(items);
    let is_inside = |group: &Group| {
        let parent = group.parent.as_ref();
        parent.is_some() && groups.iter().any(|other| other.id.as_ref() == parent)
    };
    let mut out = String::new();
    let (sessions, outside): (Vec<_>, Vec<_>) = groups.iter().partition(|group| group.id.is_some());
    for group in sessions.into_iter().filter(|group| !is_inside(group)).chain(outside) {
        write_group(&mut out, group, None, &groups, 0);
    }
    out
}

fn groups(items: &[Item]) -> Vec<Group> {
    let (mut groups, mut known) = (Vec::<Group>::new(), HashMap::<Option<String>, usize>::new());
    for item in items {
        let (group, node) = match item {
            Item::Event(event) => (group_of_event(event), event_node(event)),
            Item::Span(span) => (group_of_span(span), span_node(span)),
        };
        // A session inside one of its own name would be printed nowhere.
        let group =
            Group { parent: group.parent.filter(|parent| Some(parent) != group.id.as_ref()), ..group };
        let at = *known.entry(group.id.clone()).or_insert(groups.len());
        if at == groups.len() {
            groups.push(group);
        }
        groups[at].nodes.push(node);
    }
    for group in &mut groups {
        group.nodes.sort_by_key(|node| node.time);
    }
    groups.sort_by_key(|group| group.nodes.first().map(|node| node.time));
    groups
}

fn who(actor: Option<&Actor>, scope: Option<&Scope>) -> String {
    let mut who = String::new();
    if let Some(actor) = actor {
        let id = actor.id.as_deref().map_or_else(String::new, |id| format!(":{id}"));
        write!(who, "  {}{id}", actor.kind).ok();
    }
    if let Some(scope) = scope {
        write!(who, "  in {}:{}", scope.kind, scope.id).ok();
    }
    who
}

fn group_of_event(event: &Envelope) -> Group {
    let id = event.session_id.as_ref().filter(|_| !event.standalone).map(ToString::to_string);
    let parent = event.parent_session_id.as_ref().map(ToString::to_string);
    let who = if id.is_some() { who(event.actor.as_ref(), event.scope.as_ref()) } else { String::new() };
    Group { id, parent, who, nodes: Vec::new() }
}

fn group_of_span(span: &Span) -> Group {
    let session = span.session.as_ref();
    Group {
        id: session.map(|session| session.session_id.to_string()),
        parent: session.and_then(|session| Some(session.parent_session_id.as_ref()?.to_string())),
        who: session.map_or_else(String::new, |own| who(own.actor.as_ref(), own.scope.as_ref())),
        nodes: Vec::new(),
    }
}

fn event_node(event: &Envelope) -> Node {
    let error =
        event.error.as_ref().map_or_else(String::new, |error| format!("  {}: {}", error.name, error.message));
    let parent = event.trace_id.zip(event.span_id);
    Node {
        time: event.time,
        text: format!("{} {}{error}", event.level.as_str(), event.name),
        place: None,
        parent,
    }
}

fn span_node(span: &Span) -> Node {
    let length = milliseconds(span.end_time.nanos_since(span.start_time));
    let mut text = format!("[{}] {}  {length} ms", span.kind.as_str(), span.name);
    if span.level != Level::Info {
        write!(text, "  {}", span.level.as_str()).ok();
    }
    match (&span.error, span.status) {
        (Some(error), _) => write!(text, "  {}: {}", error.name, error.message).ok(),
        (None, Status::Error) => write!(text, "  failed").ok(),
        (None, _) => None,
    };
    let place = Some((span.trace_id, span.span_id));
    Node { time: span.start_time, text, place, parent: span.parent_id.map(|parent| (span.trace_id, parent)) }
}

/// Without a fraction that says nothing.
fn milliseconds(nanos: i64) -> String {
    let text = format!("{:.3}", nanos as f64 / 1e6);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `around` is when the session around it began.
fn write_group(out: &mut String, group: &Group, around: Option<Timestamp>, all: &[Group], depth: usize) {
    let indent = "  ".repeat(depth);
    let title = group.id.as_deref().map_or_else(|| "outside".to_owned(), |id| format!("session {id}"));
    let began = group.nodes.first().map(|node| node.time).unwrap_or_default();
    let since = around.map(|around| format!("+{} ms  ", milliseconds(began.nanos_since(around))));
    writeln!(out, "{indent}{}{}{}", since.unwrap_or_default(), clean(&title), clean(&group.who)).ok();
    let is_here = |place: Place| group.nodes.iter().any(|node| node.place == Some(place));
    for node in group.nodes.iter().filter(|node| !node.parent.is_some_and(is_here)) {
        write_node(out, node, group, began, depth + 1);
    }
    for inner in all.iter().filter(|inner| inner.parent.is_some() && inner.parent == group.id) {
        write_group(out, inner, Some(began), all, depth + 1);
    }
}

fn write_node(out: &mut String, node: &Node, group: &Group, began: Timestamp, depth: usize) {
    let since = milliseconds(node.time.nanos_since(began));
    writeln!(out, "{}+{since} ms  {}", "  ".repeat(depth), clean(&node.text)).ok();
    let children = group.nodes.iter().filter(|child| child.parent.is_some() && child.parent == node.place);
    children.for_each(|child| write_node(out, child, group, began, depth + 1));
}

/// On one line, and nothing that a terminal would obey.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
