//! The embedded engine: an append log, an index of spans and events, and an index of what is derived from them.
//! ARCHITECTURE.md, "The path of a span", is the map of this room.

mod derived_index;
mod directory;
mod entry;
mod health;
mod index_directory;
mod key;
mod log;
mod queue;
mod reading;
mod snapshot;
mod span_index;
mod store;
mod stored;
mod terms;
mod text_index;
mod vocabulary;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tantivy::Executor;
use tokio::sync::{Semaphore, broadcast, oneshot};

pub use directory::OpenError;

use self::directory::Directory;
use self::entry::Entry;
use self::health::Health;
use self::index_directory::remove_spares;
use self::log::{Appender, Log, LogMessage};
use self::snapshot::{Fields, IndexError, Snapshots};
use self::vocabulary::Vocabularies;
use self::writer::{Parts, Replay, Work, Writer, WriterThread};
use super::{AppendError, ReadError};
use crate::domain::arrival::{Arrival, Batch};
use crate::domain::lifecycle::Lifecycle;
use crate::domain::price::Prices;
use crate::store::priority::{self, Senders};

/// Bytes that one permit of the budget stands for.
const PERMIT_BYTES: usize = 1 << 10;
/// How long `append` waits for room before it says that the store is busy.
const PATIENCE: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Threads that share one read which goes through all segments.
const READ_THREADS: usize = 2;
/// Records that a slow live receiver may lag behind.
const LIVE_RECORDS: usize = 1024;

/// How the embedded store works. [`EmbeddedConfig::new`] has settings that suit a machine of two cores and up.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    pub data_dir: PathBuf,
    /// Size of each file of the append log.
    pub log_file_bytes: u64,
    /// How much may be accepted and not yet searchable; more has to wait.
    pub waiting_bytes: usize,
    /// How much may be built and not yet taken by an index thread.
    pub queued_bytes: usize,
    /// Commit when nothing waits and the last commit is this long ago, and twice as long as it took...
    pub commit_when_idle: Duration,
    /// ... or under load after this long, ...
    pub commit_after: Duration,
    /// ... or after so much.
    pub commit_bytes: usize,
    pub index_threads: usize,
    /// Memory that each index thread fills before it writes a segment.
    pub index_heap_bytes: usize,
    /// What is kept to be written over goes back to the disk once nothing came for this long.
    pub give_back_after: Duration,
    /// Memory for the traces and sessions used last.
    pub cache_bytes: usize,
    /// So much of what is stored is looked at before words are chosen that are stored as numbers.
    pub sample_bytes: usize,
    /// How sessions begin and end.
    pub lifecycle: Lifecycle,
}

impl EmbeddedConfig {
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            data_dir: data_dir.into(),
            log_file_bytes: 64 << 20,
            waiting_bytes: 72 << 20,
            queued_bytes: 8 << 20,
            commit_when_idle: Duration::from_millis(200),
            commit_after: Duration::from_secs(1),
            commit_bytes: 56 << 20,
            index_threads: cores.clamp(1, 4),
            index_heap_bytes: 40 << 20,
            give_back_after: Duration::from_secs(5),
            cache_bytes: 32 << 20,
            sample_bytes: 32 << 20,
            lifecycle: Lifecycle::default(),
        }
    }
}

/// A store in a directory of its own.
pub struct EmbeddedStore {
    config: EmbeddedConfig,
    snapshots: Snapshots,
    /// For what depends on the rules in force.
    prices: Arc<Prices>,
    health: Health,
    live: broadcast::Sender<Arrival>,
    /// They go before the threads that index.
    senders: Senders,
    /// What may be accepted now, in units of [`PERMIT_BYTES`].
    room: Arc<Semaphore>,
    threads: Mutex<Option<Threads>>,
    /// For reads that go through all segments.
    executor: Arc<Executor>,
    /// Held as long as the store is open.
    _directory: Directory,
}

struct Threads {
    log: Appender<Work>,
    writer: JoinHandle<()>,
}

impl EmbeddedStore {
    /// Opens the store, makes searchable what was acknowledged before the last end, and starts its threads.
    pub fn open(config: &EmbeddedConfig, prices: Prices) -> Result<Self, OpenError> {
        let directory = Directory::open(&config.data_dir)?;
        let vocabularies = Vocabularies::open(directory.vocabularies(), config.sample_bytes);
        let vocabularies = Arc::new(vocabularies.map_err(IndexError::from)?);
        let senders = Senders::default();
        let [spans, derived] = directory::indexes(&config.data_dir);
        let (spans, span) = span_index::open(&spans, &vocabularies, &senders)
            .map_err(OpenError::of_index(&config.data_dir))?;
        let (derived, derived_fields) = derived_index::open(&derived, &vocabularies, &senders)
            .map_err(OpenError::of_index(&config.data_dir))?;
        let fields = Arc::new(Fields { span, derived: derived_fields, vocabularies });
        let snapshots = Snapshots::open(&spans, &derived, Arc::clone(&fields))?;
        let (health, (live, _)) = (Health::default(), broadcast::channel(LIVE_RECORDS));
        let mut log = Log::open(&directory.log(), config.log_file_bytes).map_err(IndexError::from)?;
        let in_force = Arc::new(prices.clone());
        let parts = Parts {
            config: config.clone(),
            prices,
            fields,
            spans,
            derived,
            snapshots: snapshots.clone(),
            health: health.clone(),
            live: live.clone(),
            senders: senders.clone(),
        };
        let mut writer = Writer::open(parts.clone())?;
        let position = replay(&mut log, &mut writer)?;
        log.go_on_behind(position);
        log.release(position).map_err(IndexError::from)?;
        let threads = Threads::start(log, writer, parts)?;
        Ok(Self {
            config: config.clone(),
            snapshots,
            prices: in_force,
            health,
            live,
            senders,
            room: Arc::new(Semaphore::new(config.waiting_bytes / PERMIT_BYTES)),
            threads: Mutex::new(Some(threads)),
            executor: Arc::new(Executor::multi_thread(READ_THREADS, "read-")?),
            _directory: directory,
        })
    }

    fn send(&self, message: LogMessage<Work>) -> Result<(), String> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = || "it is closed".to_owned();
        let threads = threads.as_ref().ok_or_else(closed)?;
        threads.log.messages.send(message).map_err(|_| closed())
    }

    async fn append_batch(&self, batch: Batch) -> Result<(), AppendError> {
        if let Some(error) = self.health.write_error() {
            return Err(AppendError::Unavailable(error));
        }
        let entry = Entry::new(batch).map_err(|error| AppendError::Unavailable(error.to_string()))?;
        let permits = (entry.size_bytes() / PERMIT_BYTES + 1).min(self.config.waiting_bytes / PERMIT_BYTES);
        let room = Arc::clone(&self.room).acquire_many_owned(permits as u32);
        let permit = match tokio::time::timeout(PATIENCE, room).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(AppendError::Unavailable("it is closed".to_owned())),
            Err(_) => return Err(AppendError::Busy { retry_after: RETRY_AFTER }),
        };
        let _waits = self.senders.one_waits();
        let (done, outcome) = oneshot::channel();
        let entry = Work::Entry(Arc::new(entry.holding(permit)));
        self.send(LogMessage::Append { entry, done }).map_err(AppendError::Unavailable)?;
        match outcome.await {
            Ok(outcome) => outcome.map_err(AppendError::Unavailable),
            Err(_) => Err(AppendError::Unavailable("it is closed".to_owned())),
        }
    }

    async fn settled(&self) -> Result<(), ReadError> {
        let (done, outcome) = oneshot::channel();
        self.send(LogMessage::Pass(Work::Settle(done))).map_err(ReadError)?;
        outcome.await.unwrap_or_else(|_| Err("it is closed".to_owned())).map_err(ReadError)
    }

    /// From now on nothing is accepted.
    fn take_threads(&self) -> Option<Threads> {
        self.room.close();
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn write_error(&self) -> Option<String> {
        self.health.write_error().or_else(|| self.room.is_closed().then(|| "it is closed".to_owned()))
    }

    fn bytes_waiting(&self) -> u64 {
        let free = self.room.available_permits() * PERMIT_BYTES;
        self.config.waiting_bytes.saturating_sub(free) as u64
    }
}

impl Threads {
    fn start(log: Log, writer: Writer, parts: Parts) -> Result<Self, OpenError> {
        let (sender, work) = channel();
        let health = parts.health.clone();
        let pass = move |sequence, work| {
            if matches!(work, Work::Entry(_)) {
                health.one_more_waits();
            }
            if sender.send((sequence, work)).is_err() {
                // What is in the log is safe there.
                health.fail("the writer ended unexpectedly; the server must be started again");
            }
        };
        let data_dir = parts.config.data_dir.clone();
        let give_way = move || give_back_spares(&data_dir);
        let log = Appender::start(log, parts.health.clone(), pass, give_way).map_err(IndexError::from)?;
        let thread = WriterThread::new(parts, work, log.messages.clone());
        let run = move || {
            priority::step_behind();
            thread.run(writer);
        };
        let writer =
            std::thread::Builder::new().name("writer".to_owned()).spawn(run).map_err(IndexError::from)?;
        Ok(Self { log, writer })
    }

    /// Commits what is waiting and ends both threads.
    fn close(self) {
        let sent = self.log.messages.send(LogMessage::Pass(Work::Close));
        let joined = self.writer.join();
        if sent.is_err() || joined.is_err() {
            tracing::error!("the writer ended early; what it left is taken up at the next start");
        }
        drop(self.log.messages.send(LogMessage::Close));
        self.log.join();
    }
}

impl Drop for EmbeddedStore {
    /// Without [`super::Store::shutdown`] what waits is not committed: as after a crash, the log has it.
    fn drop(&mut self) {
        if let Some(Threads { log, writer }) = self.take_threads() {
            drop(log.messages.send(LogMessage::Close));
            log.join();
            if writer.join().is_err() {
                tracing::error!("the writer panicked");
            }
        }
    }
}

/// Gives what both indexes keep to be written over back to the disk.
fn give_back_spares(data_dir: &Path) {
    for index in directory::indexes(data_dir) {
        if let Err(error) = remove_spares(&index) {
            tracing::warn!(%error, index = %index.display(), "what is kept to be written over stays");
        }
    }
}

/// Takes up what the log has and the indexes have not, and returns where both stand then.
fn replay(log: &mut Log, writer: &mut Writer) -> Result<u64, IndexError> {
    let mut replay = Replay::new(writer)?;
    let damage = log.replay(replay.after(), |sequence, payload| match Entry::decode(payload) {
        Ok(entry) => replay.take(sequence, Arc::new(entry)),
        Err(error) => {
            tracing::error!(%error, sequence, "an acknowledged entry is lost");
            Ok(())
        }
    })?;
    for damage in damage {
        let (first, last) = damage.lost;
        let (file, offset, acknowledged) = (damage.file.display(), damage.offset, damage.acknowledged);
        tracing::error!(%file, offset, first, last, acknowledged, "the log is damaged; entries are lost");
    }
    replay.finish()
}
