//! What was said, in order: by events, by work and by callers.

use std::cell::RefCell;

use throughline_channel::{CancelReason, ErrorRecord, Outcome, Trace, TraceSubscriber};

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn say(word: impl Into<String>) {
    LOG.with_borrow_mut(|log| log.push(word.into()));
}

pub(crate) fn said() -> String {
    LOG.take().join(" ")
}

/// Says each event of the work it listens to.
pub(crate) struct Recorder;

impl Recorder {
    fn note(event: &str, trace: &Trace<'_, &'static str>) {
        let outcome = match trace.outcome() {
            None => "",
            Some(Outcome::Ok) => "[ok]",
            Some(Outcome::Err(_)) => "[err]",
            Some(Outcome::Panicked(_)) => "[panic]",
            Some(Outcome::Cancelled(CancelReason::Unwinding)) => "[unwinding]",
            Some(_) => "[cancel]",
        };
        let (label, last) = (trace.message(), if trace.is_last_event() { "!" } else { "" });
        let label = if label.is_empty() { String::new() } else { format!(":{label}") };
        say(format!("{event}{label}{outcome}{last}"));
    }
}

impl TraceSubscriber<&'static str> for Recorder {
    type State = ();

    fn start(&self, trace: &Trace<'_, &'static str>) {
        Self::note("s", trace);
    }
    fn end(&self, trace: &Trace<'_, &'static str>, (): &mut ()) {
        Self::note("e", trace);
    }
    fn async_start(&self, trace: &Trace<'_, &'static str>, (): &mut ()) {
        Self::note("as", trace);
    }
    fn async_end(&self, trace: &Trace<'_, &'static str>, (): &mut ()) {
        Self::note("ae", trace);
    }
    fn error(&self, trace: &Trace<'_, &'static str>, (): &mut (), error: &ErrorRecord) {
        Self::note(&format!("er({error})"), trace);
    }
    fn cancel(&self, trace: &Trace<'_, &'static str>, (): &mut (), _: CancelReason) {
        Self::note("c", trace);
    }
    fn complete(&self, _: &Trace<'_, &'static str>, (): (), _: &Outcome) {
        say(".");
    }
}
