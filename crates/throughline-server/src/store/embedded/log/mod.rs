//! The append log: what was acknowledged and is not yet in both indexes.
//!
//! Files are named by the sequence of their first frame and used again once everything in them is indexed; frames
//! left over from a file's former life have lower sequences than its name and are never taken for new ones.

mod appender;
mod frame;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use fs4::fs_std::FileExt as _;

pub(super) use appender::{Appender, LogMessage};

/// How many emptied files are kept for reuse.
const SPARE_FILES: usize = 4;

/// One entry as handed to the log, in two parts so that the body need not be copied together with its header.
pub(super) trait Payload {
    fn parts(&self) -> [&[u8]; 2];
}

/// What became of a part of the log that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) file: PathBuf,
    pub(super) offset: u64,
    /// Sequences that cannot be read, first and last.
    pub(super) lost: (u64, u64),
    /// They had been acknowledged: this is not the tail that a crash tears off.
    pub(super) acknowledged: bool,
}

struct Segment {
    path: PathBuf,
    first: u64,
}

struct Active {
    file: File,
    path: PathBuf,
    first: u64,
    len: u64,
    written: u64,
    /// How many bytes behind `written` a failed write may have left.
    torn: usize,
}

pub(super) struct Log {
    dir: PathBuf,
    segment_bytes: u64,
    /// Full files that still hold entries not yet indexed, oldest first.
    closed: VecDeque<Segment>,
    spare: Vec<PathBuf>,
    active: Option<Active>,
    next: u64,
    /// What is written together: see [`Writing`].
    small: Vec<u8>,
}

/// So much or more is written from where it is; what is smaller, together with what is around it.
const LARGE_BYTES: usize = 32 << 10;

/// Frames on their way into a file, one behind the other.
struct Writing<'a> {
    file: &'a File,
    /// Where `small` goes.
    at: u64,
    small: &'a mut Vec<u8>,
}

impl Writing<'_> {
    fn frame(&mut self, sequence: u64, durable: u64, parts: &[&[u8]]) -> io::Result<()> {
        frame::put_header(self.small, sequence, durable, parts);
        for part in parts {
            if part.len() < LARGE_BYTES {
                self.small.extend_from_slice(part);
            } else {
                self.write_small()?;
                self.file.write_all_at(part, self.at)?;
                self.at += part.len() as u64;
            }
        }
        let length = parts.iter().map(|part| part.len()).sum();
        self.small.resize(self.small.len() + frame::padding(length), 0);
        Ok(())
    }

    fn write_small(&mut self) -> io::Result<()> {
        self.file.write_all_at(self.small, self.at)?;
        self.at += self.small.len() as u64;
        self.small.clear();
        Ok(())
    }
}

impl Log {
    pub(super) fn open(dir: &Path, segment_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let (mut closed, mut spare) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("log") => {
                    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                    let first = stem.parse().map_err(|_| {
                        io::Error::new(
                            io::ErrorKind::InvalidData,
                            format!("unexpected file {}", path.display()),
                        )
                    })?;
                    closed.push(Segment { path, first });
                }
                Some("spare") => spare.push(path),
                _ => {}
            }
        }
        closed.sort_by_key(|segment| segment.first);
        let next = closed.last().map_or(1, |segment| segment.first);
        let (dir, closed) = (dir.to_owned(), closed.into());
        Ok(Self { dir, segment_bytes, closed, spare, active: None, next, small: Vec::new() })
    }

    /// Hands every entry after the sequence `after` to `each`, in order, and says what could not be read. To be
    /// called once, before anything is appended: it finds out where the log ends.
    pub(super) fn replay<E: From<io::Error>>(
        &mut self,
        after: u64,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<Vec<Damage>, E> {
        let mut last = after;
        let mut damage: Vec<Damage> = Vec::new();
        for index in 0..self.closed.len() {
            let segment = &self.closed[index];
            if self.closed.get(index + 1).is_some_and(|next| next.first <= after + 1) {
                continue;
            }
            let file = fs::read(&segment.path)?;
            let (path, wanted) = (segment.path.clone(), segment.first);
            let mut offset = 0;
            while offset < file.len() {
                let sound = frame::read(&file, offset).filter(|(frame, _)| frame.sequence >= wanted);
                let Some((frame, behind)) = sound else {
                    let Some(found) = frame::find(&file, offset, wanted.max(last + 1)) else { break };
                    offset = found;
                    continue;
                };
                offset = behind;
                if frame.sequence <= last {
                    continue;
                }
                if frame.sequence > last + 1 {
                    let lost = (last + 1, frame.sequence - 1);
                    damage.push(Damage {
                        file: path.clone(),
                        offset: offset as u64,
                        lost,
                        acknowledged: false,
                    });
                }
                for gap in &mut damage {
                    gap.acknowledged |= frame.durable >= gap.lost.0;
                }
                last = frame.sequence;
                each(frame.sequence, frame.payload)?;
            }
        }
        self.next = self.next.max(last + 1);
        Ok(damage)
    }

    /// Makes sure that no entry to come gets a sequence up to this one, which an index already holds.
    pub(super) fn go_on_behind(&mut self, sequence: u64) {
        self.next = self.next.max(sequence + 1);
    }

    /// Bytes of log files that hold entries, spare ones not counted.
    pub(super) fn bytes(&self) -> u64 {
        self.closed.len() as u64 * self.segment_bytes
            + self.active.as_ref().map_or(0, |active| active.written)
    }

    /// How many bytes a group of entries takes in a file.
    pub(super) fn framed_len(group: &[impl Payload]) -> u64 {
        let len =
            |entry: &_| frame::framed_len(Payload::parts(entry).iter().map(|part| part.len()).sum()) as u64;
        group.iter().map(len).sum()
    }

    /// Makes room for so many bytes in one file. After a failure (disk full) this may be tried again later.
    pub(super) fn make_room(&mut self, needed: u64) -> io::Result<()> {
        self.erase_torn()?;
        if self.active.as_ref().is_some_and(|active| active.written + needed <= active.len) {
            return Ok(());
        }
        let (first, len) = (self.next, self.segment_bytes.max(needed));
        let path = self.dir.join(format!("{first:020}.log"));
        let file = match self.spare.pop() {
            Some(spare) => {
                fs::rename(&spare, &path)?;
                OpenOptions::new().write(true).open(&path)?
            }
            None => OpenOptions::new().create(true).truncate(false).write(true).open(&path)?,
        };
        let allocated = file.metadata()?.len();
        if allocated < len
            && let Err(error) = file.allocate(len)
        {
            fs::remove_file(&path)?;
            return Err(error);
        }
        File::open(&self.dir)?.sync_all()?;
        let active = Active { file, path, first, len: len.max(allocated), written: 0, torn: 0 };
        if let Some(full) = self.active.replace(active) {
            self.closed.push_back(Segment { path: full.path, first: full.first });
        }
        Ok(())
    }

    /// Writes a group for which [`Self::make_room`] made room, and makes it durable. After a failure nothing of it
    /// counts. Returns the sequence of the first entry.
    pub(super) fn append(&mut self, group: &[impl Payload]) -> io::Result<u64> {
        let first = self.next;
        let Some(active) = &mut self.active else {
            return Err(io::Error::other("no room was made in the log"));
        };
        let length = Self::framed_len(group);
        active.torn = length as usize;
        // A write that failed may have left something.
        self.small.clear();
        let mut writing = Writing { file: &active.file, at: active.written, small: &mut self.small };
        for (sequence, entry) in (first..).zip(group) {
            writing.frame(sequence, first - 1, &entry.parts())?;
        }
        writing.write_small()?;
        active.file.sync_data()?;
        active.torn = 0;
        active.written += length;
        self.next += group.len() as u64;
        Ok(first)
    }

    /// Nobody knows what of a failed write is on disk, and its sequences will be given out again: it is overwritten,
    /// durably, before anything else is.
    fn erase_torn(&mut self) -> io::Result<()> {
        if let Some(active) = &mut self.active
            && active.torn > 0
        {
            active.file.write_all_at(&vec![0; active.torn], active.written)?;
            active.file.sync_data()?;
            active.torn = 0;
        }
        Ok(())
    }

    /// Everything up to the sequence `indexed` is in both indexes: files that hold nothing else are free again.
    pub(super) fn release(&mut self, indexed: u64) -> io::Result<()> {
        while let Some(oldest) = self.closed.front() {
            let next = self.closed.get(1).map(|segment| segment.first);
            let next = next.or(self.active.as_ref().map(|active| active.first)).unwrap_or(self.next);
            if next > indexed + 1 {
                break;
            }
            if self.spare.len() < SPARE_FILES && fs::metadata(&oldest.path)?.len() == self.segment_bytes {
                let spare = oldest.path.with_extension("spare");
                fs::rename(&oldest.path, &spare)?;
                self.spare.push(spare);
            } else {
                fs::remove_file(&oldest.path)?;
            }
            self.closed.pop_front();
        }
        Ok(())
    }
}
