//! The design's bars, and whether they are held.

use crate::{Row, middle, range};

/// What is measured of a row.
#[derive(Clone, Copy)]
enum Of {
    Nanos,
    P90,
    Cpu,
    Allocations,
    AllAllocations,
}

/// What a bar is beside.
enum Beside {
    /// The same of another row.
    Row(&'static str, &'static str),
    /// Something else of the same row.
    Own(Of),
    /// What it is more than the first row, beside the second.
    Added(&'static str, (&'static str, &'static str)),
    Nothing,
}

struct Bar {
    of: Of,
    row: (&'static str, &'static str),
    beside: Beside,
    at_most: f64,
}

const fn bar(
    of: Of,
    op: &'static str,
    label: &'static str,
    beside: (&'static str, &'static str),
    at_most: f64,
) -> Bar {
    Bar { of, row: (op, label), beside: Beside::Row(beside.0, beside.1), at_most }
}

const fn absolute(of: Of, op: &'static str, label: &'static str, at_most: f64) -> Bar {
    Bar { of, row: (op, label), beside: Beside::Nothing, at_most }
}

const EVENT: (&str, &str) = ("event", "throughline, to a counting transport");
const FASTRACE: (&str, &str) = ("event", "fastrace, add_event in a root");
/// What no SDK gets below, in a row of the same name as each of ours.
const FLOOR: &str = "floor: a record in the thread's own ring";
const UNTRACED: &str = "floor: untraced";
/// The noise of what is compared with the floor: identical code, so what it is more or less is none of ours.
const UNTRACED_AGAIN: &str = "floor: untraced, compiled again";

use Of::{AllAllocations, Allocations, Cpu, Nanos, P90};

const BARS: &[Bar] = &[
    bar(Nanos, "event off", "throughline, no transport", ("event off", "tracing, no subscriber"), 1.0),
    absolute(Nanos, "event filtered", "throughline, transports want warn", 1.0),
    bar(
        Nanos,
        "event filtered",
        "throughline, transports want warn",
        ("event filtered", "tracing, LevelFilter"),
        1.5,
    ),
    absolute(Nanos, "event filtered", "throughline, dropped by a rule for its name", 1.0),
    bar(
        Nanos,
        "event sampled out",
        "throughline, by chance",
        ("event sampled out", "tracing, a dynamic filter that draws"),
        0.5,
    ),
    bar(Nanos, EVENT.0, EVENT.1, FASTRACE, 0.33),
    bar(Nanos, EVENT.0, EVENT.1, (EVENT.0, FLOOR), 4.0),
    absolute(Allocations, EVENT.0, EVENT.1, 0.0),
    absolute(AllAllocations, EVENT.0, EVENT.1, 0.05),
    Bar { of: P90, row: EVENT, beside: Beside::Own(Nanos), at_most: 2.0 },
    bar(P90, EVENT.0, EVENT.1, FASTRACE, 0.5),
    bar(Cpu, EVENT.0, EVENT.1, FASTRACE, 0.5),
    bar(Nanos, EVENT.0, EVENT.1, ("event", "throughline, without redaction"), 1.05),
    bar(Cpu, EVENT.0, "throughline, as JSON", FASTRACE, 0.5),
    bar(Cpu, EVENT.0, "throughline, as JSON", (EVENT.0, FLOOR), 1.75),
    bar(Cpu, EVENT.0, "throughline, as OTLP", FASTRACE, 0.5),
    absolute(AllAllocations, EVENT.0, "throughline, as JSON", 0.05),
    absolute(AllAllocations, EVENT.0, "throughline, as OTLP", 0.05),
    bar(Nanos, EVENT.0, "throughline, one key hashed", EVENT, 1.05),
    Bar {
        of: Cpu,
        row: (EVENT.0, "throughline, one key hashed"),
        beside: Beside::Added(EVENT.1, ("hash of a key", "floor: sha2 and hex")),
        at_most: 1.3,
    },
    bar(Nanos, "event to JSON", "throughline", ("event to JSON", "sonic-rs, derived"), 0.65),
    bar(Nanos, "event to JSON", "throughline", ("event to JSON", "floor: by hand"), 1.5),
    bar(Nanos, "event to OTLP", "throughline", ("event to OTLP", "floor: by hand"), 1.5),
    bar(Nanos, "event in a session", "throughline", EVENT, 1.1),
    bar(Nanos, "event, two threads", "throughline", EVENT, 1.2),
    bar(Nanos, "event, two threads", "throughline", ("event, two threads", "fastrace"), 0.33),
    bar(Nanos, "event dropped, buffer full", "throughline", EVENT, 1.0),
    bar(Nanos, "span", "throughline, five attributes", ("span", "fastrace, Span, five attributes"), 0.5),
    bar(Nanos, "span", "throughline, five attributes", ("span", FLOOR), 3.0),
    bar(Nanos, "span", "throughline, in a session, ended by its handle", ("span", FLOOR), 3.0),
    bar(Cpu, "span", "throughline, five attributes", ("span", "fastrace, Span, five attributes"), 0.5),
    absolute(AllAllocations, "span", "throughline, five attributes", 0.05),
    bar(Nanos, "bare span", "throughline", ("bare span", "fastrace, LocalSpan"), 1.0),
    bar(Nanos, "session start", "throughline", ("session start", "tracing, fmt JSON span"), 0.5),
    absolute(Allocations, "session start", "throughline", 2.0),
    bar(Nanos, "poll", "throughline, in a session", ("poll", "tokio, task_local scope"), 1.0),
    bar(Nanos, "small call, nobody listens", UNTRACED_AGAIN, ("small call, nobody listens", UNTRACED), 1.02),
    bar(
        Nanos,
        "small call, nobody listens",
        "throughline-channel, trace_sync",
        ("small call, nobody listens", UNTRACED),
        1.02,
    ),
    absolute(Allocations, "small call, nobody listens", "throughline-channel, trace_sync", 0.0),
    absolute(Allocations, "publish, one subscriber", "throughline-channel", 0.0),
    bar(
        Nanos,
        "small future, nobody listens",
        UNTRACED_AGAIN,
        ("small future, nobody listens", UNTRACED),
        1.02,
    ),
    bar(
        Nanos,
        "small future, nobody listens",
        "throughline-channel, trace_future",
        ("small future, nobody listens", UNTRACED),
        1.02,
    ),
    bar(
        Nanos,
        "small future that waits once, nobody listens",
        UNTRACED_AGAIN,
        ("small future that waits once, nobody listens", UNTRACED),
        1.02,
    ),
    bar(
        Nanos,
        "small future that waits once, nobody listens",
        "throughline-channel, trace_future",
        ("small future that waits once, nobody listens", UNTRACED),
        1.02,
    ),
    // The worst that could be made up, see there.
    bar(
        Nanos,
        "small future whose wait is known when compiled, nobody listens",
        "throughline-channel, trace_future",
        ("small future whose wait is known when compiled, nobody listens", UNTRACED),
        1.1,
    ),
    bar(
        Nanos,
        "small future that a runtime wakes once, nobody listens",
        UNTRACED_AGAIN,
        ("small future that a runtime wakes once, nobody listens", UNTRACED),
        1.02,
    ),
    bar(
        Nanos,
        "small future that a runtime wakes once, nobody listens",
        "throughline-channel, trace_future",
        ("small future that a runtime wakes once, nobody listens", UNTRACED),
        1.02,
    ),
    bar(
        Nanos,
        "small future, nobody listens",
        "throughline-channel, trace_future",
        ("small future, nobody listens", "a wrapper by hand"),
        1.05,
    ),
    absolute(Allocations, "small future, nobody listens", "throughline-channel, trace_future", 0.0),
    bar(
        Nanos,
        "publish, one subscriber",
        "throughline-channel",
        ("publish, one subscriber", "floor: indirect call"),
        2.0,
    ),
];

impl Of {
    const fn name(self) -> &'static str {
        match self {
            Nanos => "ns",
            P90 => "p90",
            Cpu => "cpu",
            Allocations => "allocations",
            AllAllocations => "allocations of all threads",
        }
    }

    /// By round.
    fn values(self, row: &Row) -> Vec<f64> {
        match self {
            Nanos => row.medians.clone(),
            P90 => row.p90s.clone(),
            Cpu => row.cpus.clone(),
            Allocations => vec![row.allocations],
            AllAllocations => vec![row.all_allocations],
        }
    }
}

/// Ratios are taken round by round, since what disturbs a round disturbs both sides of it; then their median counts.
pub(crate) fn print(rows: &[Row]) {
    println!("\n| bar | value | rounds | at most | |\n|---|--:|--:|--:|---|");
    let find = |(op, label)| {
        let row = rows.iter().find(|row| (row.op.as_str(), row.label.as_str()) == (op, label));
        row.unwrap_or_else(|| panic!("no row {op}: {label}"))
    };
    for Bar { of, row: named, beside, at_most } in BARS {
        let row = find(*named);
        let (other, text) = match beside {
            Beside::Row(op, label) if *op == named.0 => {
                (Some(of.values(find((op, label)))), format!(" / {label}"))
            }
            Beside::Row(op, label) => (Some(of.values(find((op, label)))), format!(" / {op}: {label}")),
            Beside::Own(other) => (Some(other.values(row)), format!(" / its own {}", other.name())),
            Beside::Added(label, per) => {
                let per = Of::Nanos.values(find(*per));
                (Some(per), format!(" more than {label} / the floor"))
            }
            Beside::Nothing => (None, String::new()),
        };
        let mut own = of.values(row);
        if let Beside::Added(label, _) = beside {
            let less = of.values(find((named.0, label)));
            own.iter_mut().zip(less).for_each(|(own, less)| *own -= less);
        }
        let values: Vec<f64> = match other {
            Some(other) => own.iter().zip(other).map(|(own, other)| own / other).collect(),
            None => own,
        };
        let (value, (low, high)) = (middle(&values), range(&values));
        let verdict = match () {
            () if value <= *at_most => "held",
            () if low <= *at_most => "missed by less than the spread",
            () => "missed",
        };
        let (op, label) = named;
        println!(
            "| {op}, {}: {label}{text} | {value:.2} | {low:.2}..{high:.2} | {at_most} | {verdict} |",
            of.name()
        );
    }
}
