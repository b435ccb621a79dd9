//! The words of a text for the index, each once: enough when the index only says which records hold a word.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::domain::filter::words::next_word;

/// The name under which the tokenizer is registered.
pub(super) const NAME: &str = "once";

/// Cuts text as [`crate::domain::filter::words`] says.
#[derive(Clone, Default)]
pub(super) struct Once {
    token: Token,
    /// Hashes of the words met, a direct-mapped table: where two clash, a repeat slips through, which harms nothing.
    met: Vec<u64>,
}

pub(super) struct OnceStream<'a> {
    text: &'a str,
    token: &'a mut Token,
    met: &'a mut [u64],
}

impl Tokenizer for Once {
    type TokenStream<'a> = OnceStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> OnceStream<'a> {
        self.token.reset();
        self.met.clear();
        self.met.resize((text.len() / 4).next_power_of_two().clamp(64, 8192), 0);
        OnceStream { text, token: &mut self.token, met: &mut self.met }
    }
}

impl TokenStream for OnceStream<'_> {
    fn advance(&mut self) -> bool {
        loop {
            let at = self.token.offset_to;
            let Some(place) = next_word(self.text, at, &mut self.token.text) else {
                return false;
            };
            (self.token.offset_from, self.token.offset_to) = (place.start, place.end);
            self.token.position = self.token.position.wrapping_add(1);
            let hash = hash(self.token.text.as_bytes());
            let slot = (hash >> 40) as usize & (self.met.len() - 1);
            if std::mem::replace(&mut self.met[slot], hash) != hash {
                return true;
            }
        }
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// Never 0, which stands for an empty slot.
#[inline]
fn hash(word: &[u8]) -> u64 {
    let fold = |hash: u64, part: u64| (hash.rotate_left(5) ^ part).wrapping_mul(0x517c_c1b7_2722_0a95);
    let whole = word.chunks_exact(4).map(|four| four.try_into().map_or(0, u32::from_le_bytes));
    let hash = whole.fold(word.len() as u64, |hash, four| fold(hash, four.into()));
    word.chunks_exact(4).remainder().iter().fold(hash, |hash, byte| fold(hash, (*byte).into())) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_comes_once() {
        let mut tokenizer = Once::default();
        let mut words = |text| {
            let (mut stream, mut words) = (tokenizer.token_stream(text), Vec::new());
            while stream.advance() {
                words.push(stream.token().text.clone());
            }
            words
        };
        assert_eq!(words("The cat and THE dog, the end"), ["the", "cat", "and", "dog", "end"]);
        assert_eq!(
            words("the next text"),
            ["the", "next", "text"],
            "nothing is remembered of the text before"
        );
    }
}
