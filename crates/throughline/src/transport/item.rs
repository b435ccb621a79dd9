//! What transports get.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

#[cfg(feature = "otlp")]
use crate::pipeline::SpanView;
use crate::pipeline::{Block, EventView};
use crate::{Envelope, Level, Span};

/// Something finished, on its way out. The same for every transport, and immutable.
///
/// ```
/// use throughline::transport::Item;
/// fn line(item: &Item) -> String {
///     match item {
///         Item::Event(event) => format!("{} {}", event.time, event.name),
///         Item::Span(span) => format!("{} {} took {} ns", span.start_time, span.name, span.end_time.nanos_since(span.start_time)),
///         _ => String::new(),
///     }
/// }
/// # let memory = throughline::testing::Memory::new();
/// # let telemetry = throughline::Telemetry::builder("shop").environment("test").transport(memory.clone()).build()?;
/// # telemetry.emit("order.shipped");
/// # telemetry.flush(std::time::Duration::from_secs(1));
/// assert!(line(&memory.items()[0]).ends_with("Z order.shipped"));
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Item {
    /// An event.
    Event(EventItem),
    /// A span of a trace.
    Span(SpanItem),
}

impl Item {
    /// The event, if it is one.
    pub fn event(&self) -> Option<&Envelope> {
        match self {
            Self::Event(event) => Some(event),
            Self::Span(_) => None,
        }
    }

    /// The span, if it is one.
    pub fn span(&self) -> Option<&Span> {
        match self {
            Self::Span(span) => Some(span),
            Self::Event(_) => None,
        }
    }

    /// Appends it as JSON: what serializing it would write, but for the price of making an [`Envelope`] of an event.
    ///
    /// ```
    /// # use throughline::transport::Item;
    /// fn lines(batch: &[Item], out: &mut Vec<u8>) {
    ///     for item in batch {
    ///         item.write_json(out);
    ///         out.push(b'\n');
    ///     }
    /// }
    /// ```
    pub fn write_json(&self, out: &mut Vec<u8>) {
        // Writing what has only texts for keys into memory does not fail.
        match self {
            Self::Event(event) if event.view().is_some_and(|view| view.put_json(out)) => {}
            Self::Event(event) => drop(serde_json::to_writer(out, event)),
            Self::Span(span) => drop(serde_json::to_writer(out, span)),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Event(EventItem(Held::Part(block, index))) => block.event(*index).name(),
            Self::Event(EventItem(Held::Own(event))) => &event.name,
            Self::Span(SpanItem(Held::Part(block, index))) => block.span(*index).name(),
            Self::Span(SpanItem(Held::Own(span))) => &span.name,
        }
    }

    pub(crate) fn level(&self) -> Level {
        match self {
            Self::Event(EventItem(Held::Part(block, index))) => block.event(*index).level(),
            Self::Event(EventItem(Held::Own(event))) => event.level,
            Self::Span(SpanItem(Held::Part(block, index))) => block.span(*index).level(),
            Self::Span(SpanItem(Held::Own(span))) => span.level,
        }
    }

    /// The same by itself: it keeps nothing else in memory.
    pub(crate) fn detached(&self) -> Self {
        match self {
            Self::Event(EventItem(Held::Part(block, index))) => {
                Self::Event(EventItem(Held::Own(Arc::new(block.event(*index).envelope()))))
            }
            Self::Span(SpanItem(Held::Part(block, index))) => {
                Self::Span(SpanItem(Held::Own(Arc::new(block.span(*index).span()))))
            }
            own => own.clone(),
        }
    }

    /// Whether both are the same event, or the same span.
    #[cfg(feature = "otlp")]
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Event(a), Self::Event(b)) => a.0.is(&b.0),
            (Self::Span(a), Self::Span(b)) => a.0.is(&b.0),
            _ => false,
        }
    }
}

/// One of those that came together, or one by itself.
enum Held<T> {
    Part(Arc<Block>, u32),
    Own(Arc<T>),
}

#[cfg(feature = "otlp")]
impl<T> Held<T> {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Part(block, index), Self::Part(other, at)) => Arc::ptr_eq(block, other) && index == at,
            (Self::Own(own), Self::Own(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Part(block, index) => Self::Part(block.clone(), *index),
            Self::Own(own) => Self::Own(own.clone()),
        }
    }
}

/// An event on its way out: an [`Envelope`], which is made for the first who looks into it.
///
/// ```
/// # use throughline::transport::Item;
/// fn place(item: &Item) -> Option<String> {
///     let Item::Event(event) = item else { return None };
///     event.source.as_ref()?.file.clone()
/// }
/// ```
#[derive(Clone)]
pub struct EventItem(Held<Envelope>);

/// A finished span on its way out: a [`Span`], which is made for the first who looks into it.
///
/// ```
/// # use throughline::transport::Item;
/// fn is_root(item: &Item) -> bool {
///     matches!(item, Item::Span(span) if span.parent_id.is_none())
/// }
/// ```
#[derive(Clone)]
pub struct SpanItem(Held<Span>);

impl EventItem {
    /// One by itself.
    pub(crate) fn own(event: Envelope) -> Self {
        Self(Held::Own(Arc::new(event)))
    }

    pub(crate) const fn part(block: Arc<Block>, index: u32) -> Self {
        Self(Held::Part(block, index))
    }
}

impl SpanItem {
    pub(crate) const fn part(block: Arc<Block>, index: u32) -> Self {
        Self(Held::Part(block, index))
    }
}

impl EventItem {
    /// Its parts, unless it is by itself.
    pub(crate) fn view(&self) -> Option<EventView<'_>> {
        match &self.0 {
            Held::Part(block, index) => Some(block.event(*index)),
            Held::Own(_) => None,
        }
    }
}

#[cfg(feature = "otlp")]
impl SpanItem {
    /// Its parts, unless it is by itself.
    pub(crate) fn view(&self) -> Option<SpanView<'_>> {
        match &self.0 {
            Held::Part(block, index) => Some(block.span(*index)),
            Held::Own(_) => None,
        }
    }
}

impl Deref for EventItem {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        match &self.0 {
            Held::Part(block, index) => block.envelope(*index),
            Held::Own(event) => event,
        }
    }
}

impl Deref for SpanItem {
    type Target = Span;

    fn deref(&self) -> &Span {
        match &self.0 {
            Held::Part(block, index) => block.built_span(*index),
            Held::Own(span) => span,
        }
    }
}

impl fmt::Debug for EventItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Debug for SpanItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Serialize for EventItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl Serialize for SpanItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}
