//! Where in a list a reader is, as URL parameters: time range, order, and the row that the page before ended with.

use std::str::FromStr;

use throughline_model::Timestamp;

use crate::domain::query::{Cursor, Sort, SortField};

const MINUTE: i64 = 60 * 1_000_000_000;

/// The ranges that a click chooses: parameter, name, minutes.
pub(super) const PRESETS: [(&str, &str, i64); 6] = [
    ("15m", "Last 15 minutes", 15),
    ("1h", "Last hour", 60),
    ("24h", "Last 24 hours", 24 * 60),
    ("7d", "Last 7 days", 7 * 24 * 60),
    ("30d", "Last 30 days", 30 * 24 * 60),
    ("90d", "Last 90 days", 90 * 24 * 60),
];

/// The stretch of time that a list is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Range {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// The preset chosen, if it was one.
    pub preset: Option<&'static str>,
    /// What could not be read.
    pub error: Option<String>,
}

impl Range {
    /// Reads the parameters; a preset goes before times.
    pub(super) fn read(preset: &str, from: &str, to: &str, now: Timestamp) -> Self {
        if let Some((key, _, minutes)) = PRESETS.iter().find(|(key, ..)| *key == preset) {
            return Self {
                from: Some(now.plus_nanos(-minutes * MINUTE)),
                preset: Some(key),
                ..Self::default()
            };
        }
        let mut range = Self::default();
        for (name, text, place) in [("from", from, &mut range.from), ("to", to, &mut range.to)] {
            match moment(text) {
                Ok(time) => *place = time,
                Err(()) => {
                    range.error =
                        Some(format!("`{name}` is not a time: {}", text.chars().take(60).collect::<String>()))
                }
            }
        }
        if let (Some(from), Some(to)) = (range.from, range.to)
            && from >= to
        {
            range.error = Some("the range ends before it begins".to_owned());
        }
        range
    }

    /// Its name on the button.
    pub(super) fn label(&self) -> String {
        let short = |time: Timestamp| time.to_string().get(..16).unwrap_or_default().replace('T', " ");
        if let Some((_, name, _)) = PRESETS.iter().find(|(key, ..)| Some(*key) == self.preset) {
            return (*name).to_owned();
        }
        match (self.from, self.to) {
            (None, None) => "All time".to_owned(),
            (Some(from), None) => format!("Since {}", short(from)),
            (None, Some(to)) => format!("Until {}", short(to)),
            (Some(from), Some(to)) => format!("{} – {}", short(from), short(to)),
        }
    }

    pub(super) fn is_all(&self) -> bool {
        self.from.is_none() && self.to.is_none() && self.error.is_none()
    }
}

/// An RFC 3339 time, or what a `datetime-local` field sends, taken as UTC.
fn moment(text: &str) -> Result<Option<Timestamp>, ()> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let candidates =
        [text.to_owned(), format!("{text}Z"), format!("{text}:00Z"), format!("{text}T00:00:00Z")];
    candidates.iter().find_map(|text| Timestamp::from_str(text).ok()).map(Some).ok_or(())
}

/// The order in `sort=-endTime`; an unknown one gives the fallback.
pub(super) fn read_sort(text: &str, fallback: Sort) -> Sort {
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    SORT_FIELDS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(fallback, |(_, by)| Sort { by: *by, descending })
}

pub(super) fn write_sort(sort: Sort) -> String {
    let name = SORT_FIELDS.iter().find(|(_, by)| *by == sort.by).map_or("endTime", |(name, _)| name);
    format!("{}{name}", if sort.descending { "-" } else { "" })
}

const SORT_FIELDS: [(&str, SortField); 7] = [
    ("startTime", SortField::StartTime),
    ("endTime", SortField::EndTime),
    ("duration", SortField::Duration),
    ("totalTokens", SortField::TotalTokens),
    ("totalCost", SortField::TotalCost),
    ("errorCount", SortField::ErrorCount),
    ("traceCount", SortField::TraceCount),
];

/// The place in `after=value.id`; a broken one begins at the start.
pub(super) fn read_cursor(text: &str) -> Option<Cursor> {
    let (value, id) = text.split_once('.')?;
    Some(Cursor { value: value.parse().ok()?, id: id.to_owned() })
}

pub(super) fn write_cursor(cursor: &Cursor) -> String {
    format!("{}.{}", cursor.value, cursor.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2024-01-15T10:30:00Z".parse().unwrap()
    }

    #[test]
    fn ranges_are_read_from_presets_fields_and_rfc_3339() {
        let range = Range::read("1h", "", "", now());
        assert_eq!(
            (range.from.unwrap().to_string().as_str(), range.label().as_str()),
            ("2024-01-15T09:30:00.000Z", "Last hour")
        );
        let range = Range::read("", "2024-01-01T00:00", "2024-01-02", now());
        assert_eq!(range.label(), "2024-01-01 00:00 – 2024-01-02 00:00");
        assert!(Range::read("", "", "", now()).is_all());
    }

    #[test]
    fn wrong_ranges_say_what_is_wrong() {
        assert_eq!(Range::read("", "soon", "", now()).error.unwrap(), "`from` is not a time: soon");
        assert!(Range::read("", "2024-01-02", "2024-01-01", now()).error.is_some());
    }

    #[test]
    fn sorts_and_cursors_come_back() {
        let sort = Sort { by: SortField::TotalCost, descending: true };
        assert_eq!(read_sort(&write_sort(sort), Sort { by: SortField::EndTime, descending: false }), sort);
        let cursor = Cursor { value: -1, id: "a.b.c".to_owned() };
        assert_eq!(read_cursor(&write_cursor(&cursor)), Some(cursor));
        assert_eq!(read_cursor("nonsense"), None);
    }
}
