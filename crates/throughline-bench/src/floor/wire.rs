//! The least that must be read of a trace request to index it. Trusts its input: it reads only what we made.

pub(crate) enum Wire<'a> {
    Int(u64),
    Bytes(&'a [u8]),
}

/// The fields of one protobuf message.
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    #[inline]
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    #[inline]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Wire<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Int(self.varint()?),
            1 => Wire::Int(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = self.varint()? as usize;
                Wire::Bytes(self.take(length)?)
            }
            _ => return None,
        };
        Some((tag >> 3, wire))
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Int(i64),
}

/// A span with the load's attributes taken apart.
#[derive(Default)]
pub(crate) struct Span<'a> {
    pub(crate) trace: &'a [u8],
    pub(crate) id: &'a [u8],
    pub(crate) is_root: bool,
    pub(crate) name: &'a str,
    pub(crate) service: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) session: &'a str,
    pub(crate) user: &'a str,
    pub(crate) model: &'a str,
    pub(crate) input: &'a str,
    pub(crate) output: &'a str,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) is_error: bool,
    pub(crate) attributes: Vec<(&'a str, Value<'a>)>,
    pub(crate) bytes: &'a [u8],
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

fn attribute(bytes: &[u8]) -> Option<(&str, Value<'_>)> {
    let (mut key, mut value) = ("", None);
    for (field, wire) in Fields(bytes) {
        match (field, wire) {
            (1, Wire::Bytes(bytes)) => key = text(bytes),
            (2, Wire::Bytes(bytes)) => {
                value = match Fields(bytes).next()? {
                    (1, Wire::Bytes(bytes)) => Some(Value::Text(text(bytes))),
                    (3, Wire::Int(number)) => Some(Value::Int(number as i64)),
                    _ => None,
                }
            }
            _ => {}
        }
    }
    Some((key, value?))
}

impl<'a> Span<'a> {
    fn read(bytes: &'a [u8], service: &'a str) -> Self {
        let mut span =
            Self { service, bytes, is_root: true, attributes: Vec::with_capacity(12), ..Self::default() };
        for (field, wire) in Fields(bytes) {
            match (field, wire) {
                (1, Wire::Bytes(bytes)) => span.trace = bytes,
                (2, Wire::Bytes(bytes)) => span.id = bytes,
                (4, Wire::Bytes(_)) => span.is_root = false,
                (5, Wire::Bytes(bytes)) => span.name = text(bytes),
                (7, Wire::Int(time)) => span.start = time as i64,
                (8, Wire::Int(time)) => span.end = time as i64,
                (9, Wire::Bytes(bytes)) => span.attributes.extend(attribute(bytes)),
                (15, Wire::Bytes(bytes)) => {
                    span.is_error = Fields(bytes).any(|field| matches!(field, (3, Wire::Int(2))))
                }
                _ => {}
            }
        }
        span.take_known();
        span
    }

    fn take_known(&mut self) {
        let mut rest = std::mem::take(&mut self.attributes);
        rest.retain(|&(key, value)| {
            match (key, value) {
                ("session.id", Value::Text(text)) => self.session = text,
                ("user.id", Value::Text(text)) => self.user = text,
                ("openinference.span.kind", Value::Text(text)) => self.kind = text,
                ("gen_ai.request.model", Value::Text(text)) => self.model = text,
                ("input.value", Value::Text(text)) => self.input = text,
                ("output.value", Value::Text(text)) => self.output = text,
                ("gen_ai.usage.input_tokens", Value::Int(number)) => self.input_tokens = number as u64,
                ("gen_ai.usage.output_tokens", Value::Int(number)) => self.output_tokens = number as u64,
                _ => return true,
            }
            false
        });
        self.attributes = rest;
    }
}

/// Calls `each` with every span of a request.
pub(crate) fn each_span(body: &[u8], mut each: impl FnMut(Span<'_>)) {
    for (field, wire) in Fields(body) {
        let (1, Wire::Bytes(resource_spans)) = (field, wire) else { continue };
        let mut service = "";
        for (field, wire) in Fields(resource_spans) {
            let Wire::Bytes(part) = wire else { continue };
            for (inner, wire) in Fields(part) {
                match (field, inner, wire) {
                    (1, 1, Wire::Bytes(bytes)) => {
                        if let Some(("service.name", Value::Text(name))) = attribute(bytes) {
                            service = name;
                        }
                    }
                    (2, 2, Wire::Bytes(span)) => each(Span::read(span, service)),
                    _ => {}
                }
            }
        }
    }
}
