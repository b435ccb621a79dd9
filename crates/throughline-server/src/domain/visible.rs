//! Characters that nobody sees and that change how everything else is read.

/// Text in full, with what would be invisible or would reorder its surroundings made visible: `␛`, `⟨U+202E⟩`.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => {}
            '\0'..'\x20' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            '\x7f' => out.push('\u{2421}'),
            c if is_invisible(c) => out.push_str(&format!("⟨U+{:04X}⟩", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// Control characters and those that reorder or hide text. Joiners stay: emoji and several scripts need them.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{ad}' | '\u{61c}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_reorders_is_shown() {
        assert_eq!(visible("a\x1b[0m\u{202e}z\r\n"), "a␛[0m⟨U+202E⟩z\n");
        assert_eq!(visible("👩\u{200d}💻"), "👩\u{200d}💻");
    }
}
