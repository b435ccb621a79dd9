//! Errors: published once, at their origin; later it is known whether and by whom they were handled.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::active::CURRENT;
use crate::subscribers::next_id;

/// An error as traced work published it: a handle to one shared record.
///
/// Where the error goes after its origin is learnt later: keep the record, and look at
/// [`handled_by`](Self::handled_by) when the work around it is complete.
///
/// ```
/// use throughline_channel::{ErrorRecord, HandledBy};
///
/// let error = "x".parse::<u32>().unwrap_err();
/// let record = ErrorRecord::new(&error);
/// assert_eq!(record.type_name(), Some("core::num::error::ParseIntError"));
/// assert_eq!(record.message(), "invalid digit found in string");
/// assert_eq!(record.handled_by(), None);
/// record.mark_handled(HandledBy::Explicit { by: "the form".to_owned() });
/// assert!(record.is_handled());
/// ```
#[derive(Clone)]
pub struct ErrorRecord(Arc<Record>);

struct Record {
    sequence: u64,
    kind: ErrorKind,
    type_name: Option<&'static str>,
    message: String,
    causes: Vec<String>,
    origin: OnceLock<(&'static str, String)>,
    wraps: OnceLock<ErrorRecord>,
    handled_by: OnceLock<HandledBy>,
}

/// How an error came about.
/// ```
/// use throughline_channel::{ErrorKind, ErrorRecord, report_error};
///
/// let error = "x".parse::<u32>().unwrap_err();
/// assert_eq!(ErrorRecord::new(&error).kind(), ErrorKind::Returned);
/// assert_eq!(report_error(&error).kind(), ErrorKind::Reported);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It was returned.
    Returned,
    /// It was told of with [`report_error`].
    Reported,
    /// It is a panic.
    Panic,
}

/// Who dealt with an error. That somebody did is no proof that they should have.
/// ```
/// use throughline_channel::{HandledBy, TracingChannel};
/// static STEP: TracingChannel<&str> = TracingChannel::new("shop.step");
///
/// let (sender, errors) = std::sync::mpsc::channel();
/// let _subscription = throughline_channel::observe("tracing:shop.step:error", move |event| {
///     sender.send(event.error().cloned()).unwrap();
/// });
/// // The price is wrong, and the order goes on without it.
/// let price = STEP.trace_sync(|| "order", || {
///     STEP.trace_result(|| "price", || "12,5".parse::<f64>()).unwrap_or_default()
/// });
/// assert_eq!(price, 0.0);
/// let error = errors.recv().unwrap().unwrap();
/// assert_eq!(error.origin(), Some(("shop.step", "price")));
/// let label = "order".to_owned();
/// assert_eq!(error.handled_by(), Some(&HandledBy::Recovered { channel: "shop.step", label }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandledBy {
    /// The traced work around it succeeded all the same.
    Recovered {
        /// The channel of that work.
        channel: &'static str,
        /// What that work is called.
        label: String,
    },
    /// The work that reported it made a result of it itself, like a handler that answers with an error page.
    Converted {
        /// The channel of that work.
        channel: &'static str,
        /// What that work is called.
        label: String,
    },
    /// Somebody said so.
    Explicit {
        /// Who.
        by: String,
    },
}

impl ErrorRecord {
    /// A record of an error and its chain of causes.
    pub fn new<E: Error + 'static>(error: &E) -> Self {
        Self::build(ErrorKind::Returned, Some(std::any::type_name::<E>()), error.to_string(), causes(error))
    }

    /// A record of an error whose type is not known any more, such as a boxed one.
    ///
    /// ```
    /// # use throughline_channel::ErrorRecord;
    /// let boxed: Box<dyn std::error::Error + Send + Sync> = "card declined".into();
    /// assert_eq!(ErrorRecord::from_dyn(&*boxed).message(), "card declined");
    /// ```
    pub fn from_dyn(error: &(dyn Error + 'static)) -> Self {
        Self::build(ErrorKind::Returned, None, error.to_string(), causes(error))
    }

    /// A record of something that shows itself but is not an `Error`.
    pub fn from_display(error: &impl fmt::Display) -> Self {
        Self::build(ErrorKind::Returned, None, error.to_string(), Vec::new())
    }

    /// A record of a panic that was caught.
    ///
    /// ```
    /// # use throughline_channel::{ErrorKind, ErrorRecord};
    /// let payload = std::panic::catch_unwind(|| panic!("out of tea")).unwrap_err();
    /// let record = ErrorRecord::from_panic(&*payload);
    /// assert_eq!((record.kind(), record.message()), (ErrorKind::Panic, "out of tea"));
    /// ```
    pub fn from_panic(payload: &(dyn Any + Send)) -> Self {
        Self::build(ErrorKind::Panic, Some("panic"), panic_text(payload), Vec::new())
    }

    pub(crate) fn reported<E: Error + 'static>(error: &E) -> Self {
        Self::build(ErrorKind::Reported, Some(std::any::type_name::<E>()), error.to_string(), causes(error))
    }

    fn build(kind: ErrorKind, type_name: Option<&'static str>, message: String, causes: Vec<String>) -> Self {
        let (origin, wraps, handled_by) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        let sequence = next_id();
        Self(Arc::new(Record { sequence, kind, type_name, message, causes, origin, wraps, handled_by }))
    }

    /// The record that work inside the current one already published of the same error, and this one if there is none:
    /// for error handlers, who get the error and want its record.
    ///
    /// ```
    /// use throughline_channel::{ErrorRecord, TracingChannel};
    /// static STEP: TracingChannel<&str> = TracingChannel::new("shop.step");
    /// # let _subscription = throughline_channel::observe("shop.step", |_| {});
    ///
    /// STEP.trace_sync(|| "order", || {
    ///     let error = STEP.trace_result(|| "price", || "12,5".parse::<f64>()).unwrap_err();
    ///     let record = ErrorRecord::new(&error).or_published();
    ///     assert_eq!(record.origin(), Some(("shop.step", "price")));
    /// });
    /// ```
    #[must_use = "gives the record to go on with"]
    pub fn or_published(self) -> Self {
        CURRENT.get().and_then(|work| work.known(&self)).unwrap_or(self)
    }

    /// A number that grows from record to record.
    pub fn sequence(&self) -> u64 {
        self.0.sequence
    }

    /// How it came about.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name of its Rust type, if known; `panic` for a panic. For people to read, not a contract.
    pub fn type_name(&self) -> Option<&'static str> {
        self.0.type_name
    }

    /// What it says.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What its causes say, the nearest first.
    pub fn causes(&self) -> &[String] {
        &self.0.causes
    }

    /// The channel and label of the work it began in.
    pub fn origin(&self) -> Option<(&'static str, &str)> {
        self.0.origin.get().map(|(channel, label)| (*channel, label.as_str()))
    }

    /// The earlier error that this one was made from, if work inside had published that.
    pub fn wraps(&self) -> Option<&Self> {
        self.0.wraps.get()
    }

    /// Who dealt with it, as far as is known by now.
    pub fn handled_by(&self) -> Option<&HandledBy> {
        self.0.handled_by.get()
    }

    /// Whether somebody dealt with it.
    pub fn is_handled(&self) -> bool {
        self.handled_by().is_some()
    }

    /// Says who dealt with it. The first to say so stands.
    pub fn mark_handled(&self, by: HandledBy) {
        self.0.handled_by.set(by).ok();
    }

    pub(crate) fn set_origin(&self, channel: &'static str, label: &str) {
        self.0.origin.set((channel, label.to_owned())).ok();
    }

    /// Whether both are records of one error: the same text, and the same type as far as both know theirs (an error
    /// loses its type when it is boxed on its way out).
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let types_agree = match (self.0.type_name, other.0.type_name) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => true,
        };
        Arc::ptr_eq(&self.0, &other.0) || (types_agree && self.0.message == other.0.message)
    }

    pub(crate) fn note_cause(&self, earlier: &Self) {
        if self.0.causes.contains(&earlier.0.message) {
            self.0.wraps.set(earlier.clone()).ok();
        }
    }
}

impl fmt::Debug for ErrorRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorRecord")
            .field("kind", &self.0.kind)
            .field("type_name", &self.0.type_name)
            .field("message", &self.0.message)
            .field("origin", &self.origin())
            .field("handled_by", &self.handled_by())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ErrorRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

/// Tells of an error that does not leave the current traced work as its result, because it is about to be turned into
/// an answer: published on that work's channel as its own. If that work is over and left a task behind that reports, on
/// that of the work around it. Without traced work here, only the record is made.
///
/// ```
/// use throughline_channel::{TracingChannel, report_error};
/// static HANDLE: TracingChannel<&str> = TracingChannel::new("shop.handle");
///
/// # let _subscription = throughline_channel::observe("shop.handle", |event| {
/// #     if let Some(error) = event.error() { assert_eq!(error.origin(), Some(("shop.handle", "GET /"))); }
/// # });
/// let status = HANDLE.trace_sync(|| "GET /", || match "x".parse::<u32>() {
///     Ok(_) => 200,
///     Err(error) => {
///         report_error(&error);
///         400
///     }
/// });
/// assert_eq!(status, 400);
/// ```
pub fn report_error<E: Error + 'static>(error: &E) -> ErrorRecord {
    let record = ErrorRecord::reported(error);
    match CURRENT.get() {
        Some(work) => work.report(record),
        None => record,
    }
}

fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let (mut causes, mut next) = (Vec::new(), error.source());
    // A chain that bites its own tail must not hang us.
    while let (Some(cause), true) = (next, causes.len() < 16) {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without text").to_owned()
}
