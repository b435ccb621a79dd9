//! Points in time, to the nanosecond, shown as RFC 3339 in UTC.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z.
///
/// ```
/// # use throughline_model::Timestamp;
/// let time: Timestamp = "2024-01-15T11:30:00.5+01:00".parse()?;
/// assert_eq!(time.to_string(), "2024-01-15T10:30:00.500Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

const NANOS_A_SECOND: i64 = 1_000_000_000;

/// A text that is not an RFC 3339 time, with the text that was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time: {0:?}")]
pub struct InvalidTimestamp(String);

impl Timestamp {
    /// The time this many nanoseconds after the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Nanoseconds from `earlier` to this time; negative if `earlier` is later.
    pub const fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time moved by so many nanoseconds.
    #[must_use]
    pub const fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

/// Nanoseconds as the milliseconds that the API shows.
pub fn millis(nanos: i64) -> f64 {
    nanos as f64 / 1e6
}

/// A time as it is shown, without a place of its own.
///
/// ```
/// # use throughline_model::Timestamp;
/// assert_eq!(Timestamp::from_nanos(1_500_000_000).text().as_bytes(), b"1970-01-01T00:00:01.500Z");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TimeText {
    bytes: [u8; 30],
    length: usize,
}

impl TimeText {
    /// In ASCII.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The text of a second, for whoever writes many times that are mostly of the same one.
///
/// ```
/// # use throughline_model::{SecondText, Timestamp};
/// let first: Timestamp = "2024-01-15T10:30:00.125Z".parse()?;
/// let second = SecondText::of(first);
/// let mut out = Vec::new();
/// for time in [first, first.plus_nanos(1_000), first.plus_nanos(3_000_000_000)] {
///     second.write(time, &mut out);
/// }
/// assert_eq!(out, b"2024-01-15T10:30:00.125Z2024-01-15T10:30:00.125001Z2024-01-15T10:30:03.125Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SecondText {
    /// Its first nanosecond, which the first second that there is does not have.
    start: Option<i64>,
    /// As far as the decimal point.
    bytes: [u8; 20],
}

impl SecondText {
    /// That of this time.
    pub fn of(time: Timestamp) -> Self {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&time.text().bytes[..20]);
        Self { start: time.0.checked_sub(time.0.rem_euclid(NANOS_A_SECOND)), bytes }
    }

    /// Appends what [`Timestamp::text`] would be: at once if it is in this second.
    #[inline]
    pub fn write(&self, time: Timestamp, out: &mut Vec<u8>) {
        match self.start.and_then(|start| time.0.checked_sub(start)) {
            Some(fraction @ 0..NANOS_A_SECOND) => {
                // Piece by piece from registers: what was just written in parts is slow to read as a whole.
                let (upper, last) = ((fraction / 10) as u32, b'0' + (fraction % 10) as u8);
                out.extend_from_slice(&self.bytes);
                out.extend_from_slice(&eight_digits(upper).to_le_bytes());
                out.extend_from_slice(&[last, b'Z']);
                let zeros = match fraction {
                    n if n % 1_000_000 == 0 => 6,
                    n if n % 1_000 == 0 => 3,
                    _ => return,
                };
                out.truncate(out.len() - 1 - zeros);
                out.push(b'Z');
            }
            _ => out.extend_from_slice(time.text().as_bytes()),
        }
    }
}

/// The decimal digits of a number below 10^8, the first one lowest: all at once.
#[inline]
const fn eight_digits(number: u32) -> u64 {
    // Fours, then pairs, then single digits, each the quotient and the remainder of what was before.
    let fours = (number / 10_000) as u64 | ((number % 10_000) as u64) << 32;
    let hundreds = ((fours * 5243) >> 19) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | (pairs - 10 * tens) << 8;
    digits + 0x3030_3030_3030_3030
}

impl Timestamp {
    /// As many fraction digits as needed, in groups of three, at least three: `2024-01-15T10:30:00.000Z`.
    pub fn text(self) -> TimeText {
        // By hand, since every event that is written as JSON has one: it takes a tenth of what a calendar's formatter does.
        const NANOS_A_DAY: i64 = 86_400 * NANOS_A_SECOND;
        let (day, nanos) = (self.0.div_euclid(NANOS_A_DAY), self.0.rem_euclid(NANOS_A_DAY).cast_unsigned());
        let (year, month, day) = date(day);
        let (seconds, fraction) = ((nanos / 1_000_000_000) as u32, (nanos % 1_000_000_000) as u32);
        let (year, minutes) = (year as u32, seconds / 60);
        let (upper, lower) = (fraction / 100_000, fraction % 100_000);
        let mut bytes = *b"0000-00-00T00:00:00.000000000Z";
        for (at, number) in [
            (0, year / 100),
            (2, year % 100),
            (5, month as u32),
            (8, day as u32),
            (11, minutes / 60),
            (14, minutes % 60),
            (17, seconds % 60),
            (20, upper / 100),
            (22, upper % 100),
            (24, lower / 1000),
            (26, lower / 10 % 100),
        ] {
            bytes[at..at + 2].copy_from_slice(&two_digits(number));
        }
        bytes[28] = b'0' + (lower % 10) as u8;
        let end = match fraction {
            n if n % 1_000_000 == 0 => 23,
            n if n % 1_000 == 0 => 26,
            _ => 29,
        };
        bytes[end] = b'Z';
        TimeText { bytes, length: end + 1 }
    }
}

impl fmt::Display for Timestamp {
    /// See [`Timestamp::text`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(self.text().as_bytes()).unwrap_or_default())
    }
}

/// Of a number below a hundred.
#[inline]
const fn two_digits(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// Year, month and day of the day so many days after the epoch: counted from the first of March, so that a leap day is
/// the last of its year, in eras of 400 years, which are all equally long.
fn date(day: i64) -> (u64, u64, u64) {
    const ERA: i64 = 146_097;
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(ERA), day.rem_euclid(ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    // Nanoseconds in 64 bits reach from 1677 to 2262.
    ((era * 400 + year + next).cast_unsigned(), month.cast_unsigned(), day.cast_unsigned())
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let invalid = || InvalidTimestamp(text.chars().take(64).collect());
        let time: jiff::Timestamp = text.parse().map_err(|_| invalid())?;
        i64::try_from(time.as_nanosecond()).map(Self).map_err(|_| invalid())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn times_are_written_as_a_calendar_writes_them(nanos: i64, precision in 0..3usize) {
            let nanos = nanos / [1, 1_000, 1_000_000][precision] * [1, 1_000, 1_000_000][precision];
            let calendar = jiff::Timestamp::from_nanosecond(nanos.into()).unwrap();
            let digits = [nanos % 1_000_000 == 0, nanos % 1_000 == 0].iter().filter(|zero| **zero).count();
            let digits = 9 - 3 * digits;
            prop_assert_eq!(Timestamp::from_nanos(nanos).to_string(), format!("{calendar:.digits$}"));
        }
    }

    proptest! {
        #[test]
        fn times_near_a_second_are_written_like_others(nanos: i64, near in -3_000_000_000..3_000_000_000i64, precision in 0..3usize) {
            let near = near / [1, 1_000, 1_000_000][precision] * [1, 1_000, 1_000_000][precision];
            let (first, time) = (Timestamp::from_nanos(nanos), Timestamp::from_nanos(nanos).plus_nanos(near));
            let mut out = b"before ".to_vec();
            SecondText::of(first).write(time, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("before {time}"));
        }

        #[test]
        fn numbers_have_their_digits(number in 0..100_000_000u32) {
            prop_assert_eq!(eight_digits(number).to_le_bytes().to_vec(), format!("{number:08}").into_bytes());
        }
    }

    #[test]
    fn numbers_at_the_edges_have_their_digits() {
        for number in (0..10_000).flat_map(|four| [four, four * 10_000, four * 10_000 + 9_999]) {
            assert_eq!(eight_digits(number).to_le_bytes().to_vec(), format!("{number:08}").into_bytes());
        }
    }

    #[test]
    fn the_first_and_the_last_second_are_written_like_others() {
        for nanos in [i64::MIN, i64::MIN + 1, i64::MIN + 999_999_999, i64::MAX - 999_999_999, i64::MAX] {
            let (time, mut out) = (Timestamp::from_nanos(nanos), Vec::new());
            SecondText::of(time).write(time, &mut out);
            assert_eq!(out, time.to_string().into_bytes());
        }
    }

    #[test]
    fn every_day_has_its_date() {
        for day in -106_000..106_000 {
            let time = Timestamp::from_nanos(day * 86_400_000_000_000);
            let calendar = jiff::Timestamp::from_second(day * 86_400).unwrap();
            assert_eq!(time.to_string(), format!("{calendar:.3}"));
        }
    }
}
