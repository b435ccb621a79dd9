//! Hashes that must stay the same for ever: ids are made of them.

use sha2::{Digest, Sha256};

/// SHA-256 over the parts, each with its length before it.
pub(super) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// The first bytes of the hash over the parts, as hexadecimal digits.
pub(super) fn hex(parts: &[&[u8]], bytes: usize) -> String {
    digest(parts).iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}
