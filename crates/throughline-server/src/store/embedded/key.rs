//! How records are named in the indexes: by project and id together, and by 64-bit references where a column is
//! needed to join on.

use throughline_model::{ProjectId, TraceId};

/// Stands between project and id; no project id has it.
const SEPARATOR: char = '\0';

/// The term for something with a text id (a session, an event).
pub(super) fn text_key(project: &ProjectId, id: &str) -> String {
    let project = project.as_str();
    let mut key = String::with_capacity(project.len() + id.len() + 1);
    key.push_str(project);
    key.push(SEPARATOR);
    key.push_str(id);
    key
}

/// The id in a term made by [`text_key`].
pub(super) fn id_of(key: &str) -> &str {
    key.split_once(SEPARATOR).map_or(key, |(_, id)| id)
}

/// The term for a trace.
pub(super) fn trace_key(project: &ProjectId, id: TraceId) -> Vec<u8> {
    let mut key = Vec::with_capacity(project.as_str().len() + 17);
    key.extend_from_slice(project.as_str().as_bytes());
    key.push(SEPARATOR as u8);
    key.extend_from_slice(id.as_bytes());
    key
}

/// A number that stands for a key in columns. The same in every version, because it is on disk; two keys with the
/// same one (once in 10¹⁹ pairs) would answer to each other's filters, never to each other's sums.
pub(super) fn reference(key: &[u8]) -> u64 {
    // FNV-1a, finished by the mixer of SplitMix64 to spread what FNV leaves in the low bits
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_never_change() {
        assert_eq!(reference(b""), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(
            reference(b"default\0chat-1"),
            reference(text_key(&ProjectId::default(), "chat-1").as_bytes())
        );
    }
}
