//! Text for terminals: what others wrote is made harmless, numbers are made short.

use std::borrow::Cow;

use anstyle::{AnsiColor, Style};
use throughline_model::{Level, Money, Timestamp};

pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const BOLD: Style = Style::new().bold();

/// Text with control characters made visible: an escape sequence in somebody's data must not reach the terminal.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    text.chars()
        .map(|c| if harmful(c) { if c.is_whitespace() { ' ' } else { '\u{fffd}' } } else { c })
        .collect()
}

/// Harmless text of at most so many characters.
pub(super) fn short(text: &str, longest: usize) -> String {
    let text = plain(text);
    match text.char_indices().nth(longest) {
        None => text.into_owned(),
        Some(_) => text.chars().take(longest.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Milliseconds as people say them.
pub(super) fn duration(millis: f64) -> String {
    let seconds = millis / 1e3;
    match seconds {
        _ if millis > 0.0 && millis < 1.0 => format!("{:.0}µs", millis * 1e3),
        s if s < 1.0 => format!("{millis:.0}ms"),
        s if s < 60.0 => format!("{s:.1}s"),
        s if s < 3600.0 => format!("{}m{:02}s", s as u64 / 60, s as u64 % 60),
        s => format!("{}h{:02}m", s as u64 / 3600, s as u64 % 3600 / 60),
    }
}

/// Dollars; a dash for what nobody knows.
pub(super) fn cost(cost: Option<Money>) -> String {
    match cost.map(Money::dollars) {
        None => "-".to_owned(),
        Some(dollars) if dollars != 0.0 && dollars.abs() < 0.01 => format!("${dollars:.4}"),
        Some(dollars) => format!("${dollars:.2}"),
    }
}

/// To the second, without the letters.
pub(super) fn time(time: Timestamp) -> String {
    time.to_string().replace('T', " ").chars().take(19).collect()
}

pub(super) fn level(level: Level) -> Style {
    match level {
        Level::Debug => DIM,
        Level::Info => Style::new(),
        Level::Warn => AnsiColor::Yellow.on_default(),
        Level::Error | Level::Fatal => AnsiColor::Red.on_default(),
    }
}

/// Rows under headings, each column as wide as it must be.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headings[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let head = line(&mut headings.iter().copied());
    let head = format!("{BOLD}{}{BOLD:#}\n", head.trim_end());
    rows.iter().fold(head, |text, row| text + &line(&mut row.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(plain("a\x1b[31mb\nc\u{202e}d"), "a\u{fffd}[31mb c\u{fffd}d");
        assert_eq!(plain("plain é ☕"), "plain é ☕");
        assert_eq!(short("abcdef", 4), "abc…");
        assert_eq!(short("abcd", 4), "abcd");
    }

    #[test]
    fn numbers_are_short() {
        let durations = [0.0, 0.4, 999.0, 1_500.0, 61_000.0, 3_661_000.0].map(duration);
        assert_eq!(durations, ["0ms", "400µs", "999ms", "1.5s", "1m01s", "1h01m"]);
        let dollars = |dollars| cost(Money::from_dollars(dollars));
        assert_eq!(
            [dollars(0.0), dollars(0.0012), dollars(12.345), cost(None)],
            ["$0.00", "$0.0012", "$12.35", "-"]
        );
    }
}
