//! One entry in a log file: a header, the payload, and padding to eight bytes.
//!
//! ```text
//! 0   magic        u32
//! 4   length       u32   of the payload
//! 8   sequence     u64   one more than the frame before
//! 16  durable      u64   everything up to this sequence was on disk when this frame was written
//! 24  checksum     u32   crc32 over bytes 4 to 24 and the payload
//! 28  zero         u32
//! 32  payload
//! ```

const MAGIC: u32 = u32::from_le_bytes(*b"TLF1");
const HEADER_BYTES: usize = 32;
/// Frames begin at multiples of this, so that the next one can be found behind a damaged one.
const ALIGNMENT: usize = 8;

/// A frame that passed its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) sequence: u64,
    pub(super) durable: u64,
    pub(super) payload: &'a [u8],
}

/// How many bytes a payload of this length takes in the file.
pub(super) fn framed_len(payload_len: usize) -> usize {
    (HEADER_BYTES + payload_len).next_multiple_of(ALIGNMENT)
}

/// How many zeros follow a payload of this length.
pub(super) fn padding(payload_len: usize) -> usize {
    framed_len(payload_len) - HEADER_BYTES - payload_len
}

/// Appends the header of a frame to `buffer`; the payload is given in parts.
pub(super) fn put_header(buffer: &mut Vec<u8>, sequence: u64, durable: u64, parts: &[&[u8]]) {
    let start = buffer.len();
    let length: usize = parts.iter().map(|part| part.len()).sum();
    buffer.extend_from_slice(&MAGIC.to_le_bytes());
    buffer.extend_from_slice(&(length as u32).to_le_bytes());
    buffer.extend_from_slice(&sequence.to_le_bytes());
    buffer.extend_from_slice(&durable.to_le_bytes());
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&buffer[start + 4..]);
    for part in parts {
        checksum.update(part);
    }
    buffer.extend_from_slice(&checksum.finalize().to_le_bytes());
    buffer.extend_from_slice(&[0; 4]);
}

/// The frame at `offset` and the offset behind it, if there is a whole and sound one.
pub(super) fn read(file: &[u8], offset: usize) -> Option<(Frame<'_>, usize)> {
    let rest = file.get(offset..)?;
    let header = rest.get(..HEADER_BYTES)?;
    if u32_at(header, 0) != MAGIC {
        return None;
    }
    let payload = rest[HEADER_BYTES..].get(..u32_at(header, 4) as usize)?;
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&header[4..24]);
    checksum.update(payload);
    if checksum.finalize() != u32_at(header, 24) {
        return None;
    }
    let frame = Frame { sequence: u64_at(header, 8), durable: u64_at(header, 16), payload };
    Some((frame, offset + framed_len(payload.len())))
}

/// The first sound frame at or after `offset` with at least this sequence.
pub(super) fn find(file: &[u8], offset: usize, sequence: u64) -> Option<usize> {
    (offset.next_multiple_of(ALIGNMENT)..file.len())
        .step_by(ALIGNMENT)
        .find(|&at| read(file, at).is_some_and(|(frame, _)| frame.sequence >= sequence))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].try_into().map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].try_into().map_or(0, u64::from_le_bytes)
}
