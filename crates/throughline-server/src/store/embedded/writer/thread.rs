//! The writer's thread: commits in time, and begins again from the last commits when an index could not be written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::{EmbeddedConfig, Parts, Replay, Work, Writer};
use crate::store::embedded::entry::Entry;
use crate::store::embedded::give_back_spares;
use crate::store::embedded::health::Part;
use crate::store::embedded::log::LogMessage;
use crate::store::embedded::snapshot::IndexError;

/// How long to wait before a failed index is tried again, at first and at most.
const RETRY_INDEX: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(8)];

/// What the thread has beside the writer.
pub(in crate::store::embedded) struct WriterThread {
    pub(in crate::store::embedded) parts: Parts,
    pub(in crate::store::embedded) work: Receiver<(u64, Work)>,
    pub(in crate::store::embedded) log: Sender<LogMessage<Work>>,
    /// Entries that are not in both indexes yet, with their sequences. A writer that begins again takes them from here.
    uncommitted: VecDeque<(u64, Arc<Entry>)>,
}

/// What came of one piece of work.
enum Step {
    Applied,
    Committed(LastCommit),
    Closed,
}

/// When a commit was done, and how long it took.
struct LastCommit {
    at: Instant,
    took: Duration,
}

impl LastCommit {
    /// How long to wait for more, when nothing waits, before what came since is committed. Many small commits cost more
    /// than a few large ones, so on a slow machine they come less often: no more than a third of the time is theirs.
    fn patience(&self, config: &EmbeddedConfig) -> Duration {
        let pause = (self.took * 2).min(config.commit_after).max(config.commit_when_idle);
        pause.saturating_sub(self.at.elapsed())
    }
}

/// The store was closed, or is gone.
struct Closed;

impl WriterThread {
    pub(in crate::store::embedded) fn new(
        parts: Parts,
        work: Receiver<(u64, Work)>,
        log: Sender<LogMessage<Work>>,
    ) -> Self {
        Self { parts, work, log, uncommitted: VecDeque::new() }
    }

    /// Works until told to close or until the sender is gone.
    pub(in crate::store::embedded) fn run(mut self, mut writer: Writer) {
        while let Err(error) = self.write(&mut writer) {
            let shown = writer.position;
            writer.stop_merging();
            match self.begin_again(error, shown) {
                Ok(again) => writer = again,
                Err(Closed) => return,
            }
        }
        writer.stop_merging();
    }

    fn write(&mut self, writer: &mut Writer) -> Result<(), IndexError> {
        let mut last_commit = LastCommit { at: Instant::now(), took: Duration::ZERO };
        loop {
            let next = if writer.has_changes() {
                match self.work.recv_timeout(last_commit.patience(&writer.config)) {
                    Ok(next) => Some(next),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            } else {
                match self.work.recv_timeout(writer.config.give_back_after) {
                    Ok(next) => Some(next),
                    Err(RecvTimeoutError::Timeout) => {
                        give_back_spares(&writer.config.data_dir);
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            };
            let overdue = last_commit.at.elapsed() >= writer.config.commit_after;
            match self.step(writer, next, overdue)? {
                Step::Applied => {}
                Step::Committed(commit) => last_commit = commit,
                Step::Closed => return Ok(()),
            }
        }
    }

    fn step(
        &mut self,
        writer: &mut Writer,
        next: Option<(u64, Work)>,
        overdue: bool,
    ) -> Result<Step, IndexError> {
        // Whether a commit comes because there is more than goes into one, not because nothing waits.
        let mut is_behind = false;
        let (commit, settled, close) = match next {
            Some((sequence, Work::Entry(entry))) => {
                self.uncommitted.push_back((sequence, Arc::clone(&entry)));
                writer.apply(sequence, entry)?;
                is_behind = overdue || writer.is_full();
                (is_behind, None, false)
            }
            Some((_, Work::Settle(settled))) => (true, Some(settled), false),
            Some((_, Work::Close)) => (true, None, true),
            None => (true, None, false),
        };
        let begin = Instant::now();
        if commit && writer.has_changes() {
            if let Err(error) = writer.commit(is_behind) {
                drop(settled.map(|settled| settled.send(Err(error.to_string()))));
                // What is not in the indexes is taken up at the next start.
                return if close { Ok(Step::Closed) } else { Err(error) };
            }
            self.committed(writer.committed);
        }
        if let Some(settled) = settled {
            // Who asked may have gone away.
            drop(settled.send(Ok(())));
        }
        Ok(match () {
            () if close => Step::Closed,
            () if commit => Step::Committed(LastCommit { at: Instant::now(), took: begin.elapsed() }),
            () => Step::Applied,
        })
    }

    /// Everything up to this sequence is in both indexes.
    fn committed(&mut self, sequence: u64) {
        let done = self.uncommitted.partition_point(|(uncommitted, _)| *uncommitted <= sequence);
        self.uncommitted.drain(..done);
        self.parts.health.no_longer_wait(done);
        // The log thread may be gone already when closing; then the files are put away at the next start.
        drop(self.log.send(LogMessage::Release(sequence)));
    }

    /// Tries until the indexes have everything that the log has passed on.
    fn begin_again(&mut self, mut error: IndexError, shown: u64) -> Result<Writer, Closed> {
        let [mut patience, longest] = RETRY_INDEX;
        loop {
            let reason = format!("writing the index failed: {error}");
            self.parts.health.set_obstacle(Part::Index, Some(reason.clone()));
            self.wait(patience, &reason)?;
            match self.reopen(shown) {
                Ok(writer) => {
                    self.committed(writer.committed);
                    self.parts.health.set_obstacle(Part::Index, None);
                    return Ok(writer);
                }
                Err(again) => error = again,
            }
            patience = (patience * 2).min(longest);
        }
    }

    /// Takes what still comes, for later.
    fn wait(&mut self, patience: Duration, reason: &str) -> Result<(), Closed> {
        let until = Instant::now() + patience;
        loop {
            match self.work.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((sequence, Work::Entry(entry))) => self.uncommitted.push_back((sequence, entry)),
                Ok((_, Work::Settle(settled))) => drop(settled.send(Err(reason.to_owned()))),
                Ok((_, Work::Close)) | Err(RecvTimeoutError::Disconnected) => return Err(Closed),
                Err(RecvTimeoutError::Timeout) => return Ok(()),
            }
        }
    }

    fn reopen(&self, shown: u64) -> Result<Writer, IndexError> {
        let mut writer = Writer::open(self.parts.clone())?;
        // One of the two commits may have come through.
        writer.snapshot = self.parts.snapshots.as_committed()?;
        writer.shown = shown;
        let mut replay = Replay::new(&mut writer)?;
        for (sequence, entry) in &self.uncommitted {
            replay.take(*sequence, Arc::clone(entry))?;
        }
        replay.finish()?;
        Ok(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_commits_come_less_often() {
        let config = EmbeddedConfig::new("");
        let patience = |took| {
            let patience =
                LastCommit { at: Instant::now(), took: Duration::from_millis(took) }.patience(&config);
            // Some of it may have passed already.
            patience.as_millis().div_ceil(100) * 100
        };
        assert_eq!([0, 30, 100, 300, 900].map(patience), [200, 200, 200, 600, 1000]);
        let long_ago = Instant::now().checked_sub(config.commit_after).unwrap();
        let commit = LastCommit { at: long_ago, took: Duration::from_secs(9) };
        assert_eq!(commit.patience(&config), Duration::ZERO);
    }
}
