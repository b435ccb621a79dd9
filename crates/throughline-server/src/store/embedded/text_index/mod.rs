//! Which documents of a segment hold a word: a file of its own beside those that the index library writes.
//!
//! The library would keep it, too, and did: its table of terms is made for any field and any text, looks each word up
//! for itself, and waits for memory three times for each. Words are most of what ingest has to do, so they have a table
//! made for them ([`met`]). All else (deletions, commits, which segments are merged) stays the library's.
//!
//! | file | what |
//! |---|---|
//! | [`met`] | the words of the texts that came, while a segment grows |
//! | [`file`] | how they are written, and found again |
//! | [`postings`] | the documents of one word |
//! | [`merge`] | one file out of those of several segments |
//! | [`query`] | documents that hold a word, as the library asks for them |
//! | [`leb128`] | how numbers are written that are mostly small |

mod file;
mod leb128;
mod merge;
mod met;
mod postings;
mod query;

use std::any::Any;

use tantivy::directory::TerminatingWrite;
use tantivy::index::SegmentComponent;
use tantivy::indexer::DocIdMapping;
use tantivy::schema::document::ErasedDocument;
use tantivy::schema::{Field, Schema, SchemaBuilder, Value};
use tantivy::{
    DocId, PluginMergeContext, PluginWriter, PluginWriterContext, Segment, SegmentPlugin, TantivyError,
};

use self::met::WordsMet;
pub(super) use self::query::{Texts, holds};
use super::queue::QueuedDocument;
use crate::store::priority::Senders;

/// The name of the file in a segment, and of the type of the field.
const EXTENSION: &str = "words";

/// The field whose text is indexed here.
pub(super) fn text_field(schema: &mut SchemaBuilder) -> Field {
    schema.add_custom_field("text", EXTENSION, serde_json::Value::Null)
}

/// What the index library is to do with that field.
pub(super) struct TextPlugin {
    field: Field,
    senders: Senders,
}

impl TextPlugin {
    /// Lets these senders go before it, at each text.
    pub(super) fn new(field: Field, senders: Senders) -> Self {
        Self { field, senders }
    }
}

impl SegmentPlugin for TextPlugin {
    fn extensions(&self) -> &[&str] {
        &[EXTENSION]
    }

    fn create_writer(&self, _: &PluginWriterContext<'_>) -> tantivy::Result<Box<dyn PluginWriter>> {
        let (field, senders) = (self.field, self.senders.clone());
        Ok(Box::new(TextWriter { field, senders, words: WordsMet::default() }))
    }

    fn merge(&self, context: PluginMergeContext<'_>) -> tantivy::Result<()> {
        let mut file = context.target_segment.open_write(component())?;
        merge::merge(context.readers, context.doc_id_mapping, &mut file, &self.senders)?;
        Ok(file.terminate()?)
    }
}

/// The texts of a segment that is being written.
struct TextWriter {
    field: Field,
    senders: Senders,
    words: WordsMet,
}

impl PluginWriter for TextWriter {
    fn add_document(&mut self, _: DocId, document: &dyn ErasedDocument, _: &Schema) -> tantivy::Result<()> {
        self.senders.go_first();
        let document: &QueuedDocument = document.as_any().downcast_ref().ok_or_else(|| {
            TantivyError::InvalidArgument("texts are taken from documents of the queue only".to_owned())
        })?;
        let text = document.first(self.field).and_then(|value| value.as_custom());
        self.words.add(text.and_then(|text| str::from_utf8(text).ok()).unwrap_or_default());
        Ok(())
    }

    fn serialize(self: Box<Self>, segment: &Segment, sorted: Option<&DocIdMapping>) -> tantivy::Result<()> {
        if sorted.is_some() {
            return Err(TantivyError::InvalidArgument(
                "records stay in the order in which they came".to_owned(),
            ));
        }
        let mut file = segment.open_write(component())?;
        self.words.write(&mut file, &self.senders)?;
        Ok(file.terminate()?)
    }

    fn mem_usage(&self) -> usize {
        self.words.memory()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

fn component() -> SegmentComponent {
    SegmentComponent::Custom(EXTENSION.to_owned())
}
