//! What the operating system says of a process, and statistics over what was measured.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Anonymous memory of a process in MB (`RssAnon`), 0 if it cannot be read.
pub(crate) fn anonymous_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// CPU time (user and system) of a process so far.
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The command name may hold spaces; what follows its closing parenthesis does not.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// Bytes that a process has sent to the disk so far, 0 if that cannot be read.
pub(crate) fn written_bytes(pid: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// Waits until a process has hardly anything to do any more: merges come to an end some time after what caused them.
pub(crate) fn wait_until_calm(pid: u32) {
    let (mut quiet, mut before) = (0, cpu(pid));
    while quiet < 3 {
        std::thread::sleep(Duration::from_millis(700));
        let now = cpu(pid);
        quiet = if now - before < Duration::from_millis(60) { quiet + 1 } else { 0 };
        before = now;
    }
}

/// Bytes of all files below a directory.
pub(crate) fn directory_bytes(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => directory_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}

/// Bytes below a directory by kind of file: the part of the name behind the dot.
pub(crate) fn bytes_by_kind(directory: &Path) -> BTreeMap<String, u64> {
    let mut bytes = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(directory) else { return bytes };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let kind = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        *bytes.entry(kind).or_default() += path.metadata().map_or(0, |metadata| metadata.len());
    }
    bytes
}

/// Latencies in milliseconds.
#[derive(Default)]
pub(crate) struct Latencies(Vec<f64>);

impl Latencies {
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64() * 1e3);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The value below which this share of them lies.
    pub(crate) fn quantile(&mut self, share: f64) -> f64 {
        self.0.sort_by(f64::total_cmp);
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
    }
}
