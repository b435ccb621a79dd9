//! Protocol-buffer bytes, walked without copying.
//!
//! [`Fields`] yields the fields of one message as they lie in the bytes; nothing is allocated, unknown fields are the
//! caller's to ignore, and whatever is not well-formed is an error that knows its place. Groups, which no current
//! encoder writes, are refused.
//!
//! ```
//! use throughline_model::otlp::wire::{self, Fields, Wire};
//!
//! let mut message = Vec::new();
//! wire::put_bytes(&mut message, 5, b"chat");
//! wire::put_varint(&mut message, 6, 3);
//! let fields: Result<Vec<_>, _> = Fields::new(&message).collect();
//! assert_eq!(fields.unwrap(), [(5, Wire::Bytes(b"chat")), (6, Wire::Varint(3))]);
//!
//! let cut = &message[..3];
//! let error = Fields::new(cut).find_map(Result::err).unwrap();
//! assert_eq!(error.within(cut).to_string(), "a length runs past the end of its message, at byte 2");
//! ```

use std::borrow::Cow;
use std::fmt;

/// A request that cannot be read, with the reason and the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}, at {place}")]
pub struct Malformed {
    reason: Cow<'static, str>,
    place: String,
}

impl Malformed {
    pub(crate) fn new(reason: impl Into<Cow<'static, str>>, place: impl Into<String>) -> Self {
        Self { reason: reason.into(), place: place.into() }
    }
}

/// What is wrong with some bytes. [`WireError::within`] turns it into a [`Malformed`] that tells the place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WireError {
    reason: &'static str,
    /// Where the bad byte lies in memory: walkers of nested messages need not know how deep they are.
    address: usize,
}

impl WireError {
    pub(crate) fn new(reason: &'static str, at: &[u8]) -> Self {
        Self { reason, address: at.as_ptr() as usize }
    }

    /// What is wrong, without the place.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The error as a place in `body`, the bytes that the walked message is a part of.
    pub fn within(&self, body: &[u8]) -> Malformed {
        let offset = self.address.wrapping_sub(body.as_ptr() as usize).min(body.len());
        Malformed::new(self.reason, format!("byte {offset}"))
    }
}

impl fmt::Debug for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WireError").field(&self.reason).finish()
    }
}

/// One field's value as it lies on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire<'a> {
    /// Wire type 0: integers, booleans, enumerations.
    Varint(u64),
    /// Wire type 1: fixed64, double.
    Fixed64(u64),
    /// Wire type 2: strings, bytes, messages.
    Bytes(&'a [u8]),
    /// Wire type 5: fixed32, float.
    Fixed32(u32),
}

/// The fields of one message, in order. After an error it yields nothing more.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of the message in `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        match *self.rest {
            [first, ref rest @ ..] if first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(first))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            if index == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        let reason = match self.rest.len() {
            0..10 => "a number is cut off",
            _ => "a number has more than 64 bits",
        };
        Err(WireError::new(reason, self.rest))
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let cut_off = WireError::new("a fixed-size number is cut off", self.rest);
        let (head, rest) = self.rest.split_first_chunk().ok_or(cut_off)?;
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let at = self.rest;
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        let past_end = || WireError::new("a length runs past the end of its message", at);
        // The place to name is where the payload should begin.
        let (head, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| WireError { address: self.rest.as_ptr() as usize, ..past_end() })?;
        self.rest = rest;
        Ok(head)
    }

    #[inline(always)]
    fn field(&mut self) -> Result<(u32, Wire<'a>), WireError> {
        let at = self.rest;
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).unwrap_or(0);
        if number == 0 || number >= 1 << 29 {
            return Err(WireError::new("a field number is out of range", at));
        }
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => Wire::Bytes(self.bytes()?),
            5 => Wire::Fixed32(u32::from_le_bytes(self.fixed()?)),
            3 | 4 => return Err(WireError::new("groups are not supported", at)),
            _ => return Err(WireError::new("a field has an unknown wire type", at)),
        };
        Ok((number, wire))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Wire<'a>), WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// The fields of a message that has been checked before; ends at what cannot be read.
#[inline]
pub(crate) fn checked(bytes: &[u8]) -> impl Iterator<Item = (u32, Wire<'_>)> + Clone {
    Fields::new(bytes).map_while(Result::ok)
}

/// The text in `bytes`, with U+FFFD for what is not UTF-8.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

#[inline]
fn put_raw_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The most bytes that a varint takes.
pub(crate) const MAX_VARINT: usize = 10;

/// Writes `value` to the beginning of `out`, which is long enough, and returns how many bytes it takes.
#[inline]
pub(crate) fn write_varint(out: &mut [u8], mut value: u64) -> usize {
    let mut taken = 0;
    for byte in out {
        taken += 1;
        if value < 0x80 {
            *byte = value as u8;
            break;
        }
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    taken
}

/// How many bytes `value` takes as a varint.
pub(crate) const fn varint_length(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// How many bytes a length-delimited field takes (field numbers up to 15).
pub(crate) const fn bytes_field_length(length: usize) -> usize {
    1 + varint_length(length as u64) + length
}

/// Appends the tag and length of a length-delimited field whose `length` bytes the caller appends next.
#[inline]
pub(crate) fn put_length(out: &mut Vec<u8>, number: u32, length: usize) {
    put_raw_varint(out, u64::from(number) << 3 | 2);
    put_raw_varint(out, length as u64);
}

/// Appends a string, bytes or message field.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_length(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends an integer, boolean or enumeration field.
pub fn put_varint(out: &mut Vec<u8>, number: u32, value: u64) {
    put_raw_varint(out, u64::from(number) << 3);
    put_raw_varint(out, value);
}

/// Appends a fixed64 or double field.
pub fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    put_raw_varint(out, u64::from(number) << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a fixed32 or float field.
pub fn put_fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    put_raw_varint(out, u64::from(number) << 3 | 5);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends any field.
pub fn put_wire(out: &mut Vec<u8>, number: u32, wire: Wire<'_>) {
    match wire {
        Wire::Varint(value) => put_varint(out, number, value),
        Wire::Fixed64(value) => put_fixed64(out, number, value),
        Wire::Bytes(bytes) => put_bytes(out, number, bytes),
        Wire::Fixed32(value) => put_fixed32(out, number, value),
    }
}

/// Appends a message field whose content `write` appends. Its length likely takes one byte: if it does not, the content
/// is moved.
#[inline]
pub(crate) fn put_message(out: &mut Vec<u8>, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
    put_raw_varint(out, u64::from(number) << 3 | 2);
    let at = out.len();
    out.push(0);
    write(out);
    let length = out.len() - at - 1;
    let needed = varint_length(length as u64);
    if needed > 1 {
        out.resize(at + needed + length, 0);
        out.copy_within(at + 1..at + 1 + length, at + needed);
    }
    write_varint(&mut out[at..], length as u64);
}
