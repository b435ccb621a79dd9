//! Hashes that must stay the same for ever: ids are made of them.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// Ids longer than this are cut and marked with a hash: they become index terms.
const LONGEST_ID: usize = 512;

/// SHA-256 over the parts, each with its length before it.
pub(super) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// An id as it is, or a long one's beginning with a hash of it all.
pub(super) fn bounded_id(id: Cow<'_, str>) -> Cow<'_, str> {
    if id.len() <= LONGEST_ID {
        return id;
    }
    let head = &id[..id.floor_char_boundary(128)];
    Cow::Owned(format!("{head}~{}", hex(&digest(&[id.as_bytes()])[..16])))
}
