//! For tests of programs that emit: a transport that keeps everything, a clock that stands still.
//!
//! ```
//! use std::time::Duration;
//! use throughline::{Telemetry, emit, testing::{ManualClock, Memory}};
//!
//! let (memory, clock) = (Memory::new(), ManualClock::at("2024-01-15T10:30:00.000Z".parse()?));
//! let telemetry = Telemetry::builder("shop")
//!     .environment("test") // keeps everything
//!     .clock(clock.clone())
//!     .seed(7) // the same ids in every run
//!     .transport(memory.clone())
//!     .build()?;
//!
//! emit!(telemetry, "cart.opened");
//! clock.advance(Duration::from_secs(90));
//! emit!(telemetry, "cart.abandoned");
//!
//! telemetry.flush(Duration::from_secs(1));
//! assert_eq!(memory.events()[1].time.to_string(), "2024-01-15T10:31:30.000Z");
//! print!("{}", memory.tree());
//! # assert_eq!(memory.tree(), "outside\n  +0 ms  info cart.opened\n  +90000 ms  info cart.abandoned\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod tree;

pub(crate) use tree::tree;

pub use crate::source::ManualClock;
pub use crate::transport::Memory;
