//! The directory of an index. It brings files to the disk while they are written, and makes them durable all at once
//! when a commit is to name them: many megabytes flushed at the end of each file would hold up the log, for whose next
//! flush a sender waits, and the threads that index.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, DirectoryLock, FileHandle, INDEX_WRITER_LOCK, Lock, MmapDirectory, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};
use tantivy::{Directory, Index};

/// So much of a file is on its way to the disk at a time.
const STRIDE_BYTES: u64 = 512 << 10;
/// Tantivy's list of the files it may delete, written anew with every file it begins.
const MANAGED: &str = ".managed.json";

#[derive(Debug, Clone)]
pub(super) struct IndexDirectory {
    path: PathBuf,
    files: MmapDirectory,
    unsynced: Arc<Mutex<Unsynced>>,
    /// Whoever makes files durable holds this; the error is what went wrong with some, and stays until a writer
    /// begins anew: nothing may be committed that builds on them.
    syncing: Arc<Mutex<Option<io::ErrorKind>>>,
}

/// What the next commit has to make durable.
#[derive(Debug, Default)]
struct Unsynced {
    files: Vec<(PathBuf, Arc<File>)>,
    managed: Option<Vec<u8>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl IndexDirectory {
    pub(super) fn open(path: &Path) -> tantivy::Result<Self> {
        let files = MmapDirectory::open(path)?;
        Ok(Self { path: path.to_owned(), files, unsynced: Arc::default(), syncing: Arc::default() })
    }

    fn sync_files(&self) -> io::Result<()> {
        let mut failed = lock(&self.syncing);
        if let Some(kind) = *failed {
            return Err(kind.into());
        }
        let Unsynced { files, managed } = std::mem::take(&mut *lock(&self.unsynced));
        let synced = files.iter().try_for_each(|(_, file)| file.sync_data());
        let synced = synced.and_then(|()| match managed {
            Some(managed) => self.files.atomic_write(Path::new(MANAGED), &managed),
            None => Ok(()),
        });
        synced.inspect_err(|error| *failed = Some(error.kind()))
    }
}

impl Directory for IndexDirectory {
    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        match OpenOptions::new().write(true).create_new(true).open(self.path.join(path)) {
            Ok(file) => Ok(BufWriter::new(Box::new(IndexFile {
                path: path.to_owned(),
                file: Arc::new(file),
                unsynced: Arc::clone(&self.unsynced),
                written: 0,
                begun: 0,
                waited: 0,
            }))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(OpenWriteError::FileAlreadyExists(path.to_owned()))
            }
            Err(error) => Err(OpenWriteError::wrap_io_error(error, path.to_owned())),
        }
    }

    /// Tantivy calls this before it writes a commit.
    fn sync_directory(&self) -> io::Result<()> {
        self.sync_files()?;
        self.files.sync_directory()
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        if path == Path::new(MANAGED) {
            lock(&self.unsynced).managed = Some(data.to_owned());
            return Ok(());
        }
        self.files.atomic_write(path, data)?;
        // Durable under its new name, too, before the log lets go of what it holds.
        self.files.sync_directory()
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        if path == Path::new(MANAGED)
            && let Some(managed) = &lock(&self.unsynced).managed
        {
            return Ok(managed.clone());
        }
        self.files.atomic_read(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        lock(&self.unsynced).files.retain(|(unsynced, _)| unsynced != path);
        self.files.delete(path)
    }

    fn acquire_lock(&self, wanted: &Lock) -> Result<DirectoryLock, LockError> {
        let acquired = self.files.acquire_lock(wanted)?;
        if wanted.filepath == INDEX_WRITER_LOCK.filepath {
            // A writer begins where the last commit stands: no later file counts.
            lock(&self.unsynced).files.clear();
            *lock(&self.syncing) = None;
        }
        Ok(acquired)
    }

    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.files.get_file_handle(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.files.exists(path)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(callback)
    }
}

/// Deletes what a writer that ended without a commit left: nothing else knows of it. For when nobody writes.
pub(super) fn remove_leftovers(index: &Index, dir: &Path) -> tantivy::Result<()> {
    let committed = index.load_metas()?.list_segment_files();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if is_of_segment(&name) && !committed.contains(Path::new(&name)) {
            fs::remove_file(dir.join(name))?;
        }
    }
    Ok(())
}

/// Files of segments are named by an id in 32 hexadecimal digits.
fn is_of_segment(name: &OsStr) -> bool {
    let stem = name.to_str().and_then(|name| name.split('.').next()).unwrap_or_default();
    stem.len() == 32 && stem.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// A file being written, from its beginning to its end.
struct IndexFile {
    path: PathBuf,
    file: Arc<File>,
    unsynced: Arc<Mutex<Unsynced>>,
    /// Up to where it is written, has begun to go to the disk, and has arrived there.
    written: u64,
    begun: u64,
    waited: u64,
}

impl Write for IndexFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
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

impl TerminatingWrite for IndexFile {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        begin_to_disk(&self.file, self.begun, self.written);
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
