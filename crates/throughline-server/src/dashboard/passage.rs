//! Texts and JSON as pages show them: made visible, cut when long, in pieces that the template can mark up.

use serde_json::Value;

use super::notation;

/// A text is cut here unless its page is asked for everything.
pub(super) const SHORT: usize = 16 * 1024;
/// What a page shows of one text at most.
pub(super) const LONG: usize = 4 * 1024 * 1024;

/// A text, perhaps cut.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Passage {
    pub blocks: Vec<Block>,
    /// How much is not shown, for a person; empty if nothing.
    pub hidden: String,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    Prose(Vec<Inline>),
    /// What stood between lines of three backticks.
    Code(String),
}

/// A run of prose.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Inline {
    Plain(String),
    /// Between double asterisks.
    Strong(String),
    /// Between backticks.
    Code(String),
}

impl Passage {
    pub(super) fn new(text: &str, most: usize) -> Self {
        let (shown, hidden) = cut(text, most);
        Self { blocks: blocks(&notation::visible(shown)), hidden }
    }

    /// Whether it gets a scroll bar of its own instead of pushing everything else away.
    pub(super) fn is_long(&self) -> bool {
        const MANY: usize = 4_000;
        let length = |run: &Inline| match run {
            Inline::Plain(text) | Inline::Strong(text) | Inline::Code(text) => text.len(),
        };
        let blocks = self.blocks.iter().map(|block| match block {
            Block::Prose(runs) => runs.iter().map(length).sum(),
            Block::Code(text) => text.len(),
        });
        blocks.sum::<usize>() > MANY
    }

    /// The same without looking for code.
    pub(super) fn plain(text: &str, most: usize) -> Self {
        let (shown, hidden) = cut(text, most);
        Self { blocks: vec![Block::Prose(vec![Inline::Plain(notation::visible(shown))])], hidden }
    }
}

fn cut(text: &str, most: usize) -> (&str, String) {
    if text.len() <= most {
        return (text, String::new());
    }
    let shown = &text[..text.floor_char_boundary(most)];
    (shown, bytes(text.len() - shown.len()))
}

/// A number of bytes for a person.
pub(super) fn bytes(n: usize) -> String {
    match n {
        0..1_000 => format!("{n} bytes"),
        1_000..1_000_000 => format!("{:.0} kB", n as f64 / 1e3),
        _ => format!("{:.1} MB", n as f64 / 1e6),
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (i, part) in text.split("```").enumerate() {
        let code = i % 2 == 1;
        // The language after the backticks is no part of the code.
        let part = if code { part.split_once('\n').map_or(part, |(_, code)| code) } else { part };
        let part = part.trim_matches('\n');
        if !part.trim().is_empty() {
            blocks.push(if code { Block::Code(part.to_owned()) } else { Block::Prose(inline(part)) });
        }
    }
    blocks
}

/// The two marks that models use most; everything else stays as it was written.
fn inline(text: &str) -> Vec<Inline> {
    let mut runs = Vec::new();
    let mut plain_from = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find(['`', '*']) {
        let start = at + found;
        let mark = if text[start..].starts_with('`') { "`" } else { "**" };
        let inside = text[start..].strip_prefix(mark).and_then(|rest| {
            let line = rest.split('\n').next().unwrap_or_default();
            line.find(mark).map(|end| &line[..end]).filter(|inside| !inside.trim().is_empty())
        });
        let Some(inside) = inside else {
            at = start + 1;
            continue;
        };
        if plain_from < start {
            runs.push(Inline::Plain(text[plain_from..start].to_owned()));
        }
        let inside = inside.to_owned();
        at = start + inside.len() + 2 * mark.len();
        runs.push(if mark == "`" { Inline::Code(inside) } else { Inline::Strong(inside) });
        plain_from = at;
    }
    if plain_from < text.len() {
        runs.push(Inline::Plain(text[plain_from..].to_owned()));
    }
    runs
}

/// A run of JSON text with one colour.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// The class; empty for punctuation.
    pub class: &'static str,
    pub text: String,
}

/// JSON written with indents, in coloured runs, perhaps cut.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct JsonText {
    pub tokens: Vec<Token>,
    pub cut: bool,
}

impl JsonText {
    pub(super) fn new(value: &Value, most: usize) -> Self {
        let mut writer = JsonWriter { text: Self::default(), room: most };
        writer.value(value, 0);
        writer.text
    }

    /// Anything that serializes, like a whole session.
    pub(super) fn of(thing: &impl serde::Serialize, most: usize) -> Self {
        Self::new(&serde_json::to_value(thing).unwrap_or_default(), most)
    }
}

struct JsonWriter {
    text: JsonText,
    room: usize,
}

impl JsonWriter {
    fn push(&mut self, class: &'static str, text: &str) {
        if text.len() > self.room {
            self.text.cut = true;
        }
        let text = &text[..text.floor_char_boundary(self.room.min(text.len()))];
        self.room -= text.len();
        match self.text.tokens.last_mut() {
            Some(last) if last.class == class => last.text.push_str(text),
            _ if text.is_empty() => {}
            _ => self.text.tokens.push(Token { class, text: text.to_owned() }),
        }
    }

    fn string(&mut self, class: &'static str, text: &str) {
        // Quoting as JSON does it; what is invisible is made visible on top.
        let quoted = serde_json::to_string(&text[..text.floor_char_boundary(self.room.min(text.len()))]);
        self.push(class, &notation::visible(&quoted.unwrap_or_default()));
        self.text.cut |= text.len() > self.room;
    }

    fn line(&mut self, depth: usize) {
        self.push("", "\n");
        self.push("", &"  ".repeat(depth.min(40)));
    }

    fn value(&mut self, value: &Value, depth: usize) {
        if self.text.cut {
            return;
        }
        match value {
            Value::Null => self.push("j-word", "null"),
            Value::Bool(true) => self.push("j-word", "true"),
            Value::Bool(false) => self.push("j-word", "false"),
            Value::Number(number) => self.push("j-number", &number.to_string()),
            Value::String(text) => self.string("j-string", text),
            Value::Array(items) if items.is_empty() => self.push("", "[]"),
            Value::Object(fields) if fields.is_empty() => self.push("", "{}"),
            Value::Array(items) => {
                self.push("", "[");
                for (i, item) in items.iter().enumerate() {
                    self.separate(i, depth);
                    self.value(item, depth + 1);
                }
                self.line(depth);
                self.push("", "]");
            }
            Value::Object(fields) => {
                self.push("", "{");
                for (i, (key, item)) in fields.iter().enumerate() {
                    self.separate(i, depth);
                    self.string("j-key", key);
                    self.push("", ": ");
                    self.value(item, depth + 1);
                }
                self.line(depth);
                self.push("", "}");
            }
        }
    }

    fn separate(&mut self, i: usize, depth: usize) {
        if i > 0 {
            self.push("", ",");
        }
        self.line(depth + 1);
    }
}

/// A value in few words, for one line of a table.
pub(super) fn brief(value: &Value, max: usize) -> String {
    match value {
        Value::String(text) => notation::line(text, max),
        Value::Array(_) | Value::Object(_) => notation::line(&value.to_string(), max),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(text: &JsonText) -> String {
        text.tokens.iter().map(|token| token.text.as_str()).collect()
    }

    #[test]
    fn json_is_written_with_indents_and_reads_back() {
        let value = json!({"a": [1, true, null, {}], "b": "x\"<script>"});
        let text = written(&JsonText::new(&value, SHORT));
        assert!(text.starts_with("{\n  \"a\": [\n    1,"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn long_json_is_cut_and_says_so() {
        let text = JsonText::new(&json!({"a": "é".repeat(100_000)}), 1_000);
        assert!(text.cut);
        assert!(written(&text).len() <= 1_000);
        assert!(!JsonText::new(&json!("short"), 1_000).cut);
    }

    #[test]
    fn code_is_found_in_prose() {
        let passage = Passage::new("Try:\n```rust\nfn main() {}\n```\nDone.", SHORT);
        let prose = |text: &str| Block::Prose(vec![Inline::Plain(text.to_owned())]);
        let expected = [prose("Try:"), Block::Code("fn main() {}".to_owned()), prose("Done.")];
        assert_eq!(passage.blocks, expected);
    }

    #[test]
    fn marks_are_read_only_in_pairs() {
        let [plain, strong, code]: [fn(&str) -> Inline; 3] = [
            |text| Inline::Plain(text.to_owned()),
            |text| Inline::Strong(text.to_owned()),
            |text| Inline::Code(text.to_owned()),
        ];
        assert_eq!(inline("a **b** `c`d"), [plain("a "), strong("b"), plain(" "), code("c"), plain("d")]);
        for unpaired in ["2 * 3 ** 4", "a ` b", "**\n**", "é*", "****", "``"] {
            assert_eq!(inline(unpaired), [plain(unpaired)], "{unpaired}");
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let passage = Passage::new(&"é".repeat(10_000), 1_001);
        assert_eq!(passage.blocks, [Block::Prose(vec![Inline::Plain("é".repeat(500))])]);
        assert_eq!(passage.hidden, "19 kB");
    }
}
