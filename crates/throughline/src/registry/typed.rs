//! Events that are types.

use std::borrow::Cow;

use serde_json::Value;

use super::{AttributeType, Schema};
use crate::{Attribute, Emitter, Error, EventBuilder, Level};

/// An event that is a type, so that the compiler knows its attributes. Derived (feature `derive`), or written by hand.
///
/// ```
/// use throughline::{Events, Telemetry, TypedEvent, testing::Memory};
///
/// /// An order left the warehouse.
/// #[derive(TypedEvent)]
/// #[event(name = "shop.order.shipped")]
/// struct OrderShipped<'a> {
///     /// As the shop numbers it.
///     #[event(key = "ctx.order.id")]
///     id: &'a str,
///     #[event(key = "ctx.order.total")]
///     total: i64,
///     #[event(key = "ctx.shipment.carrier")]
///     carrier: Option<&'a str>,
/// }
///
/// let memory = Memory::new();
/// let telemetry = Telemetry::builder("shop")
///     .environment("test")
///     .transport(memory.clone())
///     .events(Events::namespace("shop").typed::<OrderShipped>().strict())
///     .build()?;
/// OrderShipped { id: "ord_789", total: 14_999, carrier: None }.emit(&telemetry);
///
/// telemetry.flush(std::time::Duration::from_secs(1));
/// assert_eq!(memory.events()[0].attributes["ctx.order.total"], 14_999);
/// # Ok::<(), throughline::Error>(())
/// ```
pub trait TypedEvent {
    /// The full name, namespace included.
    const NAME: &'static str;
    /// How serious it is.
    const LEVEL: Level = Level::Info;

    /// What it is made of.
    fn schema() -> Schema
    where
        Self: Sized;

    /// Adds its attributes.
    fn describe<'a>(&self, event: EventBuilder<'a>) -> EventBuilder<'a>;

    /// The event, so that an error, a time or another session can be added.
    #[track_caller]
    fn event<'a>(&self, to: &'a impl Emitter) -> EventBuilder<'a>
    where
        Self: Sized,
    {
        let event = EventBuilder::new(to.telemetry(), to.session(), Self::NAME).level(Self::LEVEL);
        self.describe(event)
    }

    /// Emits it, to a [`Telemetry`](crate::Telemetry) or a [`Session`](crate::Session).
    #[track_caller]
    fn emit(&self, to: &impl Emitter)
    where
        Self: Sized,
    {
        self.event(to).emit();
    }

    /// Emits it, or says why not.
    ///
    /// # Errors
    /// As [`EventBuilder::try_emit`].
    #[track_caller]
    fn try_emit(&self, to: &impl Emitter) -> Result<(), Error>
    where
        Self: Sized,
    {
        self.event(to).try_emit()
    }
}

/// A type that a field of a [`TypedEvent`] may have.
///
/// ```
/// use throughline::{AttributeType, TypedAttribute};
/// assert_eq!((u32::TYPE, u32::REQUIRED), (AttributeType::Integer, true));
/// assert_eq!((<Option<String>>::TYPE, <Option<String>>::REQUIRED), (AttributeType::Text, false));
/// ```
pub trait TypedAttribute: Attribute {
    /// The type of its values.
    const TYPE: AttributeType;
    /// Whether there is always one.
    const REQUIRED: bool = true;
}

macro_rules! typed_attributes {
    ($($kind:ident: $($type:ty),+;)*) => {
        $($(impl TypedAttribute for $type {
            const TYPE: AttributeType = AttributeType::$kind;
        })+)*
    };
}
typed_attributes! {
    Text: str, String, Cow<'_, str>;
    Integer: u8, u16, u32, u64, usize, i8, i16, i32, i64, isize;
    Number: f32, f64;
    Bool: bool;
}

impl TypedAttribute for Value {
    const TYPE: AttributeType = AttributeType::Any;
    // A null is nothing.
    const REQUIRED: bool = false;
}

impl<T: TypedAttribute> TypedAttribute for Option<T> {
    const TYPE: AttributeType = T::TYPE;
    const REQUIRED: bool = false;
}

impl<T: TypedAttribute + ?Sized> TypedAttribute for &T {
    const TYPE: AttributeType = T::TYPE;
    const REQUIRED: bool = T::REQUIRED;
}
