//! Replacing a small file as a whole, without giving the disk anything back: see [`super::spare_files`].

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

/// Contents are filled up with white space to a multiple of this, so that files rarely become shorter.
const STEP_BYTES: usize = 16 << 10;

/// Puts a file of JSON in the place of the one of this name: readers see the old content or the new, also after a crash.
/// The old one stays beside it, to be written over next time.
pub(super) fn replace(dir: &Path, name: &str, json: &[u8]) -> io::Result<()> {
    let (current, next) = (dir.join(name), dir.join(format!(".next-{name}")));
    let length = json.len().next_multiple_of(STEP_BYTES);
    let mut filled = Vec::with_capacity(length);
    filled.extend_from_slice(json);
    filled.resize(length, b'\n');
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&next)?;
    file.write_all(&filled)?;
    file.set_len(length as u64)?;
    file.sync_data()?;
    exchange(&next, &current).or_else(|_| std::fs::rename(&next, &current))
}

#[cfg(target_os = "linux")]
fn exchange(next: &Path, current: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};

    Ok(renameat_with(CWD, next, CWD, current, RenameFlags::EXCHANGE)?)
}

/// Elsewhere the old file is given back.
#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
