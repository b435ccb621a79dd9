//! The log alone: append, fdatasync, one request at a time.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::load::Load;
use crate::process::Latencies;

/// Appends and syncs so many requests of the load, one every `pause`; how long each took.
pub(crate) fn append_and_sync(
    load: &Load,
    requests: usize,
    pause: Duration,
    directory: &Path,
) -> anyhow::Result<Latencies> {
    let path = directory.join("log-floor");
    let mut file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let (mut body, mut latencies) = (Vec::new(), Latencies::default());
    for number in 0..requests {
        load.request(number, &mut body);
        let begin = Instant::now();
        file.write_all(&body)?;
        file.sync_data()?;
        latencies.push(begin.elapsed());
        std::thread::sleep(pause.saturating_sub(begin.elapsed()));
    }
    std::fs::remove_file(&path)?;
    Ok(latencies)
}

/// The same while something else writes so many bytes a second to the same disk, synced after every second: what the
/// disk leaves an acknowledgement beside an index. As the index, it writes over its own files.
pub(crate) fn append_and_sync_beside_writes(
    load: &Load,
    requests: usize,
    pause: Duration,
    bytes_per_second: f64,
    directory: &Path,
) -> anyhow::Result<Latencies> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_until(&done, bytes_per_second, directory));
        let latencies = append_and_sync(load, requests, pause, directory);
        done.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| anyhow::anyhow!("the other writer panicked"))??;
        latencies
    })
}

/// Writes and syncs in strides, so that no sync finds much to do.
fn write_until(done: &AtomicBool, bytes_per_second: f64, directory: &Path) -> anyhow::Result<()> {
    const STRIDE_BYTES: usize = 512 << 10;
    let stride = vec![0x5a; STRIDE_BYTES];
    // Not on a disk nothing is written, and the pause must still end.
    let pause = Duration::from_secs_f64(STRIDE_BYTES as f64 / bytes_per_second.max(STRIDE_BYTES as f64));
    let path = directory.join("index-floor");
    let mut file = File::create(&path)?;
    while !done.load(Ordering::Relaxed) {
        file.rewind()?;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) && !done.load(Ordering::Relaxed) {
            let begin = Instant::now();
            file.write_all(&stride)?;
            begin_to_disk(&file)?;
            std::thread::sleep(pause.saturating_sub(begin.elapsed()));
        }
        file.sync_data()?;
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

/// Lets what was written go to the disk, without waiting for it.
#[cfg(target_os = "linux")]
fn begin_to_disk(file: &File) -> std::io::Result<()> {
    use std::os::fd::AsRawFd;

    #[expect(unsafe_code, reason = "there is no safe wrapper in what the project uses; it touches no memory")]
    // SAFETY: takes an open file's descriptor and numbers; 0 and 0 are the whole file.
    let outcome = unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
    if outcome == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Elsewhere the system decides.
#[cfg(not(target_os = "linux"))]
fn begin_to_disk(_: &File) -> std::io::Result<()> {
    Ok(())
}
