//! The directory of an index. It brings files to the disk while they are written, and makes them durable all at once
//! when a commit is to name them: many megabytes flushed at the end of each file would hold up the log, for whose next
//! flush a sender waits, and the threads that index. For the same reason it gives the disk next to nothing back: files
//! that are no longer needed are written over.

mod replace;
mod spare_files;
#[cfg(test)]
mod tests;
mod written_file;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    DirectoryLock, FileHandle, INDEX_WRITER_LOCK, Lock, MmapDirectory, WatchCallback, WatchHandle, WritePtr,
};
use tantivy::{Directory, Index};

use replace::replace;
pub(super) use spare_files::remove_spares;
use spare_files::{Kind, SpareFiles};
use written_file::{WrittenFile, content_length};

use crate::store::priority::Senders;

/// Tantivy's list of the files it may delete, written anew with every file it begins.
const MANAGED: &str = ".managed.json";

#[derive(Debug, Clone)]
pub(super) struct IndexDirectory {
    path: PathBuf,
    files: MmapDirectory,
    spares: Arc<Mutex<SpareFiles>>,
    unsynced: Arc<Mutex<Unsynced>>,
    /// Whoever makes files durable holds this; the error is what went wrong with some, and stays until a writer
    /// begins anew: nothing may be committed that builds on them.
    syncing: Arc<Mutex<Option<io::ErrorKind>>>,
    /// They go before what is written here.
    senders: Senders,
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
    pub(super) fn open(path: &Path, senders: Senders) -> tantivy::Result<Self> {
        let files = MmapDirectory::open(path)?;
        let spares = Arc::new(Mutex::new(SpareFiles::new(path)));
        let (unsynced, syncing) = (Arc::default(), Arc::default());
        Ok(Self { path: path.to_owned(), files, spares, unsynced, syncing, senders })
    }

    fn sync_files(&self) -> io::Result<()> {
        let mut failed = lock(&self.syncing);
        if let Some(kind) = *failed {
            return Err(kind.into());
        }
        let Unsynced { files, managed } = std::mem::take(&mut *lock(&self.unsynced));
        let synced = files.iter().try_for_each(|(_, file)| file.sync_data());
        let synced = synced.and_then(|()| match managed {
            Some(managed) => replace(&self.path, MANAGED, &managed),
            None => Ok(()),
        });
        synced.inspect_err(|error| *failed = Some(error.kind()))
    }
}

impl Directory for IndexDirectory {
    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let kind = Kind::of(path);
        let mut spares = lock(&self.spares);
        // Looked up under the lock: what is among the spares now, nobody can begin to read any more.
        let read = self.files.get_cache_info().mmapped;
        let opened = spares.open(path, &kind, &read);
        drop(spares);
        match opened.and_then(|file| WrittenFile::new(path, file, kind, self)) {
            Ok(file) => Ok(BufWriter::new(Box::new(file))),
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
        replace(&self.path, &path.to_string_lossy(), data)?;
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
        lock(&self.spares).keep(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => DeleteError::FileDoesNotExist(path.to_owned()),
            _ => DeleteError::IoError { io_error: Arc::new(error), filepath: path.to_owned() },
        })
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
        let whole = self.files.get_file_handle(path)?;
        let failed = |error| OpenReadError::wrap_io_error(error, path.to_owned());
        let length = content_length(&*whole).map_err(failed)?;
        if length == whole.len() {
            return Ok(whole);
        }
        Ok(Arc::new(whole.read_bytes(0..length).map_err(failed)?))
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.files.exists(path)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(callback)
    }
}

/// Deletes what a writer that ended without a commit left, and what an earlier one kept: nothing else knows of it. For
/// when nobody writes.
pub(super) fn remove_leftovers(index: &Index, dir: &Path) -> tantivy::Result<()> {
    remove_spares(dir)?;
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
