//! The parts that pauses and ends split a session into, as its page shows them.

use throughline_model::{Session, SessionPart, SplitCause, Timestamp, Trace};

use super::notation::{self, When};

/// One part.
#[derive(Debug, Clone)]
pub(super) struct PartRow {
    pub id: String,
    pub started: When,
    /// The same to the second.
    pub began: String,
    pub duration: String,
    pub turns: String,
    /// Why it stands apart from the one before; empty for the first.
    pub cause: &'static str,
}

/// The parts of a session that has more than one; of very many the last ones.
pub(super) fn rows(session: &Session, now: Timestamp) -> Vec<PartRow> {
    let parts = if session.part_count > 1 { session.parts.as_slice() } else { &[] };
    let row = |part: &SessionPart| {
        let started = When::new(part.start_time, now);
        PartRow {
            id: notation::line(&part.id, 400),
            began: started.exact.get(..19).unwrap_or(&started.exact).to_owned(),
            started,
            duration: notation::duration(part.duration),
            turns: notation::plural(part.trace_count, "turn"),
            cause: part.split_cause.map_or("", cause),
        }
    };
    parts.iter().map(row).collect()
}

const fn cause(cause: SplitCause) -> &'static str {
    match cause {
        SplitCause::Inactivity => "after a pause",
        SplitCause::Ended => "after the session was ended",
    }
}

/// What stands before a trace that is the first one shown of its part; empty before others.
pub(super) fn before(session: &Session, previous: Option<&Trace>, trace: &Trace) -> String {
    if session.part_count < 2 {
        return String::new();
    }
    // Parts begin one after the other, though one that was ended may last into the next.
    let place = |trace: &Trace| session.parts.partition_point(|part| part.start_time <= trace.start_time);
    let of = place(trace);
    let Some(part) = of.checked_sub(1).and_then(|place| session.parts.get(place)) else {
        return String::new();
    };
    if previous.is_some_and(|previous| place(previous) == of) {
        return String::new();
    }
    let number = session.part_count - session.parts.len() as u64 + of as u64;
    let cause = part.split_cause.map_or("", cause);
    format!("Part {} {cause}", notation::count(number)).trim_end().to_owned()
}
