//! Each thread's own buffers, and how spans come into them.

use std::cell::RefCell;

use throughline_channel::is_suppressed;

use super::handover::{Owner, handover};
use super::{Buffer, Core, Pushed, lock};
use crate::observation::{Draft, Moment};

thread_local! {
    /// This thread's buffer of each telemetry it emitted to, by the telemetry's number.
    static BUFFERS: RefCell<Buffers> = const { RefCell::new(Vec::new()) };
}

type Buffers = Vec<(u64, Owner<Buffer>)>;

/// Runs `f` with this thread's buffer of telemetry `number`, if it has one. Otherwise gives `value` back.
#[inline]
fn with_known_buffer<T, R>(number: u64, value: T, f: impl FnOnce(&mut Buffer, T) -> R) -> Result<R, T> {
    let mut value = Some(value);
    let done = BUFFERS.try_with(|buffers| {
        let mut buffers = buffers.try_borrow_mut().ok()?;
        let (_, buffer) = buffers.iter_mut().find(|(known, _)| *known == number)?;
        let value = value.take()?;
        Some(buffer.with(|buffer| f(buffer, value)))
    });
    match (done.ok().flatten(), value) {
        (Some(done), _) => Ok(done),
        (None, Some(value)) => Err(value),
        (None, None) => unreachable!("the value is taken only by what returns something"),
    }
}

impl Core {
    #[inline]
    pub(super) fn with_buffer<R>(&self, f: impl FnOnce(&mut Buffer) -> R) -> R {
        match with_known_buffer(self.number, f, |buffer, f| f(buffer)) {
            Ok(value) => value,
            Err(f) => self.with_new_buffer(f),
        }
    }

    #[cold]
    fn with_new_buffer<R>(&self, f: impl FnOnce(&mut Buffer) -> R) -> R {
        let made = BUFFERS.try_with(|buffers| {
            let Ok(mut buffers) = buffers.try_borrow_mut() else { return false };
            let (owner, taker) = handover(Buffer::default());
            lock(&self.shards).push(taker);
            // Those of telemetries that are gone.
            buffers.retain(|(_, buffer)| !buffer.is_alone());
            buffers.push((self.number, owner));
            true
        });
        let f = match made {
            Ok(true) => match with_known_buffer(self.number, f, |buffer, f| f(buffer)) {
                Ok(value) => return value,
                Err(f) => f,
            },
            _ => f,
        };
        f(&mut lock(&self.last_resort))
    }

    /// A draft that this thread used before.
    #[inline]
    pub(crate) fn unused_draft(&self) -> Option<Box<Draft>> {
        with_known_buffer(self.number, (), |buffer, ()| buffer.unused.pop()).ok().flatten()
    }
}

impl Draft {
    /// Puts the finished span into this thread's buffer.
    pub(crate) fn record(&mut self, end: Option<Moment>) {
        let core = self.references.telemetry().core();
        if core.takes_spans() && !is_suppressed() {
            let (number, end) = (core.number, end.unwrap_or_else(|| core.clock.moment()));
            let pushed = with_known_buffer(number, &mut *self, |buffer, draft| buffer.push_span(draft, end));
            let pushed = pushed.unwrap_or_else(|draft| draft.push_into_new_buffer(end));
            self.references.telemetry().core().pushed(pushed).ok();
        }
    }

    #[cold]
    fn push_into_new_buffer(&mut self, end: Moment) -> Pushed {
        let telemetry = self.references.telemetry().clone();
        telemetry.core().with_buffer(|buffer| buffer.push_span(self, end))
    }

    /// Keeps it for the next span of this thread, and ends its span now unless that has ended.
    #[inline]
    pub(crate) fn give_back(self: Box<Self>) {
        let core = self.references.telemetry().core();
        if !core.takes_spans() || is_suppressed() {
            return self.keep_alone();
        }
        let kept = with_known_buffer(core.number, self, |buffer, mut draft| {
            if !draft.has_ended {
                let now = draft.references.telemetry().core().clock.moment();
                let pushed = buffer.push_span(&mut draft, now);
                if pushed != Pushed::Fits {
                    return Err((draft, pushed));
                }
            }
            draft.clear();
            buffer.keep(draft).map_or(Ok(()), |draft| Err((draft, Pushed::Fits)))
        });
        match kept {
            Ok(Ok(())) => {}
            Ok(Err((draft, pushed))) => draft.keep_after(pushed),
            Err(mut draft) => draft.finish(),
        }
    }

    /// Where this thread has no buffer yet.
    #[cold]
    fn finish(&mut self) {
        if !self.has_ended {
            self.record(None);
        }
    }

    /// What went nowhere is the application's, so it is dropped where that may do what it likes.
    #[cold]
    fn keep_after(mut self: Box<Self>, pushed: Pushed) {
        let core = self.references.telemetry().core();
        core.pushed(pushed).ok();
        let number = core.number;
        self.clear();
        drop(with_known_buffer(number, self, |buffer, draft| buffer.keep(draft)));
    }

    /// Keeps it without what only a collector would take away again.
    #[inline(never)]
    fn keep_alone(mut self: Box<Self>) {
        self.clear();
        let references = std::mem::take(&mut self.references);
        references.telemetry().core().with_buffer(|buffer| buffer.keep(self));
    }
}
