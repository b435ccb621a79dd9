//! Files that an index no longer needs, kept so that new ones are written over them.
//!
//! A file system that reports every freed block to its disk (`discard`, as images for clouds mount it) holds up whoever
//! waits for that disk meanwhile: 2 ms for the smallest file, 40 ms for 50 MB, measured at the log's flush beside an
//! index. What is written over is not freed.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustc_hash::{FxHashMap, FxHashSet};

/// Kept for each index at most; never more than the disk has besides.
const KEPT_BYTES: u64 = 512 << 20;
const KEPT_FILES: usize = 256;

/// By so much a file may be longer than what is written into it.
pub(super) fn slack(bytes: u64) -> u64 {
    (bytes / 2).clamp(16 << 10, 4 << 20)
}

/// Files of one kind that one sort of work writes are about as long as the last one was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    extension: String,
    /// What a merge writes is many times as long as what it merges.
    merged: bool,
}

impl Kind {
    /// The kind of the file that this thread is about to write.
    pub(super) fn of(path: &Path) -> Self {
        // The name that tantivy gives its merging threads; another one would only make the guess at lengths worse.
        let merged = std::thread::current().name().is_some_and(|name| name.starts_with("merge_thread"));
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_owned();
        Self { extension, merged }
    }
}

#[derive(Debug)]
struct Spare {
    name: PathBuf,
    bytes: u64,
}

#[derive(Debug)]
pub(super) struct SpareFiles {
    index: PathBuf,
    /// Oldest first.
    spares: Vec<Spare>,
    lengths: FxHashMap<Kind, u64>,
}

impl SpareFiles {
    pub(super) fn new(index: &Path) -> Self {
        Self { index: index.to_owned(), spares: Vec::new(), lengths: FxHashMap::default() }
    }

    /// Takes a file out of the index. Others may still read it.
    pub(super) fn keep(&mut self, name: &Path) -> io::Result<()> {
        let file = self.index.join(name);
        let bytes = fs::metadata(&file)?.len();
        let spares = folder(&self.index);
        fs::create_dir_all(&spares)?;
        fs::rename(file, spares.join(name))?;
        self.spares.push(Spare { name: name.to_owned(), bytes });
        self.keep_to_bounds()
    }

    fn keep_to_bounds(&mut self) -> io::Result<()> {
        let most = KEPT_BYTES.min(fs4::available_space(&self.index)?);
        let mut bytes: u64 = self.spares.iter().map(|spare| spare.bytes).sum();
        let mut surplus = 0;
        while bytes > most || self.spares.len() - surplus > KEPT_FILES {
            bytes -= self.spares[surplus].bytes;
            surplus += 1;
        }
        for spare in self.spares.drain(..surplus) {
            unless_gone(fs::remove_file(folder(&self.index).join(spare.name)))?;
        }
        Ok(())
    }

    /// Opens a file under this name for writing: one that is kept and that nobody reads any more, if one has about the
    /// length that this kind of file had last, else a new one. What is in it is to be written over.
    pub(super) fn open(&mut self, name: &Path, kind: &Kind, read: &[PathBuf]) -> io::Result<File> {
        let path = self.index.join(name);
        if path.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let read: FxHashSet<_> = read.iter().filter_map(|path| path.file_name()).collect();
        while let Some(spare) = self.take(kind, &read) {
            match fs::rename(folder(&self.index).join(spare.name), &path) {
                Ok(()) => return OpenOptions::new().write(true).open(path),
                // Somebody made space.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    fn take(&mut self, kind: &Kind, read: &FxHashSet<&OsStr>) -> Option<Spare> {
        let likely = *self.lengths.get(kind)?;
        let longest = likely + slack(likely);
        let fits =
            |(_, spare): &(usize, &Spare)| spare.bytes <= longest && !read.contains(spare.name.as_os_str());
        let (best, _) = self.spares.iter().enumerate().filter(fits).max_by_key(|(_, spare)| spare.bytes)?;
        Some(self.spares.remove(best))
    }

    /// Says how much was written into a file of this kind.
    pub(super) fn written(&mut self, kind: &Kind, bytes: u64) {
        self.lengths.insert(kind.clone(), bytes);
    }
}

/// Gives all that is kept for an index back to the disk. The folder stays: somebody may just put a file there.
pub(in crate::store::embedded) fn remove_spares(index: &Path) -> io::Result<()> {
    let spares = match fs::read_dir(folder(index)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        spares => spares?,
    };
    for spare in spares {
        unless_gone(fs::remove_file(spare?.path()))?;
    }
    Ok(())
}

fn folder(index: &Path) -> PathBuf {
    index.join("spare")
}

/// What came of removing something that may have been removed already.
fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
