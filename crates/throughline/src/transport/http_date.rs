//! Dates as HTTP writes them.

use crate::Timestamp;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The time that one of the three forms of RFC 9110 (5.6.7) names: `Sun, 06 Nov 1994 08:49:37 GMT`, or the obsolete
/// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let (day, month, year, time) = match text.split_once(',') {
        Some((_, date)) => {
            let mut words = date.split([' ', '-']).filter(|word| !word.is_empty());
            let (day, month, year) = (words.next()?, words.next()?, words.next()?);
            (
                day,
                month,
                year,
                words.next().filter(|_| words.next() == Some("GMT") && words.next().is_none())?,
            )
        }
        None => {
            let mut words = text.split_ascii_whitespace().skip(1);
            let (month, day, time) = (words.next()?, words.next()?, words.next()?);
            (day, month, words.next().filter(|_| words.next().is_none())?, time)
        }
    };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let day: u8 = day.parse().ok()?;
    let year = match year.parse::<u16>().ok()? {
        // Two digits: this century, as far as such dates concern anybody.
        short if year.len() == 2 => 2000 + short,
        year => year,
    };
    format!("{year:04}-{month:02}-{day:02}T{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_read_and_nothing_else() {
        let expected: Timestamp = "2026-11-06T08:49:37Z".parse().unwrap();
        for text in
            ["Fri, 06 Nov 2026 08:49:37 GMT", "Friday, 06-Nov-26 08:49:37 GMT", "Fri Nov  6 08:49:37 2026"]
        {
            assert_eq!(http_date(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "3",
            "1.5",
            "Fri, 06 Nov 2026",
            "Fri, 06 Nov 2026 08:49:37 CET",
            "Fri, 36 Nov 2026 08:49:37 GMT",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
