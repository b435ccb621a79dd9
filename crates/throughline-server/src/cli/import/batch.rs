//! Cuts OTLP requests of any size into ones that a server takes.

use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// The shape that traces and logs share: a resource holds scopes, a scope holds items.
pub(super) trait Resource: Message + Clone + Default {
    type Scope: Clone;
    type Item: Message;

    fn scopes(&mut self) -> &mut Vec<Self::Scope>;
    fn items(scope: &mut Self::Scope) -> &mut Vec<Self::Item>;
}

impl Resource for ResourceSpans {
    type Scope = ScopeSpans;
    type Item = Span;

    fn scopes(&mut self) -> &mut Vec<ScopeSpans> {
        &mut self.scope_spans
    }

    fn items(scope: &mut ScopeSpans) -> &mut Vec<Span> {
        &mut scope.spans
    }
}

impl Resource for ResourceLogs {
    type Scope = ScopeLogs;
    type Item = LogRecord;

    fn scopes(&mut self) -> &mut Vec<ScopeLogs> {
        &mut self.scope_logs
    }

    fn items(scope: &mut ScopeLogs) -> &mut Vec<LogRecord> {
        &mut scope.log_records
    }
}

/// A part of a request, with how many items it holds.
pub(super) struct Batch<R> {
    pub(super) resources: Vec<R>,
    pub(super) items: u64,
    bytes: usize,
}

impl<R> Default for Batch<R> {
    fn default() -> Self {
        Self { resources: Vec::new(), items: 0, bytes: 0 }
    }
}

/// Cuts resources into batches of about `size` bytes. An item is never cut.
pub(super) fn cut<R: Resource>(resources: Vec<R>, size: usize) -> Vec<Batch<R>> {
    let mut batches: Vec<Batch<R>> = Vec::new();
    for mut resource in resources {
        for mut scope in std::mem::take(resource.scopes()) {
            let items = std::mem::take(R::items(&mut scope));
            for items in chunks(items, size) {
                let mut scope = scope.clone();
                let count = items.len() as u64;
                *R::items(&mut scope) = items;
                let mut part = resource.clone();
                part.scopes().push(scope);
                put(&mut batches, part, count, size);
            }
        }
    }
    batches
}

fn chunks<I: Message>(items: Vec<I>, size: usize) -> Vec<Vec<I>> {
    let mut chunks: Vec<Vec<I>> = Vec::new();
    let mut left = 0;
    for item in items {
        let bytes = item.encoded_len();
        match chunks.last_mut() {
            Some(chunk) if bytes <= left => {
                chunk.push(item);
                left -= bytes;
            }
            _ => {
                chunks.push(vec![item]);
                left = size.saturating_sub(bytes);
            }
        }
    }
    chunks
}

fn put<R: Resource>(batches: &mut Vec<Batch<R>>, resource: R, items: u64, size: usize) {
    let bytes = resource.encoded_len();
    if batches.last().is_none_or(|batch| batch.bytes + bytes > size) {
        batches.push(Batch::default());
    }
    if let Some(batch) = batches.last_mut() {
        batch.resources.push(resource);
        batch.items += items;
        batch.bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_and_no_batch_is_too_large() {
        let span = |n: u8| Span { span_id: vec![n; 8], name: "x".repeat(50), ..Span::default() };
        let scope =
            |from: u8, to: u8| ScopeSpans { spans: (from..to).map(span).collect(), ..ScopeSpans::default() };
        let resource =
            |scopes: Vec<ScopeSpans>| ResourceSpans { scope_spans: scopes, ..ResourceSpans::default() };
        let given = vec![resource(vec![scope(0, 30), scope(30, 31)]), resource(vec![scope(31, 33)])];
        let batches = cut(given, 500);
        assert!(batches.len() > 3);
        let mut names = Vec::new();
        for batch in batches {
            let bytes: usize = batch.resources.iter().map(Message::encoded_len).sum();
            assert!(bytes <= 600, "{bytes}");
            let spans = batch.resources.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans);
            let ids: Vec<u8> = spans.map(|span| span.span_id[0]).collect();
            assert_eq!(ids.len() as u64, batch.items);
            names.extend(ids);
        }
        assert_eq!(names, (0..33).collect::<Vec<u8>>());
    }
}
