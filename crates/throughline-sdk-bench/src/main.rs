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

mod bars;
mod channels;
mod encoding;
mod floor;
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
    ("floor", floor::pipeline),
    ("poll", ours::poll),
    ("two-threads", ours::two_threads),
    ("overload", ours::overload),
    ("encoding", encoding::all),
    ("hashing", encoding::hashing),
    ("idle", channels::idle),
    ("idle-least", channels::idle_least),
    ("busy", channels::busy),
    ("tracing-none", peers::tracing_none),
    ("tracing-level", peers::tracing_level),
    ("tracing-dynamic", peers::tracing_dynamic),
    ("tracing-sampler", peers::tracing_sampler),
    ("fastrace", peers::fastrace_on),
    ("tracing-span", peers::tracing_span),
    ("polls", peers::polls),
];

#[derive(Default)]
struct Row {
    op: String,
    label: String,
    medians: Vec<f64>,
    p90s: Vec<f64>,
    /// Of the calling thread, and of all threads.
    allocations: f64,
    all_allocations: f64,
    cpus: Vec<f64>,
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn range(values: &[f64]) -> (f64, f64) {
    (values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(0.0, f64::max))
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
    bars::print(&rows);
}

fn measure(rounds: usize) -> Vec<Row> {
    let program = std::env::current_exe().expect("this program has a path");
    let mut rows: Vec<Row> = Vec::new();
    for (case, _) in (0..rounds).flat_map(|_| CASES) {
        let run = Command::new(&program).args(["--case", case]).stderr(Stdio::inherit()).output();
        let output = run.expect("this program can run itself");
        assert!(output.status.success(), "{case} failed");
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let [op, label, median, p90, own, all, cpu] = line.split('\t').collect::<Vec<_>>()[..] else {
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
            (rows[at].allocations, rows[at].all_allocations) = (number(own), number(all));
        }
    }
    rows.sort_by(|a, b| a.op.cmp(&b.op));
    rows
}

fn print_rows(rounds: usize, rows: &[Row]) {
    println!(
        "Medians of {rounds} rounds, nanoseconds. Allocations of the calling thread, then of all threads.\n"
    );
    println!(
        "| what | who | ns | p90 | rounds | allocations | all | cpu |\n|---|---|--:|--:|--:|--:|--:|--:|"
    );
    for row in rows {
        let (low, high) = range(&row.medians);
        let (ns, p90, cpu) = (middle(&row.medians), middle(&row.p90s), middle(&row.cpus));
        let Row { op, label, allocations, all_allocations, .. } = row;
        println!(
            "| {op} | {label} | {ns:.2} | {p90:.2} | {low:.2}..{high:.2} | {allocations:.2} | {all_allocations:.2} | {cpu:.0} |"
        );
    }
}
