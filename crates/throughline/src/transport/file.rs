//! Lines of JSON in a file that is renamed when it has grown.

use std::error::Error as StdError;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Item, SendError, Transport};
use crate::Resource;

/// Appends a line of JSON for each event and span. A file that has grown to its limit is renamed to `NAME.1`, the one
/// before that to `NAME.2`, and so on; the oldest is removed.
///
/// ```no_run
/// use throughline::{Telemetry, transport::RotatingFile};
/// let file = RotatingFile::new("/var/log/shop/events.jsonl").max_bytes(50 << 20).keep(4);
/// let telemetry = Telemetry::builder("shop").transport(file).build()?;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

impl RotatingFile {
    /// To this file, which is made, with its directory, if it is not there. At 10 MiB it is renamed; five are kept.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_bytes: 10 << 20, keep: 5, open: None }
    }

    /// The size at which it is renamed. A single line may exceed it.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How many renamed files are kept.
    #[must_use]
    pub const fn keep(mut self, files: u32) -> Self {
        self.keep = files;
        self
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.open = None;
        if self.keep == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..self.keep).rev() {
            rename_if_there(&self.numbered(number), &self.numbered(number + 1))?;
        }
        rename_if_there(&self.path, &self.numbered(1))
    }

    /// The open file, with room for a line of this length.
    fn room_for(&mut self, line: usize) -> io::Result<&mut Open> {
        let is_full = |open: &Open| open.bytes > 0 && open.bytes + line as u64 > self.max_bytes;
        if self.open.as_ref().is_some_and(is_full) {
            self.rotate()?;
        }
        match &mut self.open {
            Some(open) => Ok(open),
            closed => {
                let mut file = OpenOptions::new().create(true).read(true).append(true).open(&self.path)?;
                end_last_line(&mut file)?;
                let bytes = file.metadata()?.len();
                Ok(closed.insert(Open { file, bytes }))
            }
        }
    }

    fn write(&mut self, item: &Item) -> io::Result<()> {
        let mut line = Vec::with_capacity(512);
        item.write_json(&mut line);
        line.push(b'\n');
        let open = self.room_for(line.len())?;
        open.file.write_all(&line)?;
        open.bytes += line.len() as u64;
        Ok(())
    }
}

/// A program that was killed while it wrote leaves half a line, which must not become half of the next.
fn end_last_line(file: &mut File) -> io::Result<()> {
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == [b'\n'] { Ok(()) } else { file.write_all(b"\n") }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Transport for RotatingFile {
    fn name(&self) -> &str {
        "file"
    }

    fn start(&mut self, _: &Resource) -> Result<(), Box<dyn StdError + Send + Sync>> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        self.room_for(0).map(drop).map_err(|error| format!("{}: {error}", self.path.display()).into())
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        for (written, item) in batch.iter().enumerate() {
            self.write(item).map_err(|error| {
                // Opened anew next time: the disk may have room again, the file may have been taken away.
                self.open = None;
                SendError::unavailable(format!("{}: {error}", self.path.display())).accepted(written)
            })?;
        }
        Ok(())
    }
}
