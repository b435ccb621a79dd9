//! What is stored of a document: bytes, in the words of a vocabulary or else in pieces.

use std::sync::Arc;

use tantivy::schema::{Field, OwnedValue, document};
use tantivy::{DocAddress, Searcher, TantivyDocument};

use super::snapshot::IndexError;
use super::vocabulary::Vocabularies;

/// The one field of an index whose bytes can be read back.
#[derive(Debug, Clone)]
pub(super) struct StoredField {
    pub(super) field: Field,
    pub(super) vocabularies: Arc<Vocabularies>,
}

impl StoredField {
    /// Adds what is stored of a document.
    pub(super) fn put(&self, doc: &mut TantivyDocument, bytes: &[u8]) {
        self.vocabularies.encode(bytes, |stored, in_numbers| match in_numbers {
            true => doc.add_bytes(self.field, stored),
            false => put_pieces(doc, self.field, stored),
        });
    }

    /// What was stored of the document at this address; empty if that is nothing.
    pub(super) fn read(&self, searcher: &Searcher, address: DocAddress) -> Result<Vec<u8>, IndexError> {
        Ok(self.vocabularies.decode(searcher.doc::<Stored>(address)?.0)?)
    }
}

/// Shorter stretches of text are not worth a piece of their own.
const LEAST_TEXT_BYTES: usize = 64;

/// Adds bytes, long texts in them as pieces of their own: the index library copies a text whole and anything else byte
/// by byte, when it writes and when it reads.
fn put_pieces(doc: &mut TantivyDocument, field: Field, bytes: &[u8]) {
    let (mut done, mut at) = (0, 0);
    while at < bytes.len() {
        let length = text_length(&bytes[at..]);
        if length >= LEAST_TEXT_BYTES
            && let Ok(text) = std::str::from_utf8(&bytes[at..at + length])
        {
            if done < at {
                doc.add_bytes(field, &bytes[done..at]);
            }
            doc.add_text(field, text);
            done = at + length;
        }
        at += length + 1;
    }
    if done < bytes.len() {
        doc.add_bytes(field, &bytes[done..]);
    }
}

/// How many bytes at the beginning are text.
fn text_length(bytes: &[u8]) -> usize {
    std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len)
}

/// The pieces put together again.
struct Stored(Vec<u8>);

impl document::DocumentDeserialize for Stored {
    fn deserialize<'de, D>(mut deserializer: D) -> Result<Self, document::DeserializeError>
    where
        D: document::DocumentDeserializer<'de>,
    {
        let mut stored = Vec::new();
        while let Some((_, piece)) = deserializer.next_field::<OwnedValue>()? {
            match piece {
                OwnedValue::Bytes(bytes) if stored.is_empty() => stored = bytes,
                OwnedValue::Str(text) if stored.is_empty() => stored = text.into_bytes(),
                OwnedValue::Bytes(bytes) => stored.extend_from_slice(&bytes),
                OwnedValue::Str(text) => stored.extend_from_slice(text.as_bytes()),
                _ => {
                    return Err(document::DeserializeError::custom(
                        "something else is stored than bytes and text",
                    ));
                }
            }
        }
        Ok(Self(stored))
    }
}

#[cfg(test)]
mod tests {
    use tantivy::schema::{BytesOptions, Schema, Value as _};
    use tantivy::{Index, IndexWriter};

    use super::*;

    #[test]
    fn whatever_was_put_is_read_back() {
        let text = "words of a text that is long enough to be a piece of its own, ä and 日本 among them";
        let bytes: &[&[u8]] = &[
            b"",
            b"short",
            text.as_bytes(),
            &[0xff; 200],
            &[b"\x0a\xff\x80", text.as_bytes(), b"\xc3"].concat(),
            &[text.as_bytes(), b"\xe6\x97", text.as_bytes(), b"\xfe\xfe", &text.as_bytes()[1..]].concat(),
        ];
        let mut schema = Schema::builder();
        let field = schema.add_bytes_field("body", BytesOptions::default().set_stored());
        let index = Index::create_in_ram(schema.build());
        let mut writer: IndexWriter = index.writer_with_num_threads(1, 15 << 20).unwrap();
        for bytes in bytes {
            let mut doc = TantivyDocument::new();
            put_pieces(&mut doc, field, bytes);
            writer.add_document(doc).unwrap();
        }
        writer.commit().unwrap();
        let searcher = index.reader().unwrap().searcher();
        for (doc, bytes) in (0..).zip(bytes) {
            let read: Stored = searcher.doc(DocAddress::new(0, doc)).unwrap();
            assert_eq!(&read.0, bytes);
        }
    }

    #[test]
    fn long_texts_are_pieces_of_their_own() {
        let field = Field::from_field_id(0);
        let mut doc = TantivyDocument::new();
        put_pieces(&mut doc, field, &[&[0xff; 3][..], "text ".repeat(20).as_bytes(), &[0xfe; 3]].concat());
        let texts: Vec<_> = doc.field_values().map(|(_, value)| value.as_str().map(str::len)).collect();
        assert_eq!(texts, [None, Some(100), None]);
    }
}
