//! The span index: one document for each span and event.

use std::path::Path;
use std::sync::Arc;

use tantivy::schema::{
    BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::store::{Compressor, ZstdCompressor};
use tantivy::{Index, IndexBuilder, IndexSettings, TantivyDocument};
use throughline_model::message::searchable_text;
use throughline_model::otlp::{RawSpan, SpanFacts};
use throughline_model::{Event, Money, ProjectId, Usage};

use super::index_directory::IndexDirectory;
use super::key::{reference, text_key, trace_key};
use super::stored::StoredField;
use super::terms::TermWriter;
use super::text_index::{TextPlugin, text_field};
use super::vocabulary::Vocabularies;
use crate::domain::score::{self, Score, ScoreValue};
use crate::domain::trace_start::is_trace_start;
use crate::store::priority::Senders;

/// So much of a text is found by its words; the rest is kept and shown.
pub(super) const SEARCHED_BYTES: usize = 8 << 10;

/// Values of the field `mark`.
pub(super) mod mark {
    pub(in super::super) const SPAN: &str = "span";
    pub(in super::super) const EVENT: &str = "event";
    pub(in super::super) const BILLABLE: &str = "billable";
    pub(in super::super) const ERROR: &str = "error";
    /// An event that names its session itself.
    pub(in super::super) const OWN_SESSION: &str = "own_session";
    /// An event that is a score, and stands.
    pub(in super::super) const SCORE: &str = "score";
    /// A score that was replaced: kept and counted, but not found as an event.
    pub(in super::super) const REPLACED: &str = "replaced";
    /// The beginning of a trace: a document with nothing that a filter looks at.
    pub(in super::super) const START: &str = "start";
}

/// The columns of usage buckets, in the order of [`Usage::buckets`].
pub(super) const USAGE_COLUMNS: [&str; 8] = [
    "input_uncached",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "output",
    "reasoning",
    "output_audio",
];

/// The fields of a span or event document.
#[derive(Debug, Clone)]
pub(super) struct SpanFields {
    /// What the record is, see [`mark`], each by project.
    pub(super) mark: Field,
    pub(super) trace: Field,
    pub(super) trace_ref: Field,
    /// The span's id as a number.
    pub(super) span: Field,
    pub(super) event: Field,
    /// The session that the record belongs to, be it named by itself or by its trace.
    pub(super) session: Field,
    pub(super) session_ref: Field,
    pub(super) user: Field,
    pub(super) name: Field,
    pub(super) service: Field,
    pub(super) environment: Field,
    pub(super) kind: Field,
    pub(super) level: Field,
    pub(super) status: Field,
    pub(super) model: Field,
    pub(super) provider: Field,
    pub(super) tool: Field,
    pub(super) tag: Field,
    pub(super) start: Field,
    pub(super) duration: Field,
    /// What the price rules say, in picodollars.
    pub(super) cost: Field,
    /// What the source says.
    pub(super) given_cost: Field,
    /// 1 if it failed, else nothing.
    pub(super) failed: Field,
    pub(super) tokens: Field,
    pub(super) usage: [Field; 8],
    pub(super) text: Field,
    pub(super) attribute: Field,
    /// What a score has in common with those that it replaces: see [`score::key`].
    pub(super) score_key: Field,
    /// A score's name and value, as an attribute would be.
    pub(super) score: Field,
    pub(super) score_name: Field,
    pub(super) score_number: Field,
    pub(super) score_label: Field,
    pub(super) body: StoredField,
}

fn raw() -> TextFieldIndexing {
    TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_index_option(IndexRecordOption::Basic)
        .set_fieldnorms(false)
}

/// An exact term, not a column.
pub(super) fn term() -> TextOptions {
    TextOptions::default().set_indexing_options(raw())
}

/// An exact term and a column.
pub(super) fn term_column() -> TextOptions {
    term().set_fast("raw")
}

fn schema(vocabularies: &Arc<Vocabularies>) -> (Schema, SpanFields) {
    let mut schema = Schema::builder();
    let column = || NumericOptions::default().set_fast();
    let fields = SpanFields {
        mark: schema.add_text_field("mark", term()),
        trace: schema.add_bytes_field("trace", BytesOptions::default().set_indexed()),
        trace_ref: schema.add_u64_field("trace_ref", column()),
        span: schema.add_u64_field("span", column()),
        event: schema.add_text_field("event", term_column()),
        session: schema.add_text_field("session", term()),
        session_ref: schema.add_u64_field("session_ref", column()),
        user: schema.add_text_field("user", term_column()),
        name: schema.add_text_field("name", term_column()),
        service: schema.add_text_field("service", term_column()),
        environment: schema.add_text_field("environment", term_column()),
        kind: schema.add_text_field("kind", term_column()),
        level: schema.add_text_field("level", term()),
        status: schema.add_text_field("status", term()),
        model: schema.add_text_field("model", term_column()),
        provider: schema.add_text_field("provider", term()),
        tool: schema.add_text_field("tool", term()),
        tag: schema.add_text_field("tag", term()),
        start: schema.add_i64_field("start", column()),
        duration: schema.add_i64_field("duration", column()),
        cost: schema.add_i64_field("cost", column()),
        given_cost: schema.add_i64_field("given_cost", column()),
        failed: schema.add_u64_field("failed", column()),
        tokens: schema.add_u64_field("tokens", column()),
        usage: USAGE_COLUMNS.map(|name| schema.add_u64_field(name, column())),
        text: text_field(&mut schema),
        attribute: schema.add_text_field("attribute", term()),
        score_key: schema.add_text_field("score_key", term()),
        score: schema.add_text_field("score", term()),
        score_name: schema.add_text_field("score_name", TextOptions::default().set_fast("raw")),
        score_number: schema.add_f64_field("score_number", column()),
        score_label: schema.add_text_field("score_label", TextOptions::default().set_fast("raw")),
        body: StoredField {
            field: schema.add_bytes_field("body", BytesOptions::default().set_stored()),
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
) -> tantivy::Result<(Index, SpanFields)> {
    let (schema, fields) = schema(vocabularies);
    let texts = Arc::new(TextPlugin::new(fields.text, senders.clone()));
    let index = Index::builder().schema(schema).register_plugin(texts);
    Ok((open_index(dir, index, senders)?, fields))
}

/// Documents compressed in blocks of 128 KB: larger ones are cheaper to write and smaller, and still quick to read.
pub(super) fn open_index(dir: &Path, index: IndexBuilder, senders: &Senders) -> tantivy::Result<Index> {
    std::fs::create_dir_all(dir)?;
    let settings = IndexSettings {
        docstore_compression: Compressor::Zstd(ZstdCompressor { compression_level: Some(1) }),
        docstore_blocksize: 128 << 10,
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let directory = IndexDirectory::open(dir, senders.clone())?;
    index.settings(settings).open_or_create(directory)
}

/// What a span's document says that is not known from the span alone.
pub(super) struct Inherited<'a> {
    pub(super) session: Option<&'a str>,
    pub(super) user: Option<&'a str>,
    pub(super) billable: bool,
}

/// Money as a column holds it. What is out of range (nine million dollars for one call) is cut off.
pub(super) fn money_column(money: Money) -> i64 {
    let picodollars = money.picodollars();
    i64::try_from(picodollars).unwrap_or(if picodollars < 0 { i64::MIN } else { i64::MAX })
}

impl SpanFields {
    /// The part of a span's document that the span alone decides.
    pub(super) fn span(
        &self,
        project: &ProjectId,
        raw: &RawSpan<'_>,
        facts: &SpanFacts<'_>,
        cost: Option<Money>,
    ) -> TantivyDocument {
        let mut body = Vec::new();
        raw.write_single(&mut body);
        let mut doc = TantivyDocument::with_capacity(body.len() + 1024 + body.len() / 2);
        let key = trace_key(project, facts.trace_id);
        doc.add_text(self.mark, text_key(project, mark::SPAN));
        doc.add_bytes(self.trace, &key);
        doc.add_u64(self.trace_ref, reference(&key));
        doc.add_u64(self.span, u64::from_be_bytes(*facts.span_id.as_bytes()));
        doc.add_text(self.name, &facts.name);
        doc.add_text(self.kind, facts.kind.as_str());
        doc.add_text(self.level, facts.level.as_str());
        doc.add_text(self.status, facts.status.as_str());
        for (field, text) in [
            (self.service, &facts.service),
            (self.environment, &facts.environment),
            (self.model, &facts.model),
            (self.provider, &facts.provider),
            (self.tool, &facts.tool_name),
        ] {
            if let Some(text) = text {
                doc.add_text(field, text);
            }
        }
        for tag in &facts.tags {
            doc.add_text(self.tag, tag);
        }
        if facts.is_error() {
            doc.add_text(self.mark, text_key(project, mark::ERROR));
            doc.add_u64(self.failed, 1);
        }
        doc.add_i64(self.start, facts.start.as_nanos());
        doc.add_i64(self.duration, facts.end.nanos_since(facts.start));
        for (field, cost) in [(self.cost, cost), (self.given_cost, facts.given_cost)] {
            if let Some(cost) = cost {
                doc.add_i64(field, money_column(cost));
            }
        }
        if let Some(usage) = &facts.usage {
            self.usage(&mut doc, usage);
        }
        let message = facts.error.as_ref().map(|error| error.message.as_str());
        let texts = [&facts.system, &facts.input, &facts.output, &facts.status_message];
        self.texts(&mut doc, texts.into_iter().filter_map(|text| text.as_deref()).chain(message));
        // The attributes that the observation shows: see `throughline_model::otlp::observation`.
        let mut terms = TermWriter::new(|term: &str| doc.add_text(self.attribute, term));
        for (key, value) in &facts.attributes {
            terms.attribute(key, value);
        }
        for (key, value) in &facts.metadata {
            terms.attribute(&format!("metadata.{key}"), value);
        }
        for (key, value) in facts.resource {
            if !facts.attributes.iter().any(|(own, _)| own == key) {
                terms.attribute(key, value);
            }
        }
        self.body.put(&mut doc, &body);
        doc
    }

    fn usage(&self, doc: &mut TantivyDocument, usage: &Usage) {
        for (field, (_, tokens)) in self.usage.iter().zip(usage.buckets()) {
            if tokens > 0 {
                doc.add_u64(*field, tokens);
            }
        }
        doc.add_u64(self.tokens, usage.total());
    }

    /// Texts are indexed as one, so that a word that is in several of them is met once.
    fn texts<'a>(&self, doc: &mut TantivyDocument, texts: impl Iterator<Item = &'a str> + Clone) {
        let bytes = |text: &str| text.len().min(SEARCHED_BYTES) + 2;
        let mut searched = String::with_capacity(texts.clone().map(bytes).sum());
        for text in texts {
            searchable_text(text, &mut searched, SEARCHED_BYTES);
            searched.push('\n');
        }
        if searched.len() > 1 {
            doc.add_custom(self.text, searched.as_bytes());
        }
    }

    /// Adds what the rest of the trace decides.
    pub(super) fn inherit(&self, doc: &mut TantivyDocument, project: &ProjectId, inherited: &Inherited<'_>) {
        self.belongs_to(doc, project, inherited.session);
        if let Some(user) = inherited.user {
            doc.add_text(self.user, user);
        }
        if inherited.billable {
            doc.add_text(self.mark, text_key(project, mark::BILLABLE));
        }
    }

    fn belongs_to(&self, doc: &mut TantivyDocument, project: &ProjectId, session: Option<&str>) {
        if let Some(session) = session {
            let key = text_key(project, session);
            doc.add_u64(self.session_ref, reference(key.as_bytes()));
            doc.add_text(self.session, key);
        }
    }

    /// An event's document; `session` is that of its trace.
    pub(super) fn event(
        &self,
        project: &ProjectId,
        event: &Event,
        trace_session: Option<&str>,
    ) -> Result<TantivyDocument, serde_json::Error> {
        if is_trace_start(event) {
            let mut doc = self.kept_event(project, event, trace_session)?;
            doc.add_text(self.mark, text_key(project, mark::START));
            return Ok(doc);
        }
        let mut doc = self.kept_event(project, event, trace_session)?;
        doc.add_text(self.mark, text_key(project, mark::EVENT));
        if let Some(score) = Score::of(event) {
            doc.add_text(self.mark, text_key(project, mark::SCORE));
            self.score(&mut doc, &score);
        }
        if let Some(user) = event.user_id() {
            doc.add_text(self.user, user);
        }
        doc.add_text(self.name, &event.name);
        doc.add_text(self.service, &event.service);
        doc.add_text(self.environment, &event.environment);
        doc.add_text(self.kind, "event");
        doc.add_text(self.level, event.level.as_str());
        if event.is_error() {
            doc.add_text(self.mark, text_key(project, mark::ERROR));
        }
        let facts = event.attributes.values().filter_map(|value| value.as_str());
        let messages = event.error.iter().map(|error| error.message.as_str());
        self.texts(&mut doc, std::iter::once(event.name.as_str()).chain(messages).chain(facts));
        let mut terms = TermWriter::new(|term: &str| doc.add_text(self.attribute, term));
        for (key, value) in &event.attributes {
            terms.json(key, value);
        }
        Ok(doc)
    }

    /// A score's document after another took its place.
    pub(super) fn replaced_score(
        &self,
        project: &ProjectId,
        event: &Event,
        trace_session: Option<&str>,
    ) -> Result<TantivyDocument, serde_json::Error> {
        let mut doc = self.kept_event(project, event, trace_session)?;
        doc.add_text(self.mark, text_key(project, mark::REPLACED));
        Ok(doc)
    }

    /// What an event's document says whether it can be found or not: where it belongs, and its body.
    fn kept_event(
        &self,
        project: &ProjectId,
        event: &Event,
        trace_session: Option<&str>,
    ) -> Result<TantivyDocument, serde_json::Error> {
        let body = serde_json::to_vec(event)?;
        let mut doc = TantivyDocument::with_capacity(body.len() + 1024);
        doc.add_text(self.event, text_key(project, event.id.as_str()));
        if let Some(key) = score::key(event) {
            doc.add_text(self.score_key, text_key(project, &key));
        }
        if let Some(trace) = event.trace_id {
            let key = trace_key(project, trace);
            doc.add_bytes(self.trace, &key);
            doc.add_u64(self.trace_ref, reference(&key));
        }
        let own = own_session(event);
        if own.is_some() {
            doc.add_text(self.mark, text_key(project, mark::OWN_SESSION));
        }
        self.belongs_to(&mut doc, project, own.or(trace_session));
        doc.add_i64(self.start, event.time.as_nanos());
        doc.add_i64(self.duration, 0);
        self.body.put(&mut doc, &body);
        Ok(doc)
    }

    fn score(&self, doc: &mut TantivyDocument, score: &Score) {
        doc.add_text(self.score_name, &score.name);
        match &score.value {
            ScoreValue::Number(number) => doc.add_f64(self.score_number, *number),
            ScoreValue::Flag(yes) => doc.add_text(self.score_label, if *yes { "true" } else { "false" }),
            ScoreValue::Category(label) => doc.add_text(self.score_label, label),
            // Hardly any two are the same, so there is nothing to count them by.
            ScoreValue::Text(_) => {}
        }
        TermWriter::new(|term: &str| doc.add_text(self.score, term))
            .json(&score.name, &score.value.to_json());
    }
}

/// The session that an event names itself; an empty id names none. The beginning of a trace is no event of a session's:
/// what it names, it names for its trace.
pub(super) fn own_session(event: &Event) -> Option<&str> {
    let named = event.session_id.as_ref().map(|id| id.as_str()).filter(|id| !id.is_empty());
    named.filter(|_| !is_trace_start(event))
}
