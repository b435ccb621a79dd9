//! Values in filters: how each kind is read, and how it is written again.

use std::fmt;

use throughline_model::{Level, Money, ObservationType, SessionState, Status, Timestamp};

use super::ast::{Literal, Pattern};
use super::fields::{Kind, nearest};

/// What is wrong with a value: the message and a hint.
pub(super) struct BadValue(pub String, pub String);

const MILLISECOND: i128 = 1_000_000;
/// Largest first, as they are tried when a duration is written.
const UNITS: [(&str, i128); 5] = [
    ("d", 86_400_000 * MILLISECOND),
    ("h", 3_600_000 * MILLISECOND),
    ("m", 60_000 * MILLISECOND),
    ("s", 1000 * MILLISECOND),
    ("ms", MILLISECOND),
];

/// A point in time as written, which may be a whole day.
pub(super) enum When {
    At(Timestamp),
    /// How long ago: too exact to be compared with `=`.
    Ago(Timestamp),
    Day {
        start: Timestamp,
        end: Timestamp,
    },
}

/// Reads a value that is neither text nor a time. `compared` tells an attribute with `>` or `<` from one without.
pub(super) fn read(kind: Kind, text: &str) -> Result<Literal, BadValue> {
    let bad = |what: &str, hint: &str| BadValue(format!("not {what}: {text:?}"), hint.to_owned());
    match kind {
        Kind::Number => count(text).map(Literal::Number).ok_or_else(|| {
            bad("a number", "write a number, with k for thousands or m for millions, as in tokens:>=20k")
        }),
        Kind::Attribute => number(text).map(Literal::Number).ok_or_else(|| {
            bad(
                "a number",
                "attributes are compared with numbers, as in attr.http.response.status_code:>=500",
            )
        }),
        Kind::Money => money(text)
            .map(Literal::Money)
            .ok_or_else(|| bad("an amount of money", "write dollars, as in cost:>0.10 or cost:>$2")),
        Kind::Duration => duration(text).map(Literal::Duration).ok_or_else(|| {
            bad("a duration", "write a number with a unit of ms, s, m, h or d, as in duration:>2m")
        }),
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" => Ok(Literal::Bool(true)),
            "false" | "no" => Ok(Literal::Bool(false)),
            _ => Err(bad("true or false", "write true or false")),
        },
        Kind::Level => Level::from_name(text)
            .map(Literal::Level)
            .ok_or_else(|| unknown("level", text, &Level::ALL.map(Level::as_str))),
        Kind::Type => ObservationType::from_name(text)
            .map(Literal::Type)
            .ok_or_else(|| unknown("type", text, &ObservationType::ALL.map(ObservationType::as_str))),
        Kind::Status => named(text, &[Status::Unset, Status::Ok, Status::Error], Status::as_str, "status")
            .map(Literal::Status),
        Kind::State => {
            let states = [SessionState::Live, SessionState::Idle, SessionState::Ended];
            named(text, &states, SessionState::as_str, "state").map(Literal::State)
        }
        Kind::Text | Kind::Time => Ok(Literal::Text(Pattern::exact(text))),
    }
}

fn named<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str, what: &str) -> Result<T, BadValue> {
    let found = all.iter().copied().find(|one| text.eq_ignore_ascii_case(name(*one)));
    found.ok_or_else(|| unknown(what, text, &all.iter().map(|one| name(*one)).collect::<Vec<_>>()))
}

fn unknown(what: &str, text: &str, known: &[&'static str]) -> BadValue {
    let near = nearest(&text.to_lowercase(), known.iter().map(|name| (*name, *name)));
    let hint = match near {
        Some(near) => format!("did you mean {near}?"),
        None => format!("one of {}", known.join(", ")),
    };
    BadValue(format!("unknown {what} {text:?}"), hint)
}

/// Reads an RFC 3339 time, a date, `now`, or how long ago (`-2h`).
pub(super) fn when(text: &str, now: Timestamp) -> Result<When, BadValue> {
    let bad = || {
        BadValue(
            format!("not a time: {text:?}"),
            "write a date (2024-01-15), an RFC 3339 time (2024-01-15T10:30:00Z) or how long ago (-2h)"
                .to_owned(),
        )
    };
    if text.eq_ignore_ascii_case("now") {
        return Ok(When::Ago(now));
    }
    if let Some(ago) = text.strip_prefix('-') {
        return duration(ago).map(|ago| When::Ago(now.plus_nanos(-ago))).ok_or_else(bad);
    }
    if let Ok(at) = text.parse() {
        return Ok(When::At(at));
    }
    let date: jiff::civil::Date = text.parse().map_err(|_| bad())?;
    let midnight = |date: jiff::civil::Date| format!("{date}T00:00:00Z").parse().map_err(|_| bad());
    Ok(When::Day { start: midnight(date)?, end: midnight(date.tomorrow().map_err(|_| bad())?)? })
}

/// A time as filters write it, for use outside of them: a date is the beginning of the day as the `from` of a range,
/// and its end as the `to`.
pub fn parse_time(text: &str, is_end: bool, now: Timestamp) -> Option<Timestamp> {
    Some(match when(text, now).ok()? {
        When::At(time) | When::Ago(time) => time,
        When::Day { start, end } => {
            if is_end {
                end
            } else {
                start
            }
        }
    })
}

/// `1.5` as 15 x 10^-1: digits and how many of them stand behind the point.
fn decimal(text: &str) -> Option<(i128, u32)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = [whole, fraction].concat();
    if all.is_empty() || all.len() > 30 || !all.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let value: i128 = all.parse().ok()?;
    Some((if negative { -value } else { value }, u32::try_from(fraction.len()).ok()?))
}

/// `text` times `unit`, if that is whole.
fn scaled(text: &str, unit: i128) -> Option<i128> {
    let (digits, places) = decimal(text)?;
    let (product, divisor) = (digits.checked_mul(unit)?, 10i128.checked_pow(places)?);
    (product % divisor == 0).then(|| product / divisor)
}

fn money(text: &str) -> Option<Money> {
    let dollars = text.strip_prefix('$').unwrap_or(text);
    scaled(dollars, 1_000_000_000_000).filter(|picos| picos.abs() < 1 << 100).map(Money::from_picodollars)
}

/// One or more numbers with units: `90s`, `1h30m`.
fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut nanos = 0i128;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len()));
        let (_, unit) = UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name))?;
        nanos = nanos.checked_add(scaled(number, *unit)?)?;
        rest = tail;
    }
    i64::try_from(nanos).ok().filter(|_| !text.is_empty())
}

fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'-'));
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

fn count(text: &str) -> Option<f64> {
    let (digits, times) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1e3),
        b'm' | b'M' => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    number(digits).map(|number| number * times).filter(|number| number.is_finite())
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(pattern) => pattern.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Bool(yes) => yes.fmt(f),
            Self::Money(money) => write_decimal(f, money.picodollars(), 1_000_000_000_000),
            Self::Duration(nanos) => {
                let nanos = i128::from(*nanos);
                let fits = |(_, size): &&(&str, i128)| nanos % size == 0;
                let (name, size) = UNITS.iter().find(fits).unwrap_or(&("ms", MILLISECOND));
                write_decimal(f, nanos, *size)?;
                f.write_str(name)
            }
            Self::Time(time) => time.fmt(f),
            Self::Level(level) => f.write_str(level.as_str()),
            Self::Type(kind) => f.write_str(kind.as_str()),
            Self::Status(status) => f.write_str(status.as_str()),
            Self::State(state) => f.write_str(state.as_str()),
        }
    }
}

/// `value / unit` without loss; `unit` has no prime factors but 2 and 5, or divides `value`.
fn write_decimal(f: &mut fmt::Formatter<'_>, value: i128, unit: i128) -> fmt::Result {
    let sign = if value < 0 { "-" } else { "" };
    let (whole, mut rest) = (value.abs() / unit, value.abs() % unit);
    write!(f, "{sign}{whole}")?;
    if rest > 0 {
        f.write_str(".")?;
    }
    while rest > 0 {
        write!(f, "{}", rest * 10 / unit)?;
        rest = rest * 10 % unit;
    }
    Ok(())
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str("*");
        }
        let star = |open| if open { "*" } else { "" };
        f.write_str(star(self.open_start))?;
        write_value(f, &self.text)?;
        f.write_str(star(self.open_end))
    }
}

/// Text as the value of a field, in quotes only where needed.
fn write_value(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let special = |c: char| c.is_whitespace() || c.is_control() || "\"(),*".contains(c);
    if text.is_empty() || text.starts_with(['>', '<']) || text.contains(special) {
        write_quoted(f, text)
    } else {
        f.write_str(text)
    }
}

pub(super) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\""),
            '\\' => f.write_str("\\\\"),
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            '\t' => f.write_str("\\t"),
            _ => write!(f, "{c}"),
        }?;
    }
    f.write_str("\"")
}
