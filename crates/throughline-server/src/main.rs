//! The `throughline` program: an allocator and the command line.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Read by jemalloc when it starts: give memory back to the system soon after it was freed, from a thread of its own,
/// so that a server that is idle after a burst is small again; and no more arenas than cores, because what is free in
/// one is no use to the others.
#[expect(unsafe_code, reason = "jemalloc finds its settings by the name of this symbol")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static JEMALLOC_SETTINGS: &[u8; 75] =
    b"background_thread:true,narenas_ratio:1,dirty_decay_ms:500,muzzy_decay_ms:0\0";

fn main() -> ExitCode {
    throughline_server::cli::run()
}
