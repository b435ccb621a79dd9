//! The lowest level that any telemetry in the process wants: one load that answers most questions about events that
//! are off, before the telemetry itself is even looked at.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use super::lock;

/// Above every level: nothing is emitted.
pub(crate) const OFF: u8 = u8::MAX;

static FLOOR: AtomicU8 = AtomicU8::new(OFF);
/// The thresholds of all open telemetries that want anything.
static WANTED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

#[inline]
pub(crate) fn floor() -> u8 {
    FLOOR.load(Ordering::Relaxed)
}

/// A telemetry with this threshold is there.
pub(super) fn open(threshold: u8) {
    change(|wanted| wanted.push(threshold));
}

/// A telemetry with this threshold is gone.
pub(super) fn close(threshold: u8) {
    change(|wanted| {
        if let Some(at) = wanted.iter().position(|other| *other == threshold) {
            wanted.swap_remove(at);
        }
    });
}

fn change(change: impl FnOnce(&mut Vec<u8>)) {
    let mut wanted = lock(&WANTED);
    change(&mut wanted);
    FLOOR.store(wanted.iter().copied().min().unwrap_or(OFF), Ordering::Relaxed);
}
