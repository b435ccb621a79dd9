//! Memory that is written into from front to back, and again from the front for the next request.

use super::wire;

/// Bytes up to where they are written so far. What lies behind is memory that was filled once and may be written over, so
/// that writing neither fills it again nor moves the end of a vector with every few bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Sheet {
    bytes: Vec<u8>,
    end: usize,
}

impl Sheet {
    /// Forgets what was written, and leaves a gap of so many bytes, whatever lies there.
    pub(super) fn begin(&mut self, gap: usize) {
        self.end = 0;
        self.window(gap);
        self.end = gap;
    }

    pub(super) const fn len(&self) -> usize {
        self.end
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    pub(super) fn written_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.end]
    }

    /// The next so many bytes, to be written over; [`advance`](Self::advance) makes them written.
    #[inline]
    pub(super) fn window(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < length {
            self.grow(length);
        }
        &mut self.bytes[self.end..][..length]
    }

    /// The same where it is known how many.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> &mut [u8; N] {
        if self.bytes.len() - self.end < N {
            self.grow(N);
        }
        match self.bytes[self.end..].first_chunk_mut() {
            Some(array) => array,
            None => unreachable!("it was made as long"),
        }
    }

    #[inline]
    pub(super) const fn advance(&mut self, length: usize) {
        self.end += length;
    }

    #[cold]
    fn grow(&mut self, length: usize) {
        let needed = self.end + length;
        self.bytes.resize(needed.next_power_of_two().max(4096), 0);
    }

    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.window(bytes.len()).copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Appends the tag and length of a length-delimited field whose content is as long.
    pub(super) fn push_length(&mut self, number: u8, length: usize) {
        let head: &mut [u8; 1 + wire::MAX_VARINT] = self.array();
        head[0] = number << 3 | 2;
        let taken = 1 + wire::write_varint(&mut head[1..], length as u64);
        self.advance(taken);
    }

    /// Makes what was written after `start` and `gap` the content of a length-delimited field, whose tag and length
    /// take the place of the gap. If they take more or less, the content is moved.
    #[cold]
    pub(super) fn settle(&mut self, start: usize, gap: usize, number: u8) {
        let content = start + gap..self.end;
        let mut head = [number << 3 | 2; 1 + wire::MAX_VARINT];
        let taken = 1 + wire::write_varint(&mut head[1..], content.len() as u64);
        self.window(taken);
        self.end = start + taken + content.len();
        self.bytes.copy_within(content, start + taken);
        self.bytes[start..start + taken].copy_from_slice(&head[..taken]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_whose_length_takes_more_or_less_than_was_left_for_it_is_moved() {
        for (gap, length) in [(3, 5), (3, 127), (3, 128), (3, 16_383), (3, 16_384), (1, 300), (6, 70_000)] {
            let content: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let mut sheet = Sheet::default();
            sheet.push(b"before");
            sheet.window(gap);
            sheet.advance(gap);
            sheet.push(&content);
            sheet.settle(6, gap, 2);
            sheet.push(b"after");
            let mut expected = b"before".to_vec();
            wire::put_bytes(&mut expected, 2, &content);
            expected.extend_from_slice(b"after");
            assert_eq!(sheet.written(), expected);
        }
    }

    #[test]
    fn what_was_written_before_leaves_no_trace() {
        let mut sheet = Sheet::default();
        sheet.push(&[7; 5000]);
        sheet.begin(2);
        sheet.push_length(1, 300);
        assert_eq!(sheet.written()[2..], [0x0a, 0xac, 0x02]);
    }
}
