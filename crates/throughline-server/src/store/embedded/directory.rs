//! The data directory: one server at a time, one format.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::snapshot::IndexError;

/// What this version writes, and all it reads.
const FORMAT: &str = "throughline store, format 1\n";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the data directory {} cannot be used: {error}", dir.display())]
    Directory { dir: PathBuf, error: io::Error },
    #[error("another server is using the data directory {}", .0.display())]
    Locked(PathBuf),
    #[error("the data directory {} has the format {found:?}; this version reads {FORMAT:?}", dir.display())]
    Format { dir: PathBuf, found: String },
    #[error(
        "the data directory {} was written by another version, whose indexes have other fields; \
         use that version, or move the directory away to begin with an empty one",
        .0.display()
    )]
    Fields(PathBuf),
    #[error("the store cannot be opened: {0}")]
    Index(String),
}

impl From<IndexError> for OpenError {
    fn from(error: IndexError) -> Self {
        Self::Index(error.to_string())
    }
}

impl From<tantivy::TantivyError> for OpenError {
    fn from(error: tantivy::TantivyError) -> Self {
        Self::Index(error.to_string())
    }
}

impl OpenError {
    /// Why an index in the directory could not be opened.
    pub(super) fn of_index(dir: &Path) -> impl Fn(tantivy::TantivyError) -> Self {
        move |error| match error {
            tantivy::TantivyError::SchemaError(_) => Self::Fields(dir.to_owned()),
            other => other.into(),
        }
    }
}

/// A data directory that nobody else uses as long as this lives.
pub(super) struct Directory {
    dir: PathBuf,
    _lock: File,
}

impl Directory {
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Directory { dir: dir.to_owned(), error };
        fs::create_dir_all(dir).map_err(failed)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked(dir.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let format = dir.join("format");
        match fs::read_to_string(&format) {
            Ok(found) if found == FORMAT => {}
            Ok(found) => return Err(OpenError::Format { dir: dir.to_owned(), found }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_durably(&format, FORMAT.as_bytes()).map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    pub(super) fn vocabularies(&self) -> PathBuf {
        self.dir.join("vocabularies")
    }
}

/// Where the two indexes are: that of the records, and that of what is derived from them.
pub(super) fn indexes(data_dir: &Path) -> [PathBuf; 2] {
    ["spans", "derived"].map(|index| data_dir.join(index))
}

/// Whole or not at all, whenever the power goes.
pub(super) fn write_durably(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = file.with_extension("new");
    fs::write(&unfinished, bytes)?;
    File::open(&unfinished)?.sync_all()?;
    fs::rename(&unfinished, file)?;
    file.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
