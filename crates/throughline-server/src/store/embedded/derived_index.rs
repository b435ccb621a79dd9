//! The derived index: one document for each trace and session, written anew whenever its sums change.

use std::path::Path;
use std::sync::Arc;

use tantivy::schema::{BytesOptions, Field, NumericOptions, Schema, TextOptions};
use tantivy::{Index, TantivyDocument};
use throughline_model::{Attributes, Money, ProjectId, SessionId, SessionState, Timestamp, TraceId, Usage};

use super::key::{reference, text_key, trace_key};
use super::span_index::{USAGE_COLUMNS, money_column, open_index, term, term_column};
use super::stored::StoredField;
use super::terms::TermWriter;
use super::vocabulary::Vocabularies;
use crate::domain::lifecycle::{Boundary, SYNTHETIC_FLAG};
use crate::domain::session_summary::SessionSummary;
use crate::domain::trace_summary::TraceSummary;
use crate::store::priority::Senders;

/// Values of the field `kind`.
pub(super) mod kind {
    pub(in super::super) const TRACE: &str = "trace";
    pub(in super::super) const SESSION: &str = "session";
    /// A trace of which only events are known so far.
    pub(in super::super) const EVENTS_ONLY: &str = "events_only";
    /// Beside its own kind, a session of which something began after its end, ...
    pub(in super::super) const BEGUN_AFTER_END: &str = "begun_after_end";
    /// ... or after a pause that splits it, ...
    pub(in super::super) const REOPENED: &str = "reopened";
    /// ... a session or trace of which nobody named the session, ...
    pub(in super::super) const SYNTHETIC: &str = "synthetic";
    /// ... one of which a trace has begun and not ended, ...
    pub(in super::super) const UNFINISHED: &str = "unfinished";
    /// ... and a session that is split; the number of its parts follows.
    pub(in super::super) const PARTS: &str = "parts ";
}

#[derive(Debug, Clone)]
pub(super) struct DerivedFields {
    /// What is summed up, see [`kind`], by project.
    pub(super) kind: Field,
    /// What the document is replaced by: see [`trace_term`] and [`session_term`].
    pub(super) key: Field,
    pub(super) id: Field,
    /// A trace's session, or the session itself.
    pub(super) session: Field,
    pub(super) session_ref: Field,
    pub(super) trace_ref: Field,
    pub(super) user: Field,
    pub(super) name: Field,
    pub(super) service: Field,
    pub(super) environment: Field,
    pub(super) status: Field,
    pub(super) tag: Field,
    pub(super) metadata: Field,
    pub(super) start: Field,
    pub(super) end: Field,
    pub(super) duration: Field,
    /// Picodollars; -1 where unknown.
    pub(super) cost: Field,
    pub(super) tokens: Field,
    pub(super) errors: Field,
    pub(super) traces: Field,
    /// Whether somebody said that the session is over (1 or 0).
    pub(super) ended: Field,
    /// Nanoseconds of activity in the session.
    pub(super) active: Field,
    /// Whether the session's last turn failed (1 or 0).
    pub(super) last_failed: Field,
    /// Of the session's first turns, in their order.
    pub(super) turn_name: Field,
    /// Likewise, each where it first occurs.
    pub(super) turn_tag: Field,
    pub(super) turn_tokens: Field,
    /// Of a trace: how many observations its usage is of, how many of those failed, and the usage by bucket.
    pub(super) calls: Field,
    pub(super) failed_calls: Field,
    pub(super) usage: [Field; 8],
    pub(super) summary: StoredField,
}

fn schema(vocabularies: &Arc<Vocabularies>) -> (Schema, DerivedFields) {
    let mut schema = Schema::builder();
    let column = || NumericOptions::default().set_fast();
    let names = || TextOptions::default().set_fast("raw");
    let fields = DerivedFields {
        kind: schema.add_text_field("kind", term()),
        key: schema.add_bytes_field("key", BytesOptions::default().set_indexed()),
        id: schema.add_text_field("id", term_column()),
        session: schema.add_text_field("session", term()),
        session_ref: schema.add_u64_field("session_ref", column().set_indexed()),
        trace_ref: schema.add_u64_field("trace_ref", column().set_indexed()),
        user: schema.add_text_field("user", term_column()),
        name: schema.add_text_field("name", term_column()),
        service: schema.add_text_field("service", term()),
        environment: schema.add_text_field("environment", term()),
        status: schema.add_text_field("status", term()),
        tag: schema.add_text_field("tag", term_column()),
        metadata: schema.add_text_field("metadata", term()),
        start: schema.add_i64_field("start", column()),
        end: schema.add_i64_field("end", column()),
        duration: schema.add_i64_field("duration", column()),
        cost: schema.add_i64_field("cost", column()),
        tokens: schema.add_i64_field("tokens", column()),
        errors: schema.add_i64_field("errors", column()),
        traces: schema.add_i64_field("traces", column()),
        ended: schema.add_i64_field("ended", column()),
        active: schema.add_i64_field("active", column()),
        last_failed: schema.add_i64_field("last_failed", column()),
        turn_name: schema.add_text_field("turn_name", names()),
        turn_tag: schema.add_text_field("turn_tag", names()),
        turn_tokens: schema.add_i64_field("turn_tokens", column()),
        calls: schema.add_u64_field("calls", column()),
        failed_calls: schema.add_u64_field("failed_calls", column()),
        usage: USAGE_COLUMNS.map(|name| schema.add_u64_field(name, column())),
        summary: StoredField {
            field: schema.add_bytes_field("summary", BytesOptions::default().set_stored()),
            vocabularies: Arc::clone(vocabularies),
        },
    };
    (schema.build(), fields)
}

/// Opens the index in this directory, or makes an empty one.
pub(super) fn open(
    dir: &Path,
    vocabularies: &Arc<Vocabularies>,
    senders: &Senders,
) -> tantivy::Result<(Index, DerivedFields)> {
    let (schema, fields) = schema(vocabularies);
    Ok((open_index(dir, Index::builder().schema(schema), senders)?, fields))
}

/// The term of a trace's document.
pub(super) fn trace_term(project: &ProjectId, id: TraceId) -> Vec<u8> {
    let mut term = vec![b't'];
    term.extend_from_slice(&trace_key(project, id));
    term
}

/// The term of a session's document.
pub(super) fn session_term(project: &ProjectId, id: &str) -> Vec<u8> {
    let mut term = vec![b's'];
    term.extend_from_slice(text_key(project, id).as_bytes());
    term
}

/// The number that follows [`kind::PARTS`].
pub(super) fn parts_of(rest: &[u8]) -> Option<i64> {
    std::str::from_utf8(rest).ok()?.parse().ok()
}

/// A count as a column holds it.
fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Cost as a column holds it: unknown sorts below nothing.
pub(super) fn cost_column(cost: Option<Money>) -> i64 {
    cost.map_or(-1, money_column)
}

/// What traces and sessions have in common.
struct Common<'a> {
    user: Option<&'a str>,
    environment: Option<&'a str>,
    services: &'a [String],
    tags: &'a [String],
    metadata: &'a Attributes,
    start: i64,
    end: i64,
    cost: Option<Money>,
    usage: &'a Usage,
    errors: u64,
    traces: u64,
}

impl DerivedFields {
    fn common(&self, common: &Common<'_>, summary: &str) -> TantivyDocument {
        let mut doc = TantivyDocument::with_capacity(summary.len() + 1024);
        if let Some(user) = common.user {
            doc.add_text(self.user, user);
        }
        if let Some(environment) = common.environment {
            doc.add_text(self.environment, environment);
        }
        for service in common.services {
            doc.add_text(self.service, service);
        }
        for tag in common.tags {
            doc.add_text(self.tag, tag);
        }
        let mut terms = TermWriter::new(|term: &str| doc.add_text(self.metadata, term));
        for (key, value) in common.metadata {
            terms.json(key, value);
        }
        doc.add_i64(self.start, common.start);
        doc.add_i64(self.end, common.end);
        doc.add_i64(self.duration, common.end.saturating_sub(common.start));
        doc.add_i64(self.cost, cost_column(common.cost));
        doc.add_i64(self.tokens, count(common.usage.total()));
        doc.add_i64(self.errors, count(common.errors));
        doc.add_i64(self.traces, count(common.traces));
        self.summary.put(&mut doc, summary.as_bytes());
        doc
    }

    pub(super) fn trace(
        &self,
        project: &ProjectId,
        summary: &TraceSummary,
    ) -> Result<TantivyDocument, serde_json::Error> {
        let trace = &summary.trace;
        let common = Common {
            user: trace.user_id.as_deref(),
            environment: trace.environment.as_deref(),
            services: &trace.services,
            tags: &trace.tags,
            metadata: &trace.metadata,
            start: trace.start_time.as_nanos(),
            end: trace.end_time.as_nanos(),
            cost: trace.total_cost,
            usage: &trace.usage,
            errors: trace.error_count,
            traces: 1,
        };
        let mut doc = self.common(&common, &serde_json::to_string(summary)?);
        doc.add_text(self.kind, text_key(project, kind::TRACE));
        doc.add_bytes(self.key, &trace_term(project, trace.id));
        doc.add_text(self.id, trace.id.to_string());
        doc.add_text(self.name, &trace.name);
        doc.add_text(self.status, trace.status.as_str());
        doc.add_u64(self.trace_ref, reference(&trace_key(project, trace.id)));
        if trace.flags.iter().any(|flag| flag == SYNTHETIC_FLAG) {
            doc.add_text(self.kind, text_key(project, kind::SYNTHETIC));
        }
        if !summary.open.is_empty() {
            doc.add_text(self.kind, text_key(project, kind::UNFINISHED));
        }
        if let Some(session) = &trace.session_id {
            self.belongs_to(&mut doc, project, session);
        }
        self.calls(&mut doc, summary);
        Ok(doc)
    }

    /// What usage by trace needs.
    fn calls(&self, doc: &mut TantivyDocument, summary: &TraceSummary) {
        if summary.calls == 0 {
            return;
        }
        doc.add_u64(self.calls, summary.calls);
        if summary.failed_calls > 0 {
            doc.add_u64(self.failed_calls, summary.failed_calls);
        }
        for (field, (_, tokens)) in self.usage.iter().zip(summary.trace.usage.buckets()) {
            if tokens > 0 {
                doc.add_u64(*field, tokens);
            }
        }
    }

    /// What journeys and statistics need.
    fn turns(&self, doc: &mut TantivyDocument, summary: &SessionSummary) {
        doc.add_i64(self.active, summary.active_nanos());
        doc.add_i64(self.last_failed, i64::from(summary.last_turn_failed()));
        for turn in summary.first_turns() {
            doc.add_text(self.turn_name, &turn.name);
            doc.add_i64(self.turn_tokens, count(turn.tokens));
        }
        for tag in summary.first_tags() {
            doc.add_text(self.turn_tag, tag);
        }
    }

    fn belongs_to(&self, doc: &mut TantivyDocument, project: &ProjectId, session: &SessionId) {
        let key = text_key(project, session.as_str());
        doc.add_u64(self.session_ref, reference(key.as_bytes()));
        doc.add_text(self.session, key);
    }

    /// Says only that something of the trace is known.
    pub(super) fn events_only(&self, project: &ProjectId, id: TraceId) -> TantivyDocument {
        let mut doc = TantivyDocument::new();
        doc.add_text(self.kind, text_key(project, kind::EVENTS_ONLY));
        doc.add_bytes(self.key, &trace_term(project, id));
        doc
    }

    /// The document and how long the summary in it is.
    pub(super) fn session(
        &self,
        project: &ProjectId,
        summary: &SessionSummary,
    ) -> Result<(TantivyDocument, usize), serde_json::Error> {
        // Seen at its very end a session is either live or was ended by somebody.
        let seen = |now| summary.session(now, Boundary::Off);
        let session = seen(seen(Timestamp::default()).end_time);
        let common = Common {
            user: session.user_id.as_deref(),
            environment: session.environment.as_deref(),
            services: &session.services,
            tags: &session.tags,
            metadata: &session.metadata,
            start: session.start_time.as_nanos(),
            end: session.end_time.as_nanos(),
            cost: session.total_cost,
            usage: &session.usage,
            errors: session.error_count,
            traces: session.trace_count,
        };
        let stored = serde_json::to_string(summary)?;
        let mut doc = self.common(&common, &stored);
        if !summary.is_empty() {
            doc.add_text(self.kind, text_key(project, kind::SESSION));
            for (kind, applies) in [
                (kind::BEGUN_AFTER_END, session.reopened),
                (kind::REOPENED, summary.was_reopened()),
                (kind::SYNTHETIC, session.synthetic),
                (kind::UNFINISHED, summary.is_unfinished()),
            ] {
                if applies {
                    doc.add_text(self.kind, text_key(project, kind));
                }
            }
            if summary.part_count() > 0 {
                doc.add_text(
                    self.kind,
                    text_key(project, &format!("{}{}", kind::PARTS, summary.part_count())),
                );
            }
        }
        doc.add_bytes(self.key, &session_term(project, session.id.as_str()));
        doc.add_text(self.id, session.id.as_str());
        doc.add_i64(self.ended, i64::from(session.state == SessionState::Ended));
        self.turns(&mut doc, summary);
        self.belongs_to(&mut doc, project, &session.id);
        Ok((doc, stored.len()))
    }
}
