//! Values of attributes: scalars travel without an allocation, anything else as JSON.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// A value on its way into an event.
///
/// ```
/// use throughline::AttributeValue;
/// assert_eq!(serde_json::Value::from(AttributeValue::Text("usd")), "usd");
/// // What JSON has no number for becomes a text.
/// assert_eq!(serde_json::Value::from(AttributeValue::Float(f64::NAN)), "NaN");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue<'a> {
    /// Nothing; kept as `null`.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond `i64`.
    Uint(u64),
    /// A number.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Anything else.
    Json(Box<Value>),
}

/// What can be the value of an attribute.
///
/// Numbers, booleans, texts and options of these cost no allocation. [`serde_json::Value`] nests. For other types there
/// are [`display`], [`debug`] and [`json`].
///
/// ```
/// use throughline::{Attribute, AttributeValue, display};
/// assert_eq!(14_999.value(), AttributeValue::Int(14_999));
/// assert_eq!(None::<bool>.value(), AttributeValue::Null);
/// assert_eq!(display(std::net::Ipv4Addr::LOCALHOST).value(), AttributeValue::Text("127.0.0.1"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of an attribute",
    note = "give it as `throughline::display(&value)`, `throughline::debug(&value)` or `throughline::json(&value)`"
)]
pub trait Attribute {
    /// The value.
    fn value(&self) -> AttributeValue<'_>;
}

macro_rules! numbers {
    ($($number:ty => $variant:ident($as:ty)),* $(,)?) => {
        $(impl Attribute for $number {
            #[inline]
            fn value(&self) -> AttributeValue<'_> {
                AttributeValue::$variant(<$as>::from(*self))
            }
        })*
    };
}
numbers!(i8 => Int(i64), i16 => Int(i64), i32 => Int(i64), i64 => Int(i64), u8 => Int(i64), u16 => Int(i64),
    u32 => Int(i64), u64 => Uint(u64), f32 => Float(f64), f64 => Float(f64), bool => Bool(bool));

impl Attribute for usize {
    #[inline]
    fn value(&self) -> AttributeValue<'_> {
        AttributeValue::Uint(*self as u64)
    }
}

impl Attribute for isize {
    #[inline]
    fn value(&self) -> AttributeValue<'_> {
        AttributeValue::Int(*self as i64)
    }
}

impl Attribute for str {
    #[inline]
    fn value(&self) -> AttributeValue<'_> {
        AttributeValue::Text(self)
    }
}

impl Attribute for String {
    #[inline]
    fn value(&self) -> AttributeValue<'_> {
        AttributeValue::Text(self)
    }
}

impl Attribute for Cow<'_, str> {
    #[inline]
    fn value(&self) -> AttributeValue<'_> {
        AttributeValue::Text(self)
    }
}

impl Attribute for Value {
    fn value(&self) -> AttributeValue<'_> {
        match self {
            Self::Null => AttributeValue::Null,
            Self::Bool(yes) => AttributeValue::Bool(*yes),
            Self::String(text) => AttributeValue::Text(text),
            other => AttributeValue::Json(Box::new(other.clone())),
        }
    }
}

impl<T: Attribute> Attribute for Option<T> {
    #[inline]
    fn value(&self) -> AttributeValue<'_> {
        self.as_ref().map_or(AttributeValue::Null, T::value)
    }
}

impl<T: Attribute + ?Sized> Attribute for &T {
    #[inline]
    fn value(&self) -> AttributeValue<'_> {
        (**self).value()
    }
}

impl<T: Attribute + ?Sized> Attribute for Box<T> {
    #[inline]
    fn value(&self) -> AttributeValue<'_> {
        (**self).value()
    }
}

/// A value that becomes text the way it shows itself.
///
/// ```
/// # use throughline::{Attribute, AttributeValue, display};
/// assert_eq!(display(std::net::Ipv4Addr::LOCALHOST).value(), AttributeValue::Text("127.0.0.1"));
/// ```
pub fn display(value: impl std::fmt::Display) -> impl Attribute {
    Owned(Value::String(value.to_string()))
}

/// A value that becomes text the way it debugs itself.
///
/// ```
/// # use throughline::{Attribute, AttributeValue, debug};
/// assert_eq!(debug(Some(1)).value(), AttributeValue::Text("Some(1)"));
/// ```
pub fn debug(value: impl std::fmt::Debug) -> impl Attribute {
    Owned(Value::String(format!("{value:?}")))
}

/// A value that becomes JSON the way it serializes itself; what cannot be serialized becomes the text of the error.
///
/// ```
/// # use throughline::{Attribute, AttributeValue, json};
/// assert_eq!(json([1, 2]).value(), AttributeValue::Json(Box::new(serde_json::json!([1, 2]))));
/// ```
pub fn json(value: impl serde::Serialize) -> impl Attribute {
    Owned(serde_json::to_value(value).unwrap_or_else(|error| Value::String(error.to_string())))
}

struct Owned(Value);

impl Attribute for Owned {
    fn value(&self) -> AttributeValue<'_> {
        match &self.0 {
            Value::String(text) => AttributeValue::Text(text),
            other => AttributeValue::Json(Box::new(other.clone())),
        }
    }
}

impl From<AttributeValue<'_>> for Value {
    fn from(value: AttributeValue<'_>) -> Self {
        match value {
            AttributeValue::Null => Self::Null,
            AttributeValue::Bool(yes) => Self::Bool(yes),
            AttributeValue::Int(number) => number.into(),
            AttributeValue::Uint(number) => number.into(),
            AttributeValue::Float(number) => float(number),
            AttributeValue::Text(text) => Self::String(text.to_owned()),
            AttributeValue::Json(value) => *value,
        }
    }
}

/// What JSON has no number for becomes a text.
pub(crate) fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}
