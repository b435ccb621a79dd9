//! Texts: shortening, and secrets in free text.

use super::keys::{Patterns, words};

const REMOVED: &str = "[redacted]";

/// Cuts `text` to `max` characters, the last being `…` if anything was cut.
pub(super) fn shorten(text: &mut String, max: usize) {
    // A text has at most as many characters as bytes.
    if text.len() > max && text.char_indices().nth(max).is_some() {
        let end = text.char_indices().nth(max - 1).map_or(0, |(at, _)| at);
        text.truncate(end);
        text.push('…');
    }
}

/// `text` without the values that follow a denied key and `=` or `:`; `None` if there is none.
pub(super) fn scrub(text: &str, deny: &Patterns, split: bool) -> Option<String> {
    let is_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let (mut scrubbed, mut kept, mut at) = (String::new(), 0, 0);
    while let Some(start) = text[at..].find(is_key).map(|offset| at + offset) {
        let end = text[start..].find(|c| !is_key(c)).map_or(text.len(), |offset| start + offset);
        at = end;
        let Some(value) = value_after(text, end) else { continue };
        if deny.cover(&words(&text[start..end], split)) {
            scrubbed.push_str(&text[kept..value.start]);
            scrubbed.push_str(REMOVED);
            (kept, at) = (value.end, value.end);
        }
    }
    (kept > 0).then(|| scrubbed + &text[kept..])
}

/// Where the value lies whose key ends at `end`: after `=` or `:`, in quotes or up to a separator.
fn value_after(text: &str, end: usize) -> Option<std::ops::Range<usize>> {
    let skip_spaces = |at: usize| text.len() - text[at..].trim_start_matches(' ').len();
    // With what escapes it, in JSON within JSON.
    let quote = |at: usize| {
        let rest = &text[at..];
        let escapes = rest.len() - rest.trim_start_matches('\\').len();
        rest[escapes..].starts_with(['"', '\'']).then(|| &rest[..=escapes])
    };
    let mut at = skip_spaces(end + quote(end).map_or(0, str::len));
    if !text[at..].starts_with(['=', ':']) {
        return None;
    }
    at = skip_spaces(at + 1);
    if let Some(mark) = quote(at) {
        let start = at + mark.len();
        // One that is escaped once more belongs to the value.
        let closes = |at: &usize| !text[start..start + at].ends_with('\\');
        let offset = text[start..].match_indices(mark).map(|(at, _)| at).find(closes);
        return Some(start..offset.map_or(text.len(), |offset| start + offset));
    }
    let word_end = |at: usize| {
        let stops =
            |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '&' | '"' | '\'' | ')' | '}' | ']');
        text[at..].find(stops).map_or(text.len(), |offset| at + offset)
    };
    let start = at;
    let mut stop = word_end(start);
    // `Authorization: Bearer abc`: the secret is the second word.
    if ["bearer", "basic", "token"].iter().any(|scheme| text[start..stop].eq_ignore_ascii_case(scheme)) {
        stop = word_end(skip_spaces(stop));
    }
    (stop > start).then_some(start..stop)
}
