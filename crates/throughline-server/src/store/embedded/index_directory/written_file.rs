//! A file of an index, from its first byte to its last. One that is written over a longer one says at its end how much
//! of it counts; all others are only what was written.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tantivy::directory::{AntiCallToken, FileHandle, TerminatingWrite};

use super::spare_files::{Kind, SpareFiles, slack};
use super::{IndexDirectory, Unsynced, lock};
use crate::store::priority::Senders;

/// So much of a file is on its way to the disk at a time.
const STRIDE_BYTES: u64 = 512 << 10;
/// Ends a file that is longer than its content, behind the length of that in eight bytes. Tantivy's own footer never
/// ends a file with these.
const LONGER: [u8; 8] = *b"tl-spare";
const TAIL_BYTES: usize = 16;

/// How many bytes of a file, from its beginning, were written into it in its latest life.
pub(super) fn content_length(file: &dyn FileHandle) -> io::Result<usize> {
    let Some(behind) = file.len().checked_sub(TAIL_BYTES) else { return Ok(file.len()) };
    let tail = file.read_bytes(behind..file.len())?;
    let Some(length) = tail.strip_suffix(&LONGER) else { return Ok(file.len()) };
    let length =
        length.try_into().map(u64::from_le_bytes).ok().and_then(|length| usize::try_from(length).ok());
    length.filter(|length| *length <= behind).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "the file says that it is longer than it is")
    })
}

pub(super) struct WrittenFile {
    path: PathBuf,
    kind: Kind,
    file: Arc<File>,
    /// As long it was when its writing began.
    allocated: u64,
    spares: Arc<Mutex<SpareFiles>>,
    unsynced: Arc<Mutex<Unsynced>>,
    senders: Senders,
    /// Up to where it is written, has begun to go to the disk, and has arrived there.
    written: u64,
    begun: u64,
    waited: u64,
}

impl WrittenFile {
    pub(super) fn new(path: &Path, file: File, kind: Kind, directory: &IndexDirectory) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            kind,
            allocated: file.metadata()?.len(),
            file: Arc::new(file),
            spares: Arc::clone(&directory.spares),
            unsynced: Arc::clone(&directory.unsynced),
            senders: directory.senders.clone(),
            written: 0,
            begun: 0,
            waited: 0,
        })
    }

    /// Says where the content ends, if more follows.
    fn end(&self) -> io::Result<()> {
        let surplus = self.allocated.saturating_sub(self.written);
        if surplus == 0 {
            return Ok(());
        }
        if surplus < TAIL_BYTES as u64 || surplus > slack(self.written) {
            return self.file.set_len(self.written);
        }
        let mut tail = [0; TAIL_BYTES];
        tail[..8].copy_from_slice(&self.written.to_le_bytes());
        tail[8..].copy_from_slice(&LONGER);
        self.file.write_all_at(&tail, self.allocated - TAIL_BYTES as u64)
    }
}

impl Write for WrittenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.senders.go_first();
        let written = (&*self.file).write(bytes)?;
        self.written += written as u64;
        if self.written - self.begun >= STRIDE_BYTES {
            // The disk works on one stride while the next is written.
            wait_for_disk(&self.file, self.waited, self.begun);
            begin_to_disk(&self.file, self.begun, self.written);
            (self.waited, self.begun) = (self.begun, self.written);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for WrittenFile {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.end()?;
        begin_to_disk(&self.file, self.begun, self.written);
        lock(&self.spares).written(&self.kind, self.written);
        lock(&self.unsynced).files.push((self.path.clone(), Arc::clone(&self.file)));
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn begin_to_disk(file: &File, from: u64, to: u64) {
    sync_range(file, from, to, libc::SYNC_FILE_RANGE_WRITE);
}

#[cfg(target_os = "linux")]
fn wait_for_disk(file: &File, from: u64, to: u64) {
    let wait =
        libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    sync_range(file, from, to, wait);
}

#[cfg(target_os = "linux")]
fn sync_range(file: &File, from: u64, to: u64, flags: libc::c_uint) {
    use std::os::fd::AsRawFd;

    let (Ok(offset), Ok(length)) = (i64::try_from(from), i64::try_from(to - from)) else { return };
    // To a length of 0 the system would say: all of the file.
    if length == 0 {
        return;
    }
    #[expect(unsafe_code, reason = "there is no safe wrapper in what the project uses; it touches no memory")]
    // SAFETY: takes an open file's descriptor and numbers.
    let outcome = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, flags) };
    if outcome != 0 {
        // Not every file system can; what matters is the flush at the end, whose errors count.
        tracing::trace!("an index file is written to the disk only at its end");
    }
}

/// Elsewhere the system decides.
#[cfg(not(target_os = "linux"))]
fn begin_to_disk(_: &File, _: u64, _: u64) {}

#[cfg(not(target_os = "linux"))]
fn wait_for_disk(_: &File, _: u64, _: u64) {}
