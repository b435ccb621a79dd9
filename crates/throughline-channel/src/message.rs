//! What is published, and how a subscriber sees it that does not know its type.

use std::any::Any;
use std::fmt;

use crate::{ErrorRecord, Outcome};

/// Something that can be published on a [`Channel`](crate::Channel), or the context of the work on a
/// [`TracingChannel`](crate::TracingChannel).
///
/// Both methods are optional. What `fields` shows is public: choose what a subscriber should see and keep internals,
/// bodies and secrets out. The keys are the channel's contract.
///
/// ```
/// use throughline_channel::{Message, Value};
///
/// struct Query { statement: &'static str, rows: u64, password: String }
///
/// impl Message for Query {
///     fn label(&self) -> &str { self.statement }
///     fn fields(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
///         visit("statement", Value::Str(self.statement));
///         visit("rows", Value::U64(self.rows));
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be published on a channel",
    note = "implement `throughline_channel::Message` for it; both methods are optional"
)]
pub trait Message: 'static {
    /// What a person would call this piece of work: a middleware's name, a statement.
    fn label(&self) -> &str {
        ""
    }

    /// Calls `visit` with each public field.
    #[expect(unused_variables, reason = "the parameter's name is documentation")]
    fn fields(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {}
}

macro_rules! message_for_scalars {
    ($($scalar:ty => $variant:ident as $as:ty),* $(,)?) => {
        $(impl Message for $scalar {
            fn fields(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
                visit("value", Value::$variant(<$as>::from(*self)));
            }
        })*
    };
}
message_for_scalars!(u8 => U64 as u64, u16 => U64 as u64, u32 => U64 as u64, u64 => U64 as u64, i8 => I64 as i64,
    i16 => I64 as i64, i32 => I64 as i64, i64 => I64 as i64, f32 => F64 as f64, f64 => F64 as f64, bool => Bool as bool);

impl Message for () {}

impl Message for &'static str {
    fn label(&self) -> &str {
        self
    }
}

impl Message for String {
    fn label(&self) -> &str {
        self
    }
}

/// The value of a field.
///
/// ```
/// # use throughline_channel::Value;
/// assert_eq!(Value::F64(1.5).to_string(), "1.5");
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Text.
    Str(&'a str),
    /// A whole number.
    I64(i64),
    /// A whole number that is never negative.
    U64(u64),
    /// A number.
    F64(f64),
    /// Yes or no.
    Bool(bool),
    /// Anything else, as it shows itself.
    Display(&'a dyn fmt::Display),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(text) => f.write_str(text),
            Self::I64(number) => number.fmt(f),
            Self::U64(number) => number.fmt(f),
            Self::F64(number) => number.fmt(f),
            Self::Bool(yes) => yes.fmt(f),
            Self::Display(value) => value.fmt(f),
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(text) => fmt::Debug::fmt(text, f),
            other => fmt::Display::fmt(other, f),
        }
    }
}

/// What happened. See the [crate's table](crate#what-happens-when).
/// ```
/// use throughline_channel::{EventKind, TracingChannel, observe};
/// static QUERY: TracingChannel<&str> = TracingChannel::new("shop.db.query");
///
/// let (sender, seen) = std::sync::mpsc::channel();
/// let subscription = observe("shop.db.query", move |event| sender.send(event.kind()).unwrap());
/// QUERY.trace_sync(|| "select 1", || ());
/// drop(subscription);
/// assert_eq!(seen.iter().collect::<Vec<_>>(), [EventKind::Start, EventKind::End, EventKind::Complete]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A message was published on a [`Channel`](crate::Channel).
    Message,
    /// Work begins.
    Start,
    /// The synchronous part of the work is over.
    End,
    /// Asynchronous work has its result.
    AsyncStart,
    /// Asynchronous work is over.
    AsyncEnd,
    /// The work failed, and the failure began here.
    Error,
    /// The work was dropped before it had a result.
    Cancel,
    /// Nothing more comes of this piece of work.
    Complete,
}

impl EventKind {
    /// The events of a piece of work, in the order that they can come in.
    pub(crate) const OF_WORK: [Self; 7] =
        [Self::Start, Self::Error, Self::End, Self::AsyncStart, Self::AsyncEnd, Self::Cancel, Self::Complete];

    /// Its name: `start`, `end`, `asyncStart`, `asyncEnd`, `error`, as Node's tracing channels have them, and `cancel`,
    /// `complete`, `message`.
    ///
    /// ```
    /// assert_eq!(throughline_channel::EventKind::AsyncStart.as_str(), "asyncStart");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Start => "start",
            Self::End => "end",
            Self::AsyncStart => "asyncStart",
            Self::AsyncEnd => "asyncEnd",
            Self::Error => "error",
            Self::Cancel => "cancel",
            Self::Complete => "complete",
        }
    }
}

/// An event as a subscriber by name sees it: without knowing the message's type.
///
/// ```
/// # use throughline_channel::{Channel, EventKind};
/// static SENT: Channel<u64> = Channel::new("shop.mail.sent");
/// let _subscription = throughline_channel::observe("shop.mail.sent", |event| {
///     assert_eq!((event.channel(), event.kind()), ("shop.mail.sent", EventKind::Message));
///     assert_eq!(event.field("value").as_deref(), Some("3"));
///     assert_eq!(event.message::<u64>(), Some(&3));
/// });
/// SENT.publish(&3);
/// ```
pub struct EventView<'a> {
    pub(crate) channel: &'static str,
    pub(crate) kind: EventKind,
    pub(crate) id: u64,
    pub(crate) parent: Option<u64>,
    pub(crate) message: &'a dyn AnyMessage,
    pub(crate) error: Option<&'a ErrorRecord>,
    pub(crate) outcome: Option<&'a Outcome>,
}

impl<'a> EventView<'a> {
    /// The name of the channel.
    pub fn channel(&self) -> &'static str {
        self.channel
    }

    /// What happened.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The number of this piece of work, unique in the process; 0 for a message.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The number of the traced work that this one is inside of.
    pub fn parent(&self) -> Option<u64> {
        self.parent
    }

    /// What the work is called.
    pub fn label(&self) -> &'a str {
        self.message.message().label()
    }

    /// Calls `visit` with each field.
    pub fn fields(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        self.message.message().fields(visit);
    }

    /// The field with this key, as text.
    pub fn field(&self, key: &str) -> Option<String> {
        let mut found = None;
        self.fields(&mut |name, value| {
            if name == key {
                found = Some(value.to_string());
            }
        });
        found
    }

    /// The message itself, if it is of this type: only for who was built against the same version of the same type.
    pub fn message<M: Message>(&self) -> Option<&'a M> {
        self.message.any().downcast_ref()
    }

    /// The error of an [`EventKind::Error`].
    pub fn error(&self) -> Option<&'a ErrorRecord> {
        self.error
    }

    /// How the work ended, once that is known.
    pub fn outcome(&self) -> Option<&'a Outcome> {
        self.outcome
    }
}

impl fmt::Debug for EventView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("EventView");
        debug.field("channel", &self.channel).field("kind", &self.kind).field("label", &self.label());
        self.fields(&mut |key, value| {
            debug.field(key, &value);
        });
        debug.finish()
    }
}

/// A message with its type forgotten.
pub(crate) trait AnyMessage {
    fn message(&self) -> &dyn Message;
    fn any(&self) -> &dyn Any;
}

impl<M: Message> AnyMessage for M {
    fn message(&self) -> &dyn Message {
        self
    }

    fn any(&self) -> &dyn Any {
        self
    }
}
