//! The words that people would search for, out of plain text or JSON text, in one pass without building a tree.

use memchr::memchr2;

/// Values under these keys are for programs.
const BOILERPLATE: [&[u8]; 26] = [
    b"role",
    b"type",
    b"id",
    b"object",
    b"created",
    b"created_at",
    b"tool_call_id",
    b"toolCallId",
    b"tool_use_id",
    b"call_id",
    b"finish_reason",
    b"finishReason",
    b"stop_reason",
    b"system_fingerprint",
    b"mime_type",
    b"mimeType",
    b"media_type",
    b"modality",
    b"data",
    b"b64_json",
    b"blob",
    b"signature",
    b"thought_signature",
    b"thoughtSignature",
    b"encrypted_content",
    b"logprobs",
];

/// JSON in a text in JSON is looked into this often.
const DEEPEST: usize = 3;

/// Appends what people would search for in `raw`, which is plain text or JSON text, to `out`: at most `limit` bytes.
///
/// Of JSON that is the texts, decoded, and the whole numbers of objects, one per line; not the keys, and not the values of keys such as `role`, `type`
/// and `id`. Text that does not begin like JSON is taken as it is.
///
/// ```
/// use throughline_model::message::searchable_text;
///
/// let mut words = String::new();
/// searchable_text(r#"[{"role": "user", "content": "Z\u00fcrich"}]"#, &mut words, 100);
/// assert_eq!(words, "Zürich\n");
/// ```
pub fn searchable_text(raw: &str, out: &mut String, limit: usize) {
    let end = out.len().saturating_add(limit);
    append(raw, out, end, 0);
}

fn append(raw: &str, out: &mut String, end: usize, depth: usize) {
    let before = out.len();
    if !looks_like_json(raw) || depth == DEEPEST {
        return push(out, raw, end);
    }
    let found_text =
        Scan { raw, at: 0, depth, skip: false, is_key: false, nesting: 0, objects: 0 }.run(out, end);
    if !found_text && out.len() == before && out.len() < end {
        // It only looked like JSON.
        push(out, raw, end);
    }
}

/// Appends as much of `text` as fits before `end`, cut between characters.
fn push(out: &mut String, text: &str, end: usize) {
    let room = end.saturating_sub(out.len());
    out.push_str(&text[..text.floor_char_boundary(room)]);
}

fn looks_like_json(raw: &str) -> bool {
    let raw = raw.trim_ascii_start().as_bytes();
    let next = || raw[1..].iter().find(|byte| !byte.is_ascii_whitespace());
    match raw.first() {
        Some(b'"') => is_one_text(raw.trim_ascii_end()),
        Some(b'{') => matches!(next(), Some(b'"' | b'}')),
        Some(b'[') => {
            matches!(next(), Some(b'"' | b'{' | b'[' | b']' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'))
        }
        _ => false,
    }
}

/// Whether the quotation mark that `raw` begins with is closed by its last byte and not before.
fn is_one_text(raw: &[u8]) -> bool {
    let mut at = 1;
    while let Some(found) = memchr2(b'"', b'\\', &raw[at.min(raw.len())..]) {
        match raw[at + found] {
            b'"' => return at + found + 1 == raw.len(),
            _ => at += found + 2,
        }
    }
    false
}

struct Scan<'a> {
    raw: &'a str,
    at: usize,
    /// How many texts in texts lie around.
    depth: usize,
    /// The key before says that its value is for programs.
    skip: bool,
    /// The next text is a key.
    is_key: bool,
    nesting: u32,
    /// One bit per level of nesting: whether it is an object. Below 64 levels all count as arrays.
    objects: u64,
}

impl Scan<'_> {
    fn in_object(&self) -> bool {
        self.nesting > 0 && self.nesting <= 64 && self.objects >> (self.nesting - 1) & 1 == 1
    }

    fn open(&mut self, is_object: bool) {
        self.nesting += 1;
        if self.nesting <= 64 {
            let bit = 1 << (self.nesting - 1);
            self.objects = if is_object { self.objects | bit } else { self.objects & !bit };
        }
        self.is_key = is_object;
    }

    /// Whether there was any text or whole number.
    fn run(mut self, out: &mut String, end: usize) -> bool {
        let mut found = false;
        while let Some(&byte) = self.raw.as_bytes().get(self.at) {
            if out.len() >= end {
                break;
            }
            self.at += 1;
            match byte {
                b'"' => found |= self.text(out, end),
                b'{' => self.open(true),
                b'[' => self.open(false),
                b'}' | b']' => {
                    self.nesting = self.nesting.saturating_sub(1);
                    self.is_key = false;
                }
                b',' => {
                    self.is_key = self.in_object();
                    self.skip &= !self.is_key;
                }
                b':' => {
                    self.is_key = false;
                    found |= self.number(out, end);
                }
                _ => {}
            }
        }
        found
    }

    /// Reads a whole number, if one stands here: a number of an order, perhaps. Whether there was one.
    fn number(&mut self, out: &mut String, end: usize) -> bool {
        let rest = self.raw[self.at..].trim_ascii_start();
        let length = rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(rest.len());
        let number = &rest[..length];
        let is_whole = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if is_whole && !self.skip && number.len() < end.saturating_sub(out.len()) {
            push(out, number, end);
            out.push('\n');
        }
        is_whole
    }

    /// Reads the text that begins here; whether it is a value and not a key.
    fn text(&mut self, out: &mut String, end: usize) -> bool {
        let start = self.at;
        let bytes = self.raw.as_bytes();
        let mut escaped = false;
        let close = loop {
            match memchr2(b'"', b'\\', &bytes[self.at..]) {
                None => break bytes.len(),
                Some(found) if bytes[self.at + found] == b'"' => break self.at + found,
                Some(found) => {
                    escaped = true;
                    self.at = (self.at + found + 2).min(bytes.len());
                }
            }
        };
        self.at = (close + 1).min(bytes.len());
        // Both ends are ASCII quotation marks, or the end of the text.
        let Some(text) = self.raw.get(start..close) else { return false };
        if self.is_key {
            self.skip = BOILERPLATE.contains(&text.as_bytes());
            return false;
        }
        if self.skip || text.is_empty() || text.starts_with("data:") {
            return true;
        }
        if escaped {
            let room = end.saturating_sub(out.len());
            // An escape is at most twelve times as long as what it stands for.
            let text = &text[..text.floor_char_boundary(room.saturating_mul(12))];
            match text.starts_with(['{', '[']) || text.starts_with("\\\"") {
                true => append(&unescaped(text), out, end, self.depth + 1),
                false => unescape(text, out, end),
            }
        } else {
            push(out, text, end);
        }
        if out.len() < end && !out.ends_with('\n') {
            out.push('\n');
        }
        true
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    unescape(text, &mut out, usize::MAX);
    out
}

/// Appends JSON text without its escapes, as much as fits before `end`.
fn unescape(mut text: &str, out: &mut String, end: usize) {
    while let Some(at) = memchr::memchr(b'\\', text.as_bytes()) {
        push(out, &text[..at], end);
        let (letter, rest) = escape(&text[at + 1..]);
        text = rest;
        if out.len() + letter.len_utf8() > end {
            return;
        }
        out.push(letter);
    }
    push(out, text, end);
}

/// The character that an escape stands for, and what comes after. `text` begins behind the backslash.
fn escape(text: &str) -> (char, &str) {
    let Some(letter) = text.chars().next() else { return ('\u{fffd}', text) };
    let rest = &text[letter.len_utf8()..];
    let plain = match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' | 'f' => ' ',
        'u' => return unicode(rest),
        other => other,
    };
    (plain, rest)
}

fn unicode(text: &str) -> (char, &str) {
    let unit = |text: &str| u32::from_str_radix(text.get(..4)?, 16).ok();
    let Some(first) = unit(text) else { return ('\u{fffd}', text) };
    let rest = &text[4..];
    if let 0xd800..0xdc00 = first
        && let Some(second @ 0xdc00..0xe000) = rest.strip_prefix("\\u").and_then(unit)
    {
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or('\u{fffd}'), &rest[6..]);
    }
    (char::from_u32(first).unwrap_or('\u{fffd}'), rest)
}
