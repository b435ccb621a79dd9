//! How figures and texts are written: durations, tokens, money, times, and text that somebody else chose.

use throughline_model::{Money, Timestamp};

use crate::domain::visible::is_invisible;
pub(super) use crate::domain::visible::visible;

const SECOND: f64 = 1_000.0;
const MINUTE: f64 = 60.0 * SECOND;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// Milliseconds for a person: `0.42 ms`, `318 ms`, `4.21 s`, `2m 05s`, `3h 12m`, `2d 4h`.
pub(super) fn duration(millis: f64) -> String {
    let millis = if millis.is_finite() { millis.max(0.0) } else { return "—".to_owned() };
    match millis {
        0.0 => "0 ms".to_owned(),
        m if m < 1.0 => format!("{m:.2} ms"),
        m if m < 9.95 => format!("{m:.1} ms"),
        m if m < 999.5 => format!("{m:.0} ms"),
        m if m < 9.995 * SECOND => format!("{:.2} s", m / SECOND),
        m if m < 59.95 * SECOND => format!("{:.1} s", m / SECOND),
        m if m < HOUR - 500.0 => two_units(m / SECOND, 60, "m", "s"),
        m if m < DAY - 30.0 * SECOND => two_units(m / MINUTE, 60, "h", "m"),
        m => two_units(m / HOUR, 24, "d", "h"),
    }
}

fn two_units(amount: f64, base: u64, large: &str, small: &str) -> String {
    let whole = amount.round() as u64;
    format!("{}{large} {:02}{small}", whole / base, whole % base)
}

/// A count with its thousands set apart: `12 480` (with a narrow no-break space).
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A count in three figures: `999`, `1.2k`, `48k`, `3.1M`.
pub(super) fn compact(n: u64) -> String {
    let scaled = |unit: f64, suffix: &str| {
        let value = n as f64 / unit;
        let text = if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") };
        format!("{}{suffix}", text.strip_suffix(".0").unwrap_or(&text))
    };
    match n {
        0..=999 => n.to_string(),
        1_000..=999_499 => scaled(1e3, "k"),
        999_500..=999_499_999 => scaled(1e6, "M"),
        _ => scaled(1e9, "B"),
    }
}

/// `one turn`, `3 turns`.
pub(super) fn plural(n: u64, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(n))
}

/// A part of a whole in whole percent; `None` of nothing.
pub(super) fn percent(part: u64, whole: u64) -> Option<u64> {
    (whole > 0).then(|| (part as f64 * 100.0 / whole as f64).round() as u64)
}

/// Dollars: cents from a dollar up, below that as many places as show three figures, so that columns line up.
pub(super) fn money(amount: Money) -> String {
    let dollars = amount.dollars();
    let sign = if dollars < 0.0 { "-" } else { "" };
    match dollars.abs() {
        0.0 => "$0".to_owned(),
        d if d >= 0.995 => format!("{sign}${d:.2}"),
        d if d < 0.000_000_5 => format!("{sign}<$0.000001"),
        d => {
            let places = (2 - d.log10().floor() as i32).clamp(2, 6) as usize;
            format!("{sign}${d:.places$}")
        }
    }
}

/// Money for the marks of an axis, which are round: `$0.005`, not `$0.00500`.
pub(super) fn round_money(money: &str) -> &str {
    let cents = money.find('.').map_or(money.len(), |dot| dot + 3).min(money.len());
    &money[..money.trim_end_matches('0').len().max(cents)]
}

/// A time as pages show it: how long ago, with the exact time beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct When {
    /// For machines: RFC 3339.
    pub iso: String,
    /// For the tooltip: `2024-01-15 10:30:00.500 UTC`.
    pub exact: String,
    /// `4 min ago`, or the date when long ago.
    pub ago: String,
    /// `10:30:00.500`.
    pub clock: String,
    /// The same on the day of `now`, else `01-15 10:30:00`.
    pub stamp: String,
}

impl When {
    pub(super) fn new(time: Timestamp, now: Timestamp) -> Self {
        let iso = time.to_string();
        let (date, rest) = iso.split_once('T').unwrap_or((&iso, ""));
        let rest = rest.trim_end_matches('Z');
        let exact = format!("{date} {rest} UTC");
        let clock = rest.get(..12).unwrap_or(rest).to_owned();
        let today = now.to_string().starts_with(date);
        let stamp = match (today, date.get(5..), clock.get(..8)) {
            (false, Some(day), Some(second)) => format!("{day} {second}"),
            _ => clock.clone(),
        };
        let ago = ago(now.nanos_since(time), date);
        Self { exact, ago, clock, stamp, iso }
    }
}

impl When {
    /// `2024-01-15 10:30:00.500 UTC`, whatever the digits of the source's clock.
    pub(super) fn millisecond(&self) -> String {
        self.exact.get(..23).map_or_else(|| self.exact.clone(), |millisecond| format!("{millisecond} UTC"))
    }

    /// `10:30:00`
    pub(super) fn second(&self) -> &str {
        self.clock.get(..8).unwrap_or(&self.clock)
    }
}

fn ago(nanos: i64, date: &str) -> String {
    let seconds = nanos / 1_000_000_000;
    match seconds {
        // Clocks differ a little: what is not yet is now.
        i64::MIN..-60 => date.to_owned(),
        -60..=4 => "just now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        86_400..2_592_000 => format!("{} d ago", seconds / 86_400),
        _ => date.to_owned(),
    }
}

/// A share of an axis as an SVG coordinate: `12.345%`.
pub(super) fn percentage(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Text on one line of a list: white space folded, invisible control characters gone, cut at `max` characters.
pub(super) fn line(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() {
            space = !out.is_empty();
            continue;
        }
        if is_invisible(c) {
            continue;
        }
        if length + usize::from(space) >= max {
            out.push('…');
            break;
        }
        if std::mem::take(&mut space) {
            out.push(' ');
            length += 1;
        }
        out.push(c);
        length += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_figures() {
        let written = [
            0.0,
            0.42,
            3.21,
            318.4,
            999.7,
            4_210.0,
            59_990.0,
            125_000.0,
            3_599_900.0,
            11_520_000.0,
            187_200_000.0,
        ]
        .map(duration);
        assert_eq!(
            written,
            [
                "0 ms", "0.42 ms", "3.2 ms", "318 ms", "1.00 s", "4.21 s", "1m 00s", "2m 05s", "1h 00m",
                "3h 12m", "2d 04h"
            ]
        );
        assert_eq!(duration(f64::NAN), "—");
    }

    #[test]
    fn counts_are_grouped_and_shortened() {
        assert_eq!(
            [999, 1_234, 12_480, 1_234_567].map(count),
            ["999", "1234", "12\u{202f}480", "1\u{202f}234\u{202f}567"]
        );
        assert_eq!(
            [999, 1_000, 1_234, 48_200, 999_600, 3_100_000].map(compact),
            ["999", "1k", "1.2k", "48k", "1M", "3.1M"]
        );
    }

    #[test]
    fn money_shows_what_small_sums_cost() {
        let dollars = |d: f64| money(Money::from_dollars(d).unwrap());
        assert_eq!(
            [0.0, 12.3456, 0.5, 0.01234, 0.006, 0.000_021, 1e-9, -2.0].map(dollars),
            ["$0", "$12.35", "$0.500", "$0.0123", "$0.00600", "$0.000021", "<$0.000001", "-$2.00"]
        );
        assert_eq!(
            ["$0", "$10.00", "$0.500", "$0.00500"].map(round_money),
            ["$0", "$10.00", "$0.50", "$0.005"]
        );
    }

    #[test]
    fn times_are_relative_with_the_exact_time_beside() {
        let now: Timestamp = "2024-01-15T10:30:00Z".parse().unwrap();
        let when = When::new("2024-01-15T10:26:00.5Z".parse().unwrap(), now);
        assert_eq!((when.ago.as_str(), when.exact.as_str()), ("3 min ago", "2024-01-15 10:26:00.500 UTC"));
        assert_eq!(When::new("2023-01-15T10:26:00Z".parse().unwrap(), now).ago, "2023-01-15");
    }

    #[test]
    fn hostile_text_neither_hides_nor_reorders() {
        assert_eq!(line("  a\u{202e}b\n\n c\u{200b}\x1b[31md  ", 40), "ab c[31md");
        assert_eq!(line("abcdef", 3), "abc…");
    }
}
