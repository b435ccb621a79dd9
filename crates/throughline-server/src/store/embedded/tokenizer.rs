//! The words of a text for the index, each once: enough when the index only says which records hold a word.
//!
//! Short words are filled up with zeros, and are written in one piece. The index library copies a word and at once hashes
//! it, four bytes at a time, and processors cannot read so soon what was not written in the same pieces: they wait until
//! everything written before has reached the cache, which takes long when each word is followed by writes to places all
//! over the index in memory. So the words of a text are laid out first, and handed on from there.

use std::borrow::Cow;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::domain::filter::words::{Cutter, Form, SHORT_BYTES};
use crate::store::priority::Senders;

/// The name under which the tokenizer is registered.
pub(super) const NAME: &str = "once";

/// The word as it stands in the index.
pub(super) fn indexed(word: &str) -> Cow<'_, str> {
    let zeros = filled(word.len()) - word.len();
    if zeros == 0 { Cow::Borrowed(word) } else { Cow::Owned(word.to_owned() + &"\0".repeat(zeros)) }
}

/// How long a word of so many bytes is in the index.
#[inline(always)]
fn filled(length: usize) -> usize {
    if length > SHORT_BYTES { length } else { length.next_power_of_two().max(4) }
}

/// Cuts text as [`crate::domain::filter::words`] says.
#[derive(Clone, Default)]
pub(super) struct Once {
    token: Token,
    words: Words,
    met: Met,
    senders: Senders,
}

impl Once {
    /// Lets these senders go before it, at each text.
    pub(super) fn new(senders: Senders) -> Self {
        Self { senders, ..Self::default() }
    }
}

/// The words of a text, as they stand in the index.
#[derive(Clone, Default)]
struct Words {
    /// One behind the other, each filled up to the next multiple of [`SHORT_BYTES`].
    text: String,
    lengths: Vec<u8>,
}

/// The words met in a text, a direct-mapped table of hashes: where two clash, a repeat slips through, which harms nothing.
#[derive(Clone, Default)]
struct Met {
    hashes: Vec<u64>,
    mask: usize,
    /// Goes into what is kept of a hash, so that nothing of the text before is taken for a word of this one.
    text: u64,
}

pub(super) struct OnceStream<'a> {
    words: &'a str,
    lengths: std::slice::Iter<'a, u8>,
    token: &'a mut Token,
}

impl Tokenizer for Once {
    type TokenStream<'a> = OnceStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> OnceStream<'a> {
        self.senders.go_first();
        self.token.reset();
        self.met.begin(text.len());
        self.words.lay_out(text, &mut self.met, &mut self.token.text);
        OnceStream { words: &self.words.text, lengths: self.words.lengths.iter(), token: &mut self.token }
    }
}

impl Words {
    fn lay_out(&mut self, text: &str, met: &mut Met, word: &mut String) {
        let mut words = std::mem::take(&mut self.text).into_bytes();
        words.clear();
        self.lengths.clear();
        let mut cutter = Cutter::new(text);
        while let Some(cut) = cutter.next() {
            if !met.is_new(cut.hash) {
                continue;
            }
            if let Form::Short(sixteen) = cut.form {
                words.extend_from_slice(&sixteen.to_le_bytes());
                self.lengths.push(filled(cut.end - cut.start) as u8);
            } else {
                cutter.write(&cut, word);
                words.extend_from_slice(word.as_bytes());
                words.resize(words.len().next_multiple_of(SHORT_BYTES), 0);
                self.lengths.push(filled(word.len()) as u8);
            }
        }
        // One pass over all of them is cheaper than proving each to be a text.
        self.text = String::from_utf8(words).unwrap_or_default();
    }
}

impl Met {
    fn begin(&mut self, text_bytes: usize) {
        let size = (text_bytes / 4).next_power_of_two().clamp(64, 8192);
        if self.hashes.len() < size {
            self.hashes.resize(size, 0);
        }
        self.mask = size - 1;
        self.text = self.text.wrapping_add(0x9e37_79b9_7f4a_7c15);
    }

    /// Whether the word was not met before, as far as is remembered.
    #[inline(always)]
    fn is_new(&mut self, hash: u64) -> bool {
        let kept = hash ^ self.text;
        std::mem::replace(&mut self.hashes[(hash >> 40) as usize & self.mask], kept) != kept
    }
}

impl TokenStream for OnceStream<'_> {
    #[inline]
    fn advance(&mut self) -> bool {
        let Some(&length) = self.lengths.next() else { return false };
        let length = usize::from(length);
        let Some((place, rest)) = self.words.split_at_checked(length.next_multiple_of(SHORT_BYTES)) else {
            return false;
        };
        self.words = rest;
        let word = &mut self.token.text;
        word.clear();
        match place.get(..SHORT_BYTES).filter(|_| length <= SHORT_BYTES) {
            // A copy whose length is known beforehand is a single write.
            Some(sixteen) => {
                word.push_str(sixteen);
                word.truncate(length);
            }
            None => word.push_str(&place[..length]),
        }
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::filter::words;

    fn tokens(tokenizer: &mut Once, text: &str) -> Vec<String> {
        let (mut stream, mut tokens) = (tokenizer.token_stream(text), Vec::new());
        while stream.advance() {
            tokens.push(stream.token().text.clone());
        }
        tokens
    }

    #[test]
    fn each_word_comes_once() {
        let mut tokenizer = Once::default();
        let mut words = |text| {
            tokens(&mut tokenizer, text)
                .join(" ")
                .replace('\0', "")
                .split(' ')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words("The cat and THE dog, the end"), ["the", "cat", "and", "dog", "end"]);
        assert_eq!(
            words("the next text"),
            ["the", "next", "text"],
            "nothing is remembered of the text before"
        );
    }

    #[test]
    fn a_word_is_asked_for_as_it_is_indexed() {
        let text = "a two four seven77 0123456789ABCDEF 0123456789abcdefg Ärger 日本 éééééééééééé";
        let asked: Vec<_> = words::words(text).map(|word| indexed(&word).into_owned()).collect();
        assert_eq!(tokens(&mut Once::default(), text), asked);
        assert_eq!(asked[..4], ["a\0\0\0", "two\0", "four", "seven77\0"]);
    }
}
