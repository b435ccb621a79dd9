//! The `throughline` program: an allocator and the command line.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Read by jemalloc when it starts: give memory back to the system soon after it was freed, from a thread of its own,
/// so that a server that is idle after a burst is small again.
#[expect(unsafe_code, reason = "jemalloc finds its settings by the name of this symbol")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static JEMALLOC_SETTINGS: &[u8; 63] = b"background_thread:true,dirty_decay_ms:2000,muzzy_decay_ms:2000\0";

fn main() -> ExitCode {
    throughline_server::cli::run()
}
