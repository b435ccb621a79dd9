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

impl Timestamp {
    /// As many fraction digits as needed, in groups of three, at least three: `2024-01-15T10:30:00.000Z`.
    pub fn text(self) -> TimeText {
        // By hand, since every event that is written as JSON has one: it takes a tenth of what a calendar's formatter does.
        const NANOS_A_DAY: i64 = 86_400_000_000_000;
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

    #[test]
    fn every_day_has_its_date() {
        for day in -106_000..106_000 {
            let time = Timestamp::from_nanos(day * 86_400_000_000_000);
            let calendar = jiff::Timestamp::from_second(day * 86_400).unwrap();
            assert_eq!(time.to_string(), format!("{calendar:.3}"));
        }
    }
}
