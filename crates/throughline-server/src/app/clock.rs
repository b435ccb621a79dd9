//! The real time.

use std::time::{SystemTime, UNIX_EPOCH};

use throughline_model::Timestamp;

use crate::http::Clock;

/// The machine's clock.
pub fn system_clock() -> Clock {
    Clock::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    })
}
