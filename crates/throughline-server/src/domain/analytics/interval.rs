//! How fine a series over time is.

use throughline_model::Timestamp;

const HOUR: i64 = 3_600_000_000_000;

/// How much time one point of a series stands for. Points begin at whole hours and days, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    Hour,
    Day,
}

impl Interval {
    /// Hours for up to four days, else days.
    pub fn fitting(from: Option<Timestamp>, to: Timestamp) -> Self {
        match from {
            Some(from) if to.nanos_since(from) <= 96 * HOUR => Self::Hour,
            _ => Self::Day,
        }
    }

    pub const fn nanos(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => 24 * HOUR,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Where the interval that holds `time` begins.
    pub fn floor(self, time: Timestamp) -> Timestamp {
        let nanos = time.as_nanos();
        Timestamp::from_nanos(nanos.saturating_sub(nanos.rem_euclid(self.nanos())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_begin_at_whole_hours_and_days_also_before_1970() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(Interval::Hour.floor(at("2024-01-15T10:59:59.999Z")), at("2024-01-15T10:00:00Z"));
        assert_eq!(Interval::Day.floor(at("2024-01-15T10:59:59Z")), at("2024-01-15T00:00:00Z"));
        assert_eq!(Interval::Day.floor(at("1969-12-31T10:00:00Z")), at("1969-12-31T00:00:00Z"));
        assert_eq!(Interval::Day.floor(Timestamp::from_nanos(i64::MIN)), Timestamp::from_nanos(i64::MIN));
    }
}
