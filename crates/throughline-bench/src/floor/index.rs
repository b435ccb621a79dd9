//! Decode and index, nothing else: the store's index options and commits on the load's own attributes, with one document
//! per trace and session kept up in an index of their own.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use tantivy::indexer::IndexWriterOptions;
use tantivy::schema::document::{ReferenceValue, ReferenceValueLeaf, Value as DocumentValue};
use tantivy::schema::{
    BytesOptions, FAST, Field, INDEXED, IndexRecordOption, JsonObjectOptions, NumericOptions, STORED, Schema,
    SchemaBuilder, TantivyDocument, TextFieldIndexing, TextOptions,
};
use tantivy::store::{Compressor, ZstdCompressor};
use tantivy::tokenizer::{LowerCaser, SimpleTokenizer, TextAnalyzer};
use tantivy::{Index, IndexSettings, IndexWriter, Term};
use throughline_server::store::embedded::EmbeddedConfig;

use super::wire::{Span, Value, each_span};
use crate::load::{Load, SPANS_PER_REQUEST};
use crate::process;

pub(crate) struct IndexFloor {
    pub(crate) spans_per_second: f64,
    pub(crate) cpu_micros_per_span: f64,
    pub(crate) bytes_per_span: f64,
}

/// Indexes so many requests of the load with as many threads and as much memory as the store has, and commits as often as
/// the store does under load.
pub(crate) fn index(load: &Load, requests: usize, directory: &Path) -> anyhow::Result<IndexFloor> {
    let config = EmbeddedConfig::new(directory);
    let mut spans = SpanIndex::create(&directory.join("floor-spans"), &config)?;
    let mut derived = Derived::create(&directory.join("floor-derived"), &config)?;
    let (begin, cpu) = (Instant::now(), process::cpu(std::process::id()));
    let (mut body, mut failure) = (Vec::new(), None);
    let (mut committed, mut since) = (Instant::now(), 0);
    for number in 0..requests {
        load.request(number, &mut body);
        each_span(&body, |span| {
            derived.add(&span);
            failure = spans.add(&span).err().or(failure.take());
        });
        since += body.len();
        if committed.elapsed() >= config.commit_after || since >= config.commit_bytes {
            spans.writer.commit()?;
            derived.commit()?;
            (committed, since) = (Instant::now(), 0);
        }
    }
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    spans.writer.commit()?;
    derived.commit()?;
    let took = begin.elapsed();
    spans.writer.wait_merging_threads()?;
    derived.writer.wait_merging_threads()?;
    let count = (requests * SPANS_PER_REQUEST) as f64;
    Ok(IndexFloor {
        spans_per_second: count / took.as_secs_f64(),
        cpu_micros_per_span: (process::cpu(std::process::id()) - cpu).as_secs_f64() * 1e6 / count,
        bytes_per_span: process::directory_bytes(directory) as f64 / count,
    })
}

fn open(
    directory: &Path,
    schema: Schema,
    threads: usize,
    config: &EmbeddedConfig,
) -> anyhow::Result<IndexWriter> {
    std::fs::create_dir_all(directory)?;
    let settings = IndexSettings {
        docstore_compression: Compressor::Zstd(ZstdCompressor { compression_level: Some(1) }),
        docstore_blocksize: 128 << 10,
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let index = Index::builder().schema(schema).settings(settings).create_in_dir(directory)?;
    let words = TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser).build();
    index.tokenizers().register("words", words);
    let options = IndexWriterOptions::builder()
        .num_worker_threads(threads)
        .memory_budget_per_thread(config.index_heap_bytes)
        .num_merge_threads(1)
        .build();
    Ok(index.writer_with_options(options)?)
}

fn raw() -> TextFieldIndexing {
    TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_index_option(IndexRecordOption::Basic)
        .set_fieldnorms(false)
}

fn keyword(builder: &mut SchemaBuilder, name: &str) -> Field {
    builder.add_text_field(name, TextOptions::default().set_indexing_options(raw()).set_fast("raw"))
}

struct SpanIndex {
    writer: IndexWriter,
    trace: Field,
    id: Field,
    keywords: [Field; 6],
    numbers: [Field; 5],
    text: Field,
    attributes: Field,
    body: Field,
}

impl SpanIndex {
    fn create(directory: &Path, config: &EmbeddedConfig) -> anyhow::Result<Self> {
        let mut builder = Schema::builder();
        let number = NumericOptions::default().set_fast();
        let words = TextFieldIndexing::default()
            .set_tokenizer("words")
            .set_index_option(IndexRecordOption::Basic)
            .set_fieldnorms(false);
        let trace = builder.add_bytes_field("trace", BytesOptions::default().set_indexed().set_fast());
        let id = builder.add_u64_field("id", number.clone());
        let keywords =
            ["session", "user", "name", "service", "kind", "model"].map(|name| keyword(&mut builder, name));
        let numbers = ["start", "duration", "input_tokens", "output_tokens", "errors"]
            .map(|name| builder.add_i64_field(name, number.clone()));
        let text = builder.add_text_field("text", TextOptions::default().set_indexing_options(words));
        let json = JsonObjectOptions::default().set_indexing_options(raw()).set_fast("raw");
        let attributes = builder.add_json_field("attributes", json);
        let body = builder.add_bytes_field("body", STORED);
        let writer = open(directory, builder.build(), config.index_threads, config)?;
        Ok(Self { writer, trace, id, keywords, numbers, text, attributes, body })
    }

    fn add(&mut self, span: &Span<'_>) -> tantivy::Result<u64> {
        let mut document =
            TantivyDocument::with_capacity(span.input.len() + span.output.len() + span.bytes.len() + 512);
        document.add_bytes(self.trace, span.trace);
        document.add_u64(self.id, span.id.try_into().map_or(0, u64::from_be_bytes));
        let values = [span.session, span.user, span.name, span.service, span.kind, span.model];
        for (field, value) in self.keywords.into_iter().zip(values).filter(|(_, value)| !value.is_empty()) {
            document.add_text(field, value);
        }
        let tokens = [span.input_tokens as i64, span.output_tokens as i64];
        let numbers = [span.start, span.end - span.start, tokens[0], tokens[1], i64::from(span.is_error)];
        for (field, value) in self.numbers.into_iter().zip(numbers) {
            document.add_i64(field, value);
        }
        document.add_text(self.text, span.input);
        document.add_text(self.text, span.output);
        document.add_field_value(self.attributes, Node::Object(&span.attributes));
        document.add_bytes(self.body, span.bytes);
        self.writer.add_document(document)
    }
}

/// A borrowed view of the attributes, so that no map is built for the JSON field.
#[derive(Clone, Copy, Debug)]
enum Node<'a> {
    Object(&'a [(&'a str, Value<'a>)]),
    Leaf(Value<'a>),
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Text(text) => text.fmt(f),
            Value::Int(number) => number.fmt(f),
        }
    }
}

type Entries<'a> = std::iter::Map<
    std::slice::Iter<'a, (&'a str, Value<'a>)>,
    fn(&'a (&'a str, Value<'a>)) -> (&'a str, Node<'a>),
>;

fn leaf<'a>(entry: &'a (&'a str, Value<'a>)) -> (&'a str, Node<'a>) {
    (entry.0, Node::Leaf(entry.1))
}

impl<'a> DocumentValue<'a> for Node<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = Entries<'a>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        match *self {
            Self::Object(entries) => {
                ReferenceValue::Object(entries.iter().map(leaf as fn(&'a (&'a str, Value<'a>)) -> _))
            }
            Self::Leaf(Value::Text(text)) => ReferenceValue::Leaf(ReferenceValueLeaf::Str(text)),
            Self::Leaf(Value::Int(number)) => ReferenceValue::Leaf(ReferenceValueLeaf::I64(number)),
        }
    }
}

#[derive(Default)]
struct Sums {
    session: String,
    user: String,
    name: String,
    first: i64,
    last: i64,
    spans: i64,
    tokens: i64,
    errors: i64,
    written: bool,
    touched: bool,
}

/// One document per trace and session, written again at each commit in which it grew.
struct Derived {
    writer: IndexWriter,
    key: Field,
    keywords: [Field; 3],
    numbers: [Field; 5],
    summary: Field,
    sums: HashMap<Vec<u8>, Sums>,
    touched: Vec<Vec<u8>>,
}

impl Derived {
    fn create(directory: &Path, config: &EmbeddedConfig) -> anyhow::Result<Self> {
        let mut builder = Schema::builder();
        let key = builder.add_bytes_field("key", INDEXED);
        let keywords = ["session", "user", "name"].map(|name| keyword(&mut builder, name));
        let numbers =
            ["first", "last", "spans", "tokens", "errors"].map(|name| builder.add_i64_field(name, FAST));
        let summary = builder.add_text_field("summary", STORED);
        let writer = open(directory, builder.build(), 1, config)?;
        Ok(Self { writer, key, keywords, numbers, summary, sums: HashMap::new(), touched: Vec::new() })
    }

    fn add(&mut self, span: &Span<'_>) {
        self.touch(span.trace, span);
        self.touch(span.session.as_bytes(), span);
    }

    fn touch(&mut self, key: &[u8], span: &Span<'_>) {
        if !self.sums.contains_key(key) {
            let sums = Sums {
                session: span.session.into(),
                user: span.user.into(),
                first: i64::MAX,
                ..Sums::default()
            };
            self.sums.insert(key.to_vec(), sums);
        }
        let Some(sums) = self.sums.get_mut(key) else { return };
        if !sums.touched {
            sums.touched = true;
            self.touched.push(key.to_vec());
        }
        if span.is_root {
            span.name.clone_into(&mut sums.name);
        }
        sums.first = sums.first.min(span.start);
        sums.last = sums.last.max(span.end);
        sums.spans += 1;
        sums.tokens += (span.input_tokens + span.output_tokens) as i64;
        sums.errors += i64::from(span.is_error);
    }

    fn commit(&mut self) -> tantivy::Result<()> {
        for key in self.touched.drain(..) {
            let Some(sums) = self.sums.get_mut(&key) else { continue };
            if sums.written {
                self.writer.delete_term(Term::from_field_bytes(self.key, &key));
            }
            (sums.written, sums.touched) = (true, false);
            let mut document = TantivyDocument::with_capacity(512);
            document.add_bytes(self.key, &key);
            for (field, value) in self.keywords.into_iter().zip([&sums.session, &sums.user, &sums.name]) {
                document.add_text(field, value);
            }
            let numbers = [sums.first, sums.last, sums.spans, sums.tokens, sums.errors];
            for (field, value) in self.numbers.into_iter().zip(numbers) {
                document.add_i64(field, value);
            }
            let Sums { name, spans, tokens, errors, .. } = sums;
            let summary =
                format!(r#"{{"name":"{name}","spans":{spans},"tokens":{tokens},"errors":{errors}}}"#);
            document.add_text(self.summary, summary);
            self.writer.add_document(document)?;
        }
        // Memory of the floor is bounded too: what was not touched lately starts anew.
        if self.sums.len() > 60_000 {
            self.sums.clear();
        }
        self.writer.commit().map(|_| ())
    }
}
