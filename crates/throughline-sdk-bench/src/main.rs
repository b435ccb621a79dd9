//! Measures the SDK and the channels beside their peers and floors, in one run.
//!
//! ```text
//! cargo run --release -p throughline-sdk-bench -- [ROUNDS]
//! ```
//!
//! Each case runs in a process of its own, since most SDKs install something process-wide. Rounds go through all cases
//! in turn; the table has the medians of the rounds and their range, and beside them the ratio that the design's bars
//! are about. `cpu` is the whole process's time per call, background threads included.
#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "it prints a table of measurements")]

mod channels;
mod lab;
mod ours;
mod peers;

use std::process::{Command, Stdio};
use std::time::Duration;

use lab::Lab;

#[global_allocator]
static ALLOCATOR: lab::CountingAllocator = lab::CountingAllocator;

type Case = (&'static str, fn(&Lab));

const CASES: &[Case] = &[
    ("off", ours::off),
    ("on", ours::on),
    ("poll", ours::poll),
    ("idle", channels::idle),
    ("busy", channels::busy),
    ("tracing-none", peers::tracing_none),
    ("tracing-level", peers::tracing_level),
    ("tracing-dynamic", peers::tracing_dynamic),
    ("tracing-sampler", peers::tracing_sampler),
    ("fastrace", peers::fastrace_on),
    ("polls", peers::polls),
];

/// The design's bars: what, whose row, beside whose row, at most so many times.
const BARS: &[(&str, &str, &str, &str, f64)] = &[
    ("event off", "throughline, no transport", "event off", "tracing, no subscriber", 1.0),
    ("event filtered", "throughline, transports want warn", "event filtered", "tracing, LevelFilter", 1.5),
    (
        "event sampled out",
        "throughline, by chance",
        "event sampled out",
        "tracing, a dynamic filter that draws",
        0.5,
    ),
    ("event", "throughline, to a counting transport", "event", "fastrace, add_event in a root", 0.33),
    ("event in a session", "throughline", "event", "throughline, to a counting transport", 1.1),
    ("poll", "throughline, in a session", "poll", "tokio, task_local scope", 1.0),
    (
        "call, nobody listens",
        "throughline-channel, trace_sync",
        "call, nobody listens",
        "floor: untraced",
        1.05,
    ),
    (
        "publish, one subscriber",
        "throughline-channel",
        "publish, one subscriber",
        "floor: pointer load and call",
        2.0,
    ),
];

#[derive(Default)]
struct Row {
    op: String,
    label: String,
    medians: Vec<f64>,
    p90s: Vec<f64>,
    allocations: String,
    cpus: Vec<f64>,
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name] = &arguments[..]
        && flag == "--case"
    {
        let case = CASES.iter().find(|(case, _)| case == name);
        return case.expect("a case of this name").1(&Lab { slice: Duration::from_millis(25) });
    }
    let rounds = arguments.first().map_or(7, |rounds| rounds.parse().expect("a number of rounds"));
    let rows = measure(rounds);
    print_rows(rounds, &rows);
    print_bars(&rows);
}

fn measure(rounds: usize) -> Vec<Row> {
    let program = std::env::current_exe().expect("this program has a path");
    let mut rows: Vec<Row> = Vec::new();
    for (case, _) in (0..rounds).flat_map(|_| CASES) {
        let run = Command::new(&program).args(["--case", case]).stderr(Stdio::inherit()).output();
        let output = run.expect("this program can run itself");
        assert!(output.status.success(), "{case} failed");
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let [op, label, median, p90, allocations, cpu] = line.split('\t').collect::<Vec<_>>()[..] else {
                continue;
            };
            let at = rows.iter().position(|row| row.op == op && row.label == label).unwrap_or_else(|| {
                rows.push(Row { op: op.to_owned(), label: label.to_owned(), ..Row::default() });
                rows.len() - 1
            });
            let number = |text: &str| text.parse::<f64>().expect("a case prints numbers");
            rows[at].medians.push(number(median));
            rows[at].p90s.push(number(p90));
            rows[at].cpus.push(number(cpu));
            allocations.clone_into(&mut rows[at].allocations);
        }
    }
    rows.sort_by(|a, b| a.op.cmp(&b.op));
    rows
}

fn print_rows(rounds: usize, rows: &[Row]) {
    println!("Medians of {rounds} rounds, nanoseconds.\n");
    println!("| what | who | ns | p90 | rounds | allocations | cpu |\n|---|---|--:|--:|--:|--:|--:|");
    for row in rows {
        let low = row.medians.iter().copied().fold(f64::MAX, f64::min);
        let high = row.medians.iter().copied().fold(0.0, f64::max);
        let (ns, p90, cpu) = (middle(&row.medians), middle(&row.p90s), middle(&row.cpus));
        let (op, label, allocations) = (&row.op, &row.label, &row.allocations);
        println!("| {op} | {label} | {ns:.2} | {p90:.2} | {low:.2}..{high:.2} | {allocations} | {cpu:.0} |");
    }
}

fn print_bars(rows: &[Row]) {
    println!("\n| bar | ratio | at most | |\n|---|--:|--:|---|");
    let find = |op: &str, label: &str| rows.iter().find(|row| row.op == op && row.label == label);
    for (op, ours, peer_op, peer, at_most) in BARS {
        let (Some(own), Some(other)) = (find(op, ours), find(peer_op, peer)) else { continue };
        let ratio = middle(&own.medians) / middle(&other.medians);
        let verdict = if ratio <= *at_most { "held" } else { "missed" };
        println!("| {op}: {ours} / {peer} | {ratio:.2} | {at_most} | {verdict} |");
    }
}
