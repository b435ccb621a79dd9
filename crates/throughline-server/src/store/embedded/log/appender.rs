//! The log thread: group commit without a timer. What waits while a sync runs goes into the next one.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Log, Payload};
use crate::store::embedded::health::{Health, Part};
use crate::store::priority::ask_for_short_turns;

const GROUP_ENTRIES: usize = 16;
const GROUP_BYTES: usize = 4 << 20;
/// How often to look for space while the disk is full.
const RETRY_SPACE: Duration = Duration::from_secs(1);

/// What the log thread is asked to do.
pub(in crate::store::embedded) enum LogMessage<T> {
    /// Make it durable, say so, and pass it on.
    Append {
        entry: T,
        done: oneshot::Sender<Result<(), String>>,
    },
    /// Pass it on behind everything appended before.
    Pass(T),
    /// Everything up to this sequence is indexed.
    Release(u64),
    Close,
}

/// The running log thread.
pub(in crate::store::embedded) struct Appender<T> {
    pub(in crate::store::embedded) messages: Sender<LogMessage<T>>,
    thread: JoinHandle<()>,
}

impl<T: Payload + Send + 'static> Appender<T> {
    /// `next` gets every entry with its sequence once it is durable, in order; entries passed on get sequence 0.
    /// `give_way` is called when the disk is full: it deletes what can be spared.
    pub(in crate::store::embedded) fn start(
        log: Log,
        health: Health,
        next: impl FnMut(u64, T) + Send + 'static,
        give_way: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let (messages, receiver) = channel();
        let run = move || {
            ask_for_short_turns();
            LogThread { log, health, next, give_way, needed: 0, receiver }.run();
        };
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(run)?;
        Ok(Self { messages, thread })
    }

    /// Waits for the thread to end; it does once it got [`LogMessage::Close`] or all senders are gone.
    pub(in crate::store::embedded) fn join(self) {
        drop(self.messages);
        if self.thread.join().is_err() {
            tracing::error!("the log thread panicked");
        }
    }
}

struct LogThread<T, F, G> {
    log: Log,
    health: Health,
    next: F,
    give_way: G,
    /// Bytes that the last group needed.
    needed: u64,
    receiver: Receiver<LogMessage<T>>,
}

impl<T: Payload, F: FnMut(u64, T), G: Fn()> LogThread<T, F, G> {
    fn run(mut self) {
        loop {
            let message = match self.receiver.recv_timeout(RETRY_SPACE) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => {
                    self.look_for_space();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut pending = Some(message);
            while let Some(message) = pending.take() {
                match message {
                    LogMessage::Append { entry, done } => pending = self.append_group(entry, done),
                    LogMessage::Pass(entry) => (self.next)(0, entry),
                    LogMessage::Release(indexed) => self.release(indexed),
                    LogMessage::Close => return,
                }
            }
        }
    }

    /// Takes what else is waiting into one group; gives back the first message that does not belong to it.
    fn append_group(&mut self, entry: T, done: oneshot::Sender<Result<(), String>>) -> Option<LogMessage<T>> {
        let size = |entry: &T| entry.parts().iter().map(|part| part.len()).sum::<usize>();
        let mut bytes = size(&entry);
        let (mut entries, mut waiting) = (vec![entry], vec![done]);
        let mut other = None;
        while entries.len() < GROUP_ENTRIES && bytes < GROUP_BYTES && other.is_none() {
            match self.receiver.try_recv() {
                Ok(LogMessage::Append { entry, done }) => {
                    bytes += size(&entry);
                    entries.push(entry);
                    waiting.push(done);
                }
                Ok(message) => other = Some(message),
                Err(_) => break,
            }
        }
        let outcome = self.write(&entries);
        for done in waiting {
            // The one who asked may have gone away; the entry is kept all the same.
            drop(done.send(outcome.clone().map(drop)));
        }
        if let Ok(first) = outcome {
            for (sequence, entry) in (first..).zip(entries) {
                (self.next)(sequence, entry);
            }
        }
        self.health.set_log_bytes(self.log.bytes());
        other
    }

    fn write(&mut self, entries: &[T]) -> Result<u64, String> {
        self.needed = Log::framed_len(entries);
        let room = self.log.make_room(self.needed).or_else(|_| {
            (self.give_way)();
            self.log.make_room(self.needed)
        });
        let written = match room {
            Ok(()) => self.log.append(entries).map_err(|error| format!("writing the log failed: {error}")),
            Err(error) => Err(format!("no room for the log: {error}")),
        };
        self.health.set_obstacle(Part::Log, written.as_ref().err().cloned());
        written
    }

    fn look_for_space(&mut self) {
        if self.health.has_obstacle(Part::Log) && self.log.make_room(self.needed).is_ok() {
            self.health.set_obstacle(Part::Log, None);
        }
    }

    fn release(&mut self, indexed: u64) {
        if let Err(error) = self.log.release(indexed) {
            tracing::warn!(%error, "an old log file could not be put away; it will be on the next start");
        }
        self.health.set_log_bytes(self.log.bytes());
    }
}
