//! The log alone: append, fdatasync, one request at a time.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;

use crate::load::Load;
use crate::process::Latencies;

/// Appends and syncs so many requests of the load; how long each took.
pub(crate) fn append_and_sync(load: &Load, requests: usize, directory: &Path) -> anyhow::Result<Latencies> {
    let path = directory.join("log-floor");
    let mut file =
        std::fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let (mut body, mut latencies) = (Vec::new(), Latencies::default());
    for number in 0..requests {
        load.request(number, &mut body);
        let begin = Instant::now();
        file.write_all(&body)?;
        file.sync_data()?;
        latencies.push(begin.elapsed());
    }
    std::fs::remove_file(&path)?;
    Ok(latencies)
}
