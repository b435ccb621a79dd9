//! What may be in a body: its format, its encoding, and how much of it.

use std::io::{self, Read};
use std::time::Duration;

use ::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use ::http::{HeaderMap, HeaderName};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;

use crate::http::{Error, Kind};

use super::room::Lease;

/// How long a client may be silent in the middle of a body.
const SILENCE: Duration = Duration::from_secs(30);
/// Windows above 8 MB are refused (RFC 9659 lets a decoder do so): the window is memory that the sender chooses.
const ZSTD_WINDOW_LOG: u32 = 23;
const STEP: usize = 64 << 10;

/// The media types that bodies come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Protobuf,
    Json,
    JsonLines,
}

impl Format {
    /// The format that `content-type` names; `None` if it is one we do not read.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
        let format = match parts.next()?.as_str() {
            "application/x-protobuf" | "application/protobuf" => Self::Protobuf,
            "application/json" => Self::Json,
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Self::JsonLines,
            _ => return None,
        };
        let charset = parts.find_map(|part| part.strip_prefix("charset=").map(|name| name.replace('"', "")));
        charset.is_none_or(|name| matches!(name.as_str(), "utf-8" | "utf8" | "us-ascii")).then_some(format)
    }
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
}

impl Encoding {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        Self::named(headers, &CONTENT_ENCODING)
    }

    fn named(headers: &HeaderMap, name: &HeaderName) -> Result<Self, Error> {
        let mut values = headers.get_all(name).iter();
        let (value, more) = (values.next(), values.next());
        let Some(value) = value else { return Ok(Self::Identity) };
        let text = value.to_str().unwrap_or("?").trim().to_ascii_lowercase();
        match text.as_str() {
            _ if more.is_some() => Err(unsupported("several content encodings on one body are not read")),
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            "zstd" => Ok(Self::Zstd),
            _ if text.contains(',') => Err(unsupported("several content encodings on one body are not read")),
            _ => Err(unsupported(&format!("content encoding {text:?} is not read; send {ACCEPTED}"))),
        }
    }
}

/// The value of `accept-encoding` on 415 answers.
pub(super) const ACCEPTED: &str = "gzip, deflate, zstd, identity";

fn unsupported(message: &str) -> Error {
    Error::new(Kind::UnsupportedMediaType, message).code("unsupported_encoding")
}

/// Tells a client whose encoding was refused which ones are read (RFC 9110, 15.5.16).
pub(super) fn name_accepted(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, ::http::HeaderValue::from_static(ACCEPTED));
}

/// Reads a body as sent, up to `cap` bytes, chunked or not.
pub(super) async fn read(
    headers: &HeaderMap,
    body: &mut Body,
    cap: usize,
    lease: &mut Lease,
) -> Result<Bytes, Error> {
    let declared: Option<u64> =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length| length > cap as u64) {
        return Err(too_large("the body", cap));
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = tokio::time::timeout(SILENCE, body.frame()).await.map_err(|_| silent())? {
        let frame = frame.map_err(|error| Error::bad_request(format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > cap {
            return Err(too_large("the body", cap));
        }
        lease.grow(data.len())?;
        match (first.is_empty(), rest.is_empty()) {
            (true, true) => first = data,
            (_, true) => {
                rest.reserve(declared.map_or(first.len() + data.len(), |length| length as usize));
                rest.extend_from_slice(&std::mem::take(&mut first));
                rest.extend_from_slice(&data);
            }
            (_, false) => rest.extend_from_slice(&data),
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Reads and drops the rest of a body that was refused. A connection that is closed with unread bytes is reset, and the
/// answer lost with it: the client would not learn why and send the same again.
pub(super) async fn discard(mut body: Body) {
    const ENOUGH: usize = 64 << 20;
    const PATIENCE: Duration = Duration::from_secs(5);
    let rest = async {
        let mut dropped = 0;
        while let Some(Ok(frame)) = body.frame().await {
            dropped += frame.data_ref().map_or(0, Bytes::len);
            if dropped > ENOUGH {
                break;
            }
        }
    };
    if tokio::time::timeout(PATIENCE, rest).await.is_err() {
        tracing::debug!("a refused body goes on and on; the connection is closed");
    }
}

/// Unpacks a body. Stops as soon as more than `cap` bytes come out, so that no more are ever held.
pub(super) fn unpack(
    packed: Bytes,
    encoding: Encoding,
    cap: usize,
    lease: &mut Lease,
) -> Result<Bytes, Error> {
    let source = packed.as_ref();
    match encoding {
        Encoding::Identity => Ok(packed),
        // An empty body is an empty body, however it claims to be packed.
        _ if packed.is_empty() => Ok(packed),
        Encoding::Gzip => drain(MultiGzDecoder::new(source), "gzip", cap, lease),
        Encoding::Deflate if is_zlib(source) => drain(ZlibDecoder::new(source), "deflate", cap, lease),
        // What HTTP calls deflate is zlib (RFC 9110, 8.4.1.2), but some clients leave its wrapping out.
        Encoding::Deflate => drain(DeflateDecoder::new(source), "deflate", cap, lease),
        Encoding::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(source).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Ok(decoder)
            });
            drain(decoder.map_err(|error| damaged("zstd", &error))?, "zstd", cap, lease)
        }
    }
}

/// RFC 1950: method 8 and a header that divides by 31.
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [first, second, ..]
        if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31))
}

fn drain(mut source: impl Read, encoding: &str, cap: usize, lease: &mut Lease) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    let mut step = vec![0; STEP];
    loop {
        let read = match source.read(&mut step) {
            Ok(0) => return Ok(out.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(encoding, &error)),
        };
        if out.len() + read > cap {
            return Err(too_large(&format!("the {encoding} body unpacked"), cap));
        }
        lease.grow(read)?;
        if out.capacity() - out.len() < read {
            // Doubling, but never past the cap.
            let wanted = (out.capacity() * 2).clamp(out.len() + read, cap);
            out.reserve_exact(wanted - out.len());
        }
        out.extend_from_slice(&step[..read]);
    }
}

fn damaged(encoding: &str, error: &io::Error) -> Error {
    Error::bad_request(format!("the {encoding} body is damaged: {error}")).code("damaged_body")
}

pub(super) fn too_large(what: &str, cap: usize) -> Error {
    Error::new(Kind::TooLarge, format!("{what} is larger than {cap} bytes; send smaller batches"))
        .with("limitBytes", cap)
}

fn silent() -> Error {
    Error::new(Kind::Timeout, format!("no more of the body came for {} seconds", SILENCE.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::super::room::Room;
    use super::*;

    fn pack(encoding: Encoding, bytes: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::fast();
        match encoding {
            Encoding::Identity => bytes.to_vec(),
            Encoding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Zstd => zstd::encode_all(bytes, 1).unwrap(),
        }
    }

    const PACKED: [Encoding; 3] = [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd];

    proptest! {
        #[test]
        fn what_was_packed_comes_out_unless_it_is_too_much(bytes in prop::collection::vec(0..4_u8, 0..5000), cap in 1..5000_usize) {
            for encoding in PACKED {
                let packed = Bytes::from(pack(encoding, &bytes));
                let out = unpack(packed, encoding, cap, &mut Room::new(1 << 20).lease());
                match out {
                    Ok(out) => prop_assert_eq!(out, &bytes),
                    Err(error) => {
                        prop_assert!(bytes.len() > cap);
                        prop_assert_eq!(error.kind(), Kind::TooLarge);
                    }
                }
            }
        }

        #[test]
        fn damage_is_an_error_or_comes_out_bounded(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            for encoding in PACKED {
                if let Ok(out) = unpack(Bytes::from(bytes.clone()), encoding, 10_000, &mut Room::new(1 << 20).lease()) {
                    prop_assert!(out.len() <= 10_000);
                }
            }
        }
    }

    #[test]
    fn never_more_than_the_cap_is_held() {
        for encoding in PACKED {
            let bomb = Bytes::from(pack(encoding, &vec![0; 64 << 20]));
            // The budget is exactly the cap: to hold a byte more would be refused as busy, not as too large.
            let error = unpack(bomb, encoding, 1 << 20, &mut Room::new(1 << 20).lease()).unwrap_err();
            assert_eq!(error.kind(), Kind::TooLarge, "{encoding:?}");
        }
    }

    #[test]
    fn a_window_that_would_take_too_much_memory_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&vec![7; 1000]).unwrap();
        let packed = Bytes::from(encoder.finish().unwrap());
        let error = unpack(packed, Encoding::Zstd, 1 << 20, &mut Room::new(1 << 20).lease()).unwrap_err();
        assert_eq!(error.kind(), Kind::BadRequest);
    }
}
