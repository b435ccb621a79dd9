//! What handlers are given.

use std::sync::Arc;

use crate::store::Store;

use super::{Clock, Closing, Metrics};

/// What handlers are given: the store, the time, the counters and the caps.
#[derive(Clone)]
pub struct State {
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    pub limits: Limits,
    pub closing: Closing,
}

/// Caps on what one request may bring.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most bytes of a request body as sent, compressed or not.
    pub body_bytes: usize,
    /// The most bytes that a compressed body may unpack to.
    pub unpacked_bytes: usize,
    /// The most bytes of one event envelope.
    pub event_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 16 << 20, unpacked_bytes: 64 << 20, event_bytes: 1 << 20 }
    }
}
