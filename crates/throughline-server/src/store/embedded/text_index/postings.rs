//! The documents that hold a word, ascending, as they are in the file:
//!
//! | for | |
//! |---|---|
//! | each 128 documents | the last of them, and where their differences end behind this table: four bytes each, the lowest first |
//! | each 128 documents | their differences, packed into as many bits each as the largest one needs |
//! | the rest | their differences as LEB128 |
//!
//! A difference is how many documents are left out between one and the next.

use bitpacking::{BitPacker, BitPacker4x};
use tantivy::directory::OwnedBytes;
use tantivy::{DocId, DocSet, TERMINATED};

use super::leb128;

/// Documents that are packed together.
const BLOCK: usize = BitPacker4x::BLOCK_LEN;
/// What the table has for each block.
const ENTRY_BYTES: usize = 8;

/// Writes documents, which ascend, behind what is in `out`.
pub(super) fn write(documents: &[DocId], packer: &BitPacker4x, out: &mut Vec<u8>) {
    let (blocks, rest) = documents.as_chunks::<BLOCK>();
    let table = out.len();
    out.resize(table + blocks.len() * ENTRY_BYTES, 0);
    let packed = out.len();
    let mut before = None;
    for (number, block) in blocks.iter().enumerate() {
        let bits = packer.num_bits_strictly_sorted(before, block);
        let begin = out.len();
        out.resize(begin + BitPacker4x::compressed_block_size(bits), 0);
        packer.compress_strictly_sorted(before, block, &mut out[begin..], bits);
        let (last, end) = (block[BLOCK - 1], (out.len() - packed) as u32);
        let entry = table + number * ENTRY_BYTES;
        out[entry..entry + 4].copy_from_slice(&last.to_le_bytes());
        out[entry + 4..entry + ENTRY_BYTES].copy_from_slice(&end.to_le_bytes());
        before = Some(last);
    }
    for &document in rest {
        leb128::push(document - before.map_or(0, |before| before + 1), out);
        before = Some(document);
    }
}

/// The documents that hold a word, one after the other. What cannot be read ends them.
pub(super) struct Postings<B = OwnedBytes> {
    bytes: B,
    count: u32,
    /// Of the block that is unpacked; the rest counts as the last block.
    block: usize,
    documents: [DocId; BLOCK],
    length: usize,
    at: usize,
}

impl<B: AsRef<[u8]>> Postings<B> {
    /// So many documents as [`write`] left them.
    pub(super) fn new(bytes: B, count: u32) -> Self {
        let mut new = Self { bytes, count, block: 0, documents: [0; BLOCK], length: 0, at: 0 };
        new.unpack(0);
        new
    }

    fn full_blocks(&self) -> usize {
        self.count as usize / BLOCK
    }

    /// The last document of a block, and where its differences end in what follows the table.
    fn entry(&self, block: usize) -> Option<(DocId, usize)> {
        let entry = self.bytes.as_ref().get(block * ENTRY_BYTES..)?.first_chunk::<ENTRY_BYTES>()?;
        let [l0, l1, l2, l3, e0, e1, e2, e3] = *entry;
        Some((u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([e0, e1, e2, e3]) as usize))
    }

    /// Goes to the first document of a block, or behind the last one if there is none.
    fn unpack(&mut self, block: usize) {
        (self.block, self.at) = (block, 0);
        self.length = match block.cmp(&self.full_blocks()) {
            std::cmp::Ordering::Less => self.unpack_full(block).unwrap_or_else(unreadable),
            std::cmp::Ordering::Equal => self.unpack_rest().unwrap_or_else(unreadable),
            std::cmp::Ordering::Greater => 0,
        };
    }

    fn before(&self, block: usize) -> Option<(Option<DocId>, usize)> {
        match block.checked_sub(1) {
            Some(before) => self.entry(before).map(|(last, end)| (Some(last), end)),
            None => Some((None, 0)),
        }
    }

    fn unpack_full(&mut self, block: usize) -> Option<usize> {
        let (before, begin) = self.before(block)?;
        let (_, end) = self.entry(block)?;
        let table = self.full_blocks() * ENTRY_BYTES;
        let packed = self.bytes.as_ref().get(table + begin..table + end)?;
        let bits = packed.len() * 8 / BLOCK;
        if bits > 32 || bits * BLOCK != packed.len() * 8 {
            return None;
        }
        BitPacker4x::new().decompress_strictly_sorted(before, packed, &mut self.documents, bits as u8);
        Some(BLOCK)
    }

    fn unpack_rest(&mut self) -> Option<usize> {
        let blocks = self.full_blocks();
        let (mut before, begin) = self.before(blocks)?;
        let mut bytes = self.bytes.as_ref().get(blocks * ENTRY_BYTES + begin..)?;
        let rest = self.count as usize % BLOCK;
        for document in &mut self.documents[..rest] {
            let left_out = leb128::take(&mut bytes)?;
            *document = before.map_or(0, |before: DocId| before.saturating_add(1)).checked_add(left_out)?;
            before = Some(*document);
        }
        Some(rest)
    }

    /// Calls `each` with all that are left, a block at a time.
    pub(super) fn each_block(mut self, mut each: impl FnMut(&[DocId])) {
        while self.length > 0 {
            each(&self.documents[self.at..self.length]);
            self.unpack(self.block + 1);
        }
    }
}

/// There is nobody to hand an error to.
fn unreadable() -> usize {
    tracing::error!("the documents of a word cannot be read; a search will not find them");
    0
}

impl<B: AsRef<[u8]> + Send> DocSet for Postings<B> {
    #[inline]
    fn advance(&mut self) -> DocId {
        self.at += 1;
        if self.at >= self.length && self.length > 0 {
            self.unpack(self.block + 1);
        }
        self.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc() >= target {
            return self.doc();
        }
        if self.documents[self.length - 1] < target {
            // The blocks behind this one, up to the first that ends at the target or later.
            let (mut low, mut high) = (self.block + 1, self.full_blocks());
            while low < high {
                let middle = low + (high - low) / 2;
                let ends_before = self.entry(middle).is_some_and(|(last, _)| last < target);
                if ends_before { low = middle + 1 } else { high = middle }
            }
            self.unpack(low);
        }
        self.at += self.documents[self.at..self.length].partition_point(|document| *document < target);
        self.doc()
    }

    #[inline]
    fn doc(&self) -> DocId {
        if self.at < self.length { self.documents[self.at] } else { TERMINATED }
    }

    fn size_hint(&self) -> u32 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    fn written(documents: &[DocId]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(documents, &BitPacker4x::new(), &mut bytes);
        bytes
    }

    /// Documents as they might hold a rare, a common or any word.
    fn documents() -> impl Strategy<Value = Vec<DocId>> {
        let up_to = |last: DocId, count: usize| btree_set(0..last, 0..count);
        prop_oneof![up_to(TERMINATED, 10), up_to(3000, 1500), up_to(TERMINATED, 600)]
            .prop_map(|documents| documents.into_iter().collect())
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(documents in documents(), targets in btree_set(any::<DocId>(), 0..20)) {
            let bytes = written(&documents);
            let postings = || Postings::new(bytes.as_slice(), documents.len() as u32);
            let mut read = Vec::new();
            postings().each_block(|block| read.extend_from_slice(block));
            prop_assert_eq!(&read, &documents);
            let (mut one_by_one, mut each) = (Vec::new(), postings());
            while each.doc() != TERMINATED {
                one_by_one.push(each.doc());
                each.advance();
            }
            prop_assert_eq!(each.advance(), TERMINATED);
            prop_assert_eq!(&one_by_one, &documents);
            // Some of the targets are among the documents.
            let some = documents.iter().step_by(7).copied().chain(targets.into_iter().map(|target| target % TERMINATED));
            let mut some: Vec<_> = some.collect();
            some.sort_unstable();
            let mut seeking = postings();
            for target in some {
                let next = documents.iter().copied().find(|document| *document >= target);
                prop_assert_eq!(seeking.seek(target), next.unwrap_or(TERMINATED), "from {}", target);
            }
            prop_assert_eq!(seeking.seek(TERMINATED), TERMINATED);
        }

        /// Whatever is in the file, reading it ends, and ascends no further than there are documents.
        #[test]
        fn anything_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..400), count in 0u32..400) {
            let mut postings = Postings::new(bytes.as_slice(), count);
            let mut read = 0;
            while postings.doc() != TERMINATED && read <= count {
                read += 1;
                postings.advance();
            }
            prop_assert!(read <= count);
            Postings::new(bytes.as_slice(), count).seek(TERMINATED);
        }
    }

    #[test]
    fn common_words_take_little_room() {
        let every_third: Vec<_> = (0..128_000).step_by(3).collect();
        assert!(written(&every_third).len() * 8 < every_third.len() * 3, "two bits each, and the table");
        assert_eq!(written(&[5]).len(), 1);
    }
}
