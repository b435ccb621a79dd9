//! Documents that were looked up, as a conversation shows them.

use serde_json::{Map, Value};
use throughline_model::{Observation, message};

use super::message::{Body, Piece, Room};
use super::notation;
use super::passage::{self, Passage};

/// A document that was found.
#[derive(Debug, Clone)]
pub(super) struct Document {
    /// What it is called, or where it is from; empty if it does not say.
    pub name: String,
    /// How well it fits, as the source measures it.
    pub score: String,
    pub text: Passage,
}

/// Documents shown of one look-up.
const MOST: usize = 20;
const BRIEF: usize = 160;

/// What a look-up found; `None` if it neither asked nor found anything.
pub(super) fn piece(look_up: &Observation, room: &mut Room) -> Option<Piece> {
    let asked = look_up.input.as_ref().map(question).unwrap_or_default();
    let Some(output) = &look_up.output else {
        let label = notation::line(&look_up.name, 80);
        return (!asked.is_empty()).then(|| Piece {
            kind: "documents",
            label,
            brief: asked,
            body: Body::default(),
        });
    };
    let Some(found) = list(output) else {
        let label = format!("{} result", notation::line(&look_up.name, 80));
        let brief = if asked.is_empty() { passage::brief(output, BRIEF) } else { asked };
        return Some(Piece { kind: "documents", label, brief, body: room.body(output) });
    };
    let documents: Vec<Document> = found.iter().take(MOST).map(|found| Document::of(found, room)).collect();
    let brief = match documents.iter().find(|document| !document.name.is_empty()) {
        Some(named) if asked.is_empty() => named.name.clone(),
        _ => asked,
    };
    let label = notation::plural(found.len() as u64, "document");
    Some(Piece { kind: "documents", label, brief, body: Body { documents, ..Body::default() } })
}

/// What was asked for, in one line.
fn question(input: &Value) -> String {
    let said = message::conversation(Some(input), None);
    let text = message::last_user_text(&said).map(|text| notation::line(&text, BRIEF));
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| passage::brief(input, BRIEF))
}

/// The documents of an output: a list, or an object that has one.
fn list(output: &Value) -> Option<Vec<Value>> {
    let parsed = match output {
        Value::String(text) => serde_json::from_str::<Value>(text).ok()?,
        other => other.clone(),
    };
    let list = match parsed {
        Value::Array(list) => list,
        Value::Object(mut fields) => {
            let named = ["documents", "docs", "results", "matches", "chunks", "hits", "nodes"];
            match named.iter().find_map(|name| fields.remove(*name)) {
                Some(Value::Array(list)) => list,
                _ => return None,
            }
        }
        _ => return None,
    };
    list.iter().all(|one| one.is_string() || one.is_object()).then_some(list)
}

impl Document {
    fn of(found: &Value, room: &mut Room) -> Self {
        let empty = Map::new();
        let outer = found.as_object().unwrap_or(&empty);
        // Some put the document beside its score.
        let inner =
            ["document", "node"].iter().find_map(|name| outer.get(*name)?.as_object()).unwrap_or(outer);
        let metadata = inner.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
        let named = |names: &[&str]| {
            let places = [inner, metadata, outer];
            let all = names.iter().flat_map(|name| places.iter().filter_map(|place| place.get(*name)));
            all.filter(|value| value.is_string() || value.is_number())
                .map(plain)
                .find(|text| !text.is_empty())
        };
        let text = named(&["content", "page_content", "pageContent", "text", "body", "chunk"]);
        let name = named(&["title", "name", "source", "file", "path", "url", "id", "document_id"]);
        let score = ["score", "relevance_score", "similarity"]
            .iter()
            .find_map(|name| outer.get(*name).or(inner.get(*name)));
        let text = text.or_else(|| found.as_str().map(str::to_owned)).unwrap_or_else(|| found.to_string());
        Self {
            name: name.map(|name| notation::line(&name, 120)).unwrap_or_default(),
            score: score.and_then(Value::as_f64).map(|score| format!("{score:.3}")).unwrap_or_default(),
            text: room.passage(&text),
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::passage::{Block, Inline};
    use super::super::sample;
    use super::*;

    fn told(output: Value) -> Vec<String> {
        let mut look_up = sample::observation(1, None, "search", 0, 1);
        (look_up.input, look_up.output) = (Some(json!("refunds")), Some(output));
        let piece = piece(&look_up, &mut Room::new(10_000, 1_000)).unwrap();
        let text = |passage: &Passage| match passage.blocks.first() {
            Some(Block::Prose(runs)) => match &runs[..] {
                [Inline::Plain(text)] => text.clone(),
                other => format!("{other:?}"),
            },
            other => format!("{other:?}"),
        };
        let document = |one: &Document| format!("{}|{}|{}", one.name, one.score, text(&one.text));
        let told = [format!("{}: {}", piece.label, piece.brief)];
        told.into_iter().chain(piece.body.documents.iter().map(document)).collect()
    }

    #[test]
    fn documents_are_told_apart_whatever_the_source_calls_their_parts() {
        let haystack = json!([{"document": {"id": "faq-1", "content": "Thirty days."}, "score": 0.91}]);
        assert_eq!(told(haystack), ["1 document: refunds", "faq-1|0.910|Thirty days."]);
        let langchain = json!({"documents": [
            {"page_content": "Ask first.", "metadata": {"source": "policy.md", "page": 3}},
            "just a text",
        ]});
        assert_eq!(told(langchain), ["2 documents: refunds", "policy.md||Ask first.", "||just a text"]);
        assert_eq!(
            told(json!("[{\"text\": \"written as JSON\"}]")),
            ["1 document: refunds", "||written as JSON"]
        );
        assert_eq!(told(json!([])), ["0 documents: refunds"]);
    }

    #[test]
    fn what_is_no_list_of_documents_is_shown_as_it_is() {
        assert_eq!(told(json!({"answer": 42})), ["search result: refunds"]);
        assert_eq!(told(json!([1, 2])), ["search result: refunds"]);
    }
}
