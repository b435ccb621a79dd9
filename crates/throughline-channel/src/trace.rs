//! What subscribers see of a piece of traced work.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::active::Active;
use crate::message::AnyMessage;
use crate::registry::Observer;
use crate::{Context, ErrorRecord, EventKind, EventView, Message};

/// How a piece of work ended.
/// ```
/// use throughline_channel::{Outcome, TracingChannel, observe};
/// static QUERY: TracingChannel<&str> = TracingChannel::new("shop.db.query");
///
/// let (sender, outcomes) = std::sync::mpsc::channel();
/// let _subscription = observe("tracing:shop.db.query:complete", move |event| {
///     let outcome = match event.outcome() {
///         Some(Outcome::Ok) => "fine".to_owned(),
///         Some(outcome) => outcome.error().map_or("given up".to_owned(), |error| error.message().to_owned()),
///         None => unreachable!("it is complete"),
///     };
///     sender.send(outcome).unwrap();
/// });
/// QUERY.trace_sync(|| "select 1", || ());
/// let _error = QUERY.trace_result(|| "select x", || "x".parse::<u32>());
/// assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), ["fine", "invalid digit found in string"]);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outcome {
    /// With a result.
    Ok,
    /// With an error, its own or one passed on from inside.
    Err(ErrorRecord),
    /// With a panic.
    Panicked(ErrorRecord),
    /// It was dropped before it had a result. That is not an error.
    Cancelled(CancelReason),
}

impl Outcome {
    /// The error or panic.
    pub fn error(&self) -> Option<&ErrorRecord> {
        match self {
            Self::Err(record) | Self::Panicked(record) => Some(record),
            Self::Ok | Self::Cancelled(_) => None,
        }
    }
}

/// Why a piece of work was dropped.
/// ```
/// use throughline_channel::{CancelReason, Outcome, TracingChannel, observe};
/// static UPLOAD: TracingChannel<&str> = TracingChannel::new("shop.upload");
///
/// let (sender, reasons) = std::sync::mpsc::channel();
/// let _subscription = observe("tracing:shop.upload:cancel", move |event| {
///     if let Some(Outcome::Cancelled(reason)) = event.outcome() {
///         sender.send(*reason).unwrap();
///     }
/// });
/// // Asked for once, and then nobody waits for it.
/// let mut upload = Box::pin(UPLOAD.trace_future(|| "photo.jpg", std::future::pending::<()>()));
/// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// # assert!(upload.as_mut().poll(&mut cx).is_pending());
/// drop(upload);
/// assert_eq!(reasons.recv(), Ok(CancelReason::Dropped));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelReason {
    /// Nobody wanted the result any more.
    Dropped,
    /// A panic around it.
    Unwinding,
}

impl CancelReason {
    pub(crate) fn now() -> Self {
        if std::thread::panicking() { Self::Unwinding } else { Self::Dropped }
    }
}

/// What a subscriber to a [`TracingChannel`](crate::TracingChannel) does with the events of a piece of work.
///
/// `State` is the subscriber's own for each piece of work: a start time, a span. There is no shared object that
/// subscribers write into.
///
/// ```
/// use std::time::Instant;
/// use throughline_channel::{Outcome, Trace, TraceSubscriber, TracingChannel};
///
/// struct SlowLog;
///
/// impl TraceSubscriber<&'static str> for SlowLog {
///     type State = Instant;
///     fn start(&self, _: &Trace<'_, &'static str>) -> Instant { Instant::now() }
///     fn complete(&self, trace: &Trace<'_, &'static str>, started: Instant, outcome: &Outcome) {
///         if started.elapsed().as_millis() > 100 {
///             println!("{} took {:?}: {outcome:?}", trace.message(), started.elapsed());
///         }
///     }
/// }
///
/// static QUERY: TracingChannel<&str> = TracingChannel::new("shop.db.query");
/// let _subscription = QUERY.subscribe(SlowLog);
/// ```
#[expect(unused_variables, reason = "the parameters' names are documentation")]
pub trait TraceSubscriber<C: 'static>: Send + Sync + 'static {
    /// What this subscriber keeps for each piece of work.
    type State: Send + 'static;

    /// Work begins.
    fn start(&self, trace: &Trace<'_, C>) -> Self::State;

    /// The synchronous part of the work is over.
    fn end(&self, trace: &Trace<'_, C>, state: &mut Self::State) {}

    /// Asynchronous work has its result.
    fn async_start(&self, trace: &Trace<'_, C>, state: &mut Self::State) {}

    /// Asynchronous work is over.
    fn async_end(&self, trace: &Trace<'_, C>, state: &mut Self::State) {}

    /// An error began in this work.
    fn error(&self, trace: &Trace<'_, C>, state: &mut Self::State, error: &ErrorRecord) {}

    /// The work was dropped before it had a result.
    fn cancel(&self, trace: &Trace<'_, C>, state: &mut Self::State, reason: CancelReason) {}

    /// Nothing more comes of this work: exactly once for each `start`.
    fn complete(&self, trace: &Trace<'_, C>, state: Self::State, outcome: &Outcome) {}
}

/// A piece of work, as its subscribers see it at an event.
/// ```
/// use throughline_channel::{Outcome, Trace, TraceSubscriber, TracingChannel};
/// static STEP: TracingChannel<&str> = TracingChannel::new("shop.step");
///
/// /// Writes down how deep each step is, and what came of it.
/// struct Outline(std::sync::mpsc::Sender<String>);
///
/// impl TraceSubscriber<&'static str> for Outline {
///     type State = ();
///     fn start(&self, _: &Trace<'_, &'static str>) {}
///     fn complete(&self, trace: &Trace<'_, &'static str>, (): (), outcome: &Outcome) {
///         let line = format!("{}{} {outcome:?}", "  ".repeat(trace.depth() as usize), trace.message());
///         assert_eq!(trace.parent().is_some(), trace.depth() > 0);
///         self.0.send(line).unwrap();
///     }
/// }
///
/// let (sender, lines) = std::sync::mpsc::channel();
/// let subscription = STEP.subscribe(Outline(sender));
/// STEP.trace_sync(|| "order", || STEP.trace_sync(|| "price", || 7));
/// drop(subscription);
/// assert_eq!(lines.iter().collect::<Vec<_>>(), ["  price Ok", "order Ok"]);
/// ```
pub struct Trace<'a, C: 'static> {
    pub(crate) active: &'a Active<C>,
    pub(crate) outcome: Option<&'a Outcome>,
    pub(crate) polls: u64,
    pub(crate) busy: Duration,
    pub(crate) last: bool,
}

impl<C: Message + Send + Sync> Trace<'_, C> {
    /// What the work tells about itself.
    pub fn message(&self) -> &C {
        self.active.message()
    }

    /// The name of the channel.
    pub fn channel(&self) -> &'static str {
        self.active.channel.name()
    }

    /// The number of this piece of work, unique in the process.
    pub fn id(&self) -> u64 {
        self.active.id
    }

    /// The number of the traced work around it, of any channel.
    pub fn parent(&self) -> Option<u64> {
        self.active.parent.as_ref().map(|work| work.id())
    }

    /// How many pieces of traced work are around it.
    pub fn depth(&self) -> u32 {
        self.active.depth
    }

    /// Since `start`.
    pub fn elapsed(&self) -> Duration {
        self.active.started.elapsed()
    }

    /// How often the future was polled so far; 0 for work that is not a future.
    pub fn polls(&self) -> u64 {
        self.polls
    }

    /// The time spent inside polls so far: the rest of [`elapsed`](Self::elapsed) was waiting.
    pub fn busy(&self) -> Duration {
        self.busy
    }

    /// How the work ended, once that is known.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome
    }

    /// Whether nothing but `complete` follows.
    pub fn is_last_event(&self) -> bool {
        self.last
    }
}

impl<C: Message + Send + Sync> fmt::Debug for Trace<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Trace");
        debug
            .field("channel", &self.channel())
            .field("id", &self.id())
            .field("label", &self.message().label());
        debug.field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

/// What a bound store makes of the context that the work begins in.
pub(crate) type Bind<C> = Box<dyn Fn(&C, &Context) -> Context + Send + Sync>;

/// How a tracing channel calls a subscription.
pub(crate) enum Handler<C: 'static> {
    Subscriber(Box<dyn Listener<C>>),
    Binding(Bind<C>),
}

/// What a subscriber keeps, its type forgotten.
pub(crate) type State = Box<dyn Any + Send>;

/// A [`TraceSubscriber`] with its state's type forgotten.
pub(crate) trait Listener<C: 'static>: Send + Sync {
    fn start(&self, trace: &Trace<'_, C>) -> State;
    fn event(&self, kind: EventKind, trace: &Trace<'_, C>, state: &mut State, error: Option<&ErrorRecord>);
    fn complete(&self, trace: &Trace<'_, C>, state: State, outcome: &Outcome);
}

pub(crate) struct Typed<S>(pub(crate) S);

impl<C: 'static, S: TraceSubscriber<C>> Listener<C> for Typed<S> {
    fn start(&self, trace: &Trace<'_, C>) -> State {
        Box::new(self.0.start(trace))
    }

    fn event(&self, kind: EventKind, trace: &Trace<'_, C>, state: &mut State, error: Option<&ErrorRecord>) {
        let Some(state) = state.downcast_mut() else { return };
        match (kind, error, trace.outcome) {
            (EventKind::End, ..) => self.0.end(trace, state),
            (EventKind::AsyncStart, ..) => self.0.async_start(trace, state),
            (EventKind::AsyncEnd, ..) => self.0.async_end(trace, state),
            (EventKind::Error, Some(error), _) => self.0.error(trace, state, error),
            (EventKind::Cancel, _, Some(Outcome::Cancelled(reason))) => self.0.cancel(trace, state, *reason),
            _ => {}
        }
    }

    fn complete(&self, trace: &Trace<'_, C>, state: State, outcome: &Outcome) {
        if let Ok(state) = state.downcast() {
            self.0.complete(trace, *state, outcome);
        }
    }
}

pub(crate) struct Observed(pub(crate) Observer);

impl Observed {
    fn see<C: Message + Send + Sync>(
        &self,
        kind: EventKind,
        trace: &Trace<'_, C>,
        error: Option<&ErrorRecord>,
    ) {
        let message: &dyn AnyMessage = trace.active.message();
        let (channel, id, parent) = (trace.channel(), trace.id(), trace.parent());
        (self.0)(&EventView { channel, kind, id, parent, message, error, outcome: trace.outcome });
    }
}

impl<C: Message + Send + Sync> Listener<C> for Observed {
    fn start(&self, trace: &Trace<'_, C>) -> State {
        self.see(EventKind::Start, trace, None);
        Box::new(())
    }

    fn event(&self, kind: EventKind, trace: &Trace<'_, C>, _: &mut State, error: Option<&ErrorRecord>) {
        self.see(kind, trace, error);
    }

    fn complete(&self, trace: &Trace<'_, C>, _: State, _: &Outcome) {
        self.see(EventKind::Complete, trace, None);
    }
}
