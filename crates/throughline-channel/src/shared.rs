//! A value that is read at every publish and seldom replaced, and who reads such values.

use std::cell::Cell;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::fence::heavy;
use crate::reader::{Reader, Reading, retire};
use crate::sync::{AtomicPtr, Ordering};

pub(crate) struct Shared<T: 'static> {
    now: RwLock<Option<Arc<T>>>,
    /// What `now` owns, for readers that take no lock; null where there is no fence to be had.
    shown: AtomicPtr<T>,
}

/// The readers of all threads that ever read. Never freed, but used again when their thread is gone: as many as there
/// ever were such threads at one time.
struct Readers {
    all: Vec<&'static Reader>,
    unused: Vec<&'static Reader>,
}

static READERS: Mutex<Readers> = Mutex::new(Readers { all: Vec::new(), unused: Vec::new() });

thread_local! {
    /// Without a destructor, so that reading it is one load.
    static READER: Cell<Option<&'static Reader>> = const { Cell::new(None) };
    static RETURN_AT_EXIT: ReturnAtExit = const { ReturnAtExit };
}

impl<T: Send + Sync + 'static> Shared<T> {
    pub(crate) const fn new() -> Self {
        Self { now: RwLock::new(None), shown: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The value as it is now, without a lock. Sometimes `None` although there is one; then
    /// [`snapshot`](Self::snapshot) has it.
    #[inline]
    #[expect(unsafe_code, reason = "this is where the promise is kept that looking asks for")]
    pub(crate) fn look<'a>(&'a self, reading: &'a Reading<'_>) -> Option<&'a T> {
        // SAFETY: `shown` is written only by `replace`, which points it to what an `Arc` owns and afterwards gives that
        // to `retire`, with the readers of all threads. `reading` can only be of this thread's own, which is one of
        // them. Dropping the whole without `retire` needs that nobody has borrowed it.
        unsafe { reading.look(&self.shown) }
    }

    pub(crate) fn snapshot(&self) -> Option<Arc<T>> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As where there is no fence to be had.
    #[cfg(test)]
    pub(crate) fn hide(&self) {
        self.shown.store(ptr::null_mut(), Ordering::Release);
    }

    /// Puts another value in place of the present one, which is dropped as soon as nobody reads it. `note` runs before
    /// anybody else can replace it.
    pub(crate) fn replace(
        &self,
        change: impl FnOnce(Option<&T>) -> Option<T>,
        note: impl FnOnce(Option<&T>),
    ) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(now.as_deref()).map(Arc::new);
        let shown = changed.as_ref().filter(|_| heavy()).map_or(ptr::null(), Arc::as_ptr);
        // Readers only ever make a shared reference of it again.
        self.shown.store(shown.cast_mut(), Ordering::Release);
        let replaced = std::mem::replace(&mut *now, changed);
        note(now.as_deref());
        drop(now);
        if let Some(replaced) = replaced {
            let unread = retire(&readers().all, replaced);
            // What is dropped may own another subscription, so not under a lock.
            drop(unread);
        }
    }
}

/// This thread's reader.
#[inline]
pub(crate) fn reader() -> &'static Reader {
    READER.get().unwrap_or_else(new_reader)
}

#[cold]
fn new_reader() -> &'static Reader {
    let mut readers = readers();
    let reader = readers.unused.pop().unwrap_or_else(|| {
        let reader: &'static Reader = Box::leak(Box::new(Reader::new()));
        readers.all.push(reader);
        reader
    });
    READER.set(Some(reader));
    // Fails in a thread that is past it, on its way out: then the reader stays with it.
    RETURN_AT_EXIT.try_with(|_| ()).ok();
    reader
}

struct ReturnAtExit;

impl Drop for ReturnAtExit {
    fn drop(&mut self) {
        if let Some(reader) = READER.take() {
            readers().unused.push(reader);
        }
    }
}

fn readers() -> MutexGuard<'static, Readers> {
    READERS.lock().unwrap_or_else(PoisonError::into_inner)
}
