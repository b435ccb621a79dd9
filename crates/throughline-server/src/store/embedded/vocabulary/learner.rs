//! Which words are worth a number: those that come again and again in what is stored.

use rustc_hash::FxHashMap;

use super::words::{MAX_WORDS, Words, each_word, number_bytes};

/// The most words counted at a time; when there are more, the rarest are forgotten.
const MAX_COUNTED: usize = 1 << 17;
/// What has more digits is a number or an id, and not worth keeping.
const MAX_DIGITS: usize = 5;
/// The sample is looked at in so many parts. A word in fewer than [`LEAST_PARTS`] of them is of its time: an id, a title.
const PARTS: usize = 32;
const LEAST_PARTS: u32 = 3;

/// Counts the words of a sample of records.
#[derive(Debug)]
pub(super) struct Learner {
    /// So many bytes are a sample.
    sample_bytes: usize,
    counts: FxHashMap<Box<[u8]>, Count>,
    seen_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    occurrences: u32,
    /// In how many parts of the sample, and the last of them.
    parts: u32,
    last_part: u32,
}

impl Learner {
    pub(super) fn new(sample_bytes: usize) -> Self {
        Self { sample_bytes, counts: FxHashMap::default(), seen_bytes: 0 }
    }

    /// Looks at one more record.
    pub(super) fn look_at(&mut self, record: &[u8]) {
        let part = (self.seen_bytes * PARTS / self.sample_bytes.max(1)) as u32;
        self.seen_bytes += record.len();
        each_word(record, |word| {
            if let Some(count) = self.counts.get_mut(word) {
                count.occurrences += 1;
                count.parts += u32::from(count.last_part != part);
                count.last_part = part;
            } else {
                self.counts.insert(word.into(), Count { occurrences: 1, parts: 1, last_part: part });
            }
        });
        let mut rare = 1;
        while self.counts.len() > MAX_COUNTED {
            self.counts.retain(|_, count| count.occurrences > rare);
            rare += 1;
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.seen_bytes >= self.sample_bytes
    }

    /// The words to be numbered.
    pub(super) fn words(&self) -> Words {
        let recurring =
            self.counts.iter().filter(|(word, count)| count.parts >= LEAST_PARTS && is_lasting(word));
        let mut words: Vec<_> = recurring.map(|(word, count)| (count.occurrences, &**word)).collect();
        words.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        words.truncate(MAX_WORDS);
        Words::new(words.into_iter().map(|(_, word)| word))
    }

    /// How many bytes the words of the sample take with these numbers.
    pub(super) fn bytes_with(&self, words: &Words) -> usize {
        let bytes = |word: &[u8]| words.number(word).map_or(word.len() + 1, number_bytes);
        self.counts.iter().map(|(word, count)| bytes(word) * count.occurrences as usize).sum()
    }
}

/// Whether a word is text, of which the file has a line for each, and no number or id.
fn is_lasting(word: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok()
        && word.iter().filter(|byte| byte.is_ascii_digit()).count() <= MAX_DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_come_again_and_again_are_numbered_the_commonest_first() {
        let mut learner = Learner::new(64 << 10);
        let mut record = 0;
        while !learner.is_done() {
            record += 1;
            let at_first = if record < 20 { "passing" } else { "" };
            let text = format!("order {record} of customer c-77812934 order {at_first} once{record}");
            learner.look_at(text.as_bytes());
        }
        let words = learner.words();
        let of = |word: &str| words.number(word.as_bytes());
        assert_eq!((of("order"), of("customer"), of("of")), (Some(0), Some(1), Some(2)));
        for word in ["passing", "77812934", "once7", "c"] {
            assert_eq!(of(word), None, "{word}");
        }
        assert!(learner.bytes_with(&words) < learner.bytes_with(&Words::new([])));
    }

    #[test]
    fn however_many_words_there_are_memory_is_bounded() {
        let mut learner = Learner::new(1 << 30);
        for number in 0..MAX_COUNTED + 1000 {
            learner.look_at(format!("again x{number}").as_bytes());
            assert!(learner.counts.len() <= MAX_COUNTED);
        }
        assert!(learner.counts.contains_key(&b"again"[..]));
    }
}
