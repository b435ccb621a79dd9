//! Vocabularies: the words that what is stored has again and again, each with a number that it is stored as.
//!
//! Compression looks for repeats within one block of records; a word that comes once in a block costs all its letters
//! there. So the words are learnt from a sample of what is stored, and written to a file of their own. A vocabulary
//! never changes; when another one would do much better, that is added, and what was stored keeps the one it has.

mod learner;
mod words;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use self::learner::Learner;
pub(super) use self::words::NotInWords;
use self::words::Words;
use super::directory::write_durably;

/// What is stored in numbers begins with three bytes: this and the number of the vocabulary, and the end of that one's
/// checksum, so that it is never read in other words. What begins with a byte beyond ASCII itself is always stored so.
const IN_NUMBERS: u8 = 0x80;
/// The vocabulary without a word.
const EMPTY: usize = 0;
const MAX_VOCABULARIES: usize = 127;
/// What the first line of a file begins with.
const FORMAT: &str = "throughline vocabulary, format 1";
/// Once there is a vocabulary, one in so many records is looked at to see whether another would do better...
const FIRST_STRIDE: u32 = 32;
/// ... and fewer each time that it would not.
const LAST_STRIDE: u32 = 1024;
/// Of a record only so much is looked at.
const LOOKED_AT_BYTES: usize = 64 << 10;
/// What memory is kept for the next record.
const KEPT_BYTES: usize = 1 << 20;
/// Another vocabulary is used if words take at most this share, in percent, of what they take now.
const WORTH_PERCENT: usize = 90;

/// Why something stored cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("it is stored in the words of vocabulary {0}, which is missing")]
    Missing(usize),
    #[error("it is stored in the words of another vocabulary {0} than this one")]
    Other(usize),
    #[error(transparent)]
    Damaged(#[from] NotInWords),
}

#[derive(Debug)]
struct Vocabulary {
    words: Words,
    /// Of the lines of its file.
    checksum: u32,
}

/// All vocabularies of a data directory, and what is being learnt for the next.
#[derive(Debug)]
pub(super) struct Vocabularies {
    dir: PathBuf,
    /// By number; the last one is used for what is stored from now on.
    known: RwLock<Vec<Arc<Vocabulary>>>,
    /// For the one thread that stores.
    storing: Mutex<Storing>,
}

#[derive(Debug)]
struct Storing {
    learner: Learner,
    sample_bytes: usize,
    /// One in so many records is looked at.
    stride: u32,
    until_next: u32,
    /// Used again and again.
    buffer: Vec<u8>,
}

impl Vocabularies {
    /// Reads what is in the directory, which need not exist. A vocabulary is learnt from `sample_bytes` of records.
    pub(super) fn open(dir: PathBuf, sample_bytes: usize) -> io::Result<Self> {
        let mut known = vec![Arc::new(Vocabulary::of(Words::new([])))];
        while known.len() <= MAX_VOCABULARIES {
            match fs::read(file(&dir, known.len())) {
                Ok(bytes) => {
                    let read = Vocabulary::read(&bytes).ok_or_else(|| damaged(&dir, known.len()))?;
                    known.push(Arc::new(read));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        let stride = if known.len() > 1 { FIRST_STRIDE } else { 1 };
        let learner = Learner::new(sample_bytes);
        let storing = Storing { learner, sample_bytes, stride, until_next: 0, buffer: Vec::new() };
        Ok(Self { dir, known: RwLock::new(known), storing: Mutex::new(storing) })
    }

    /// Calls `put` with these bytes as they are to be stored, and whether that is in numbers.
    pub(super) fn encode<T>(&self, bytes: &[u8], put: impl FnOnce(&[u8], bool) -> T) -> T {
        let (number, latest) = self.latest();
        let mut storing = self.storing();
        storing.look_at(bytes);
        let is_plain = bytes.first().is_none_or(u8::is_ascii);
        if number == EMPTY && is_plain {
            return put(bytes, false);
        }
        let buffer = &mut storing.buffer;
        buffer.clear();
        let [high, low] = latest.mark();
        buffer.extend_from_slice(&[IN_NUMBERS | number as u8, high, low]);
        latest.words.encode(bytes, buffer);
        if is_plain && buffer.len() >= bytes.len() {
            return put(bytes, false);
        }
        let done = put(buffer, true);
        buffer.shrink_to(KEPT_BYTES);
        done
    }

    /// What [`Self::encode`] was given.
    pub(super) fn decode(&self, stored: Vec<u8>) -> Result<Vec<u8>, DecodeError> {
        let Some((first, coded)) = stored.split_first().filter(|(first, _)| !first.is_ascii()) else {
            return Ok(stored);
        };
        let number = usize::from(first - IN_NUMBERS);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(number).map(Arc::clone);
        let known = known.ok_or(DecodeError::Missing(number))?;
        let coded = coded.strip_prefix(&known.mark()).ok_or(DecodeError::Other(number))?;
        let mut bytes = Vec::with_capacity(coded.len() * 3);
        known.words.decode(coded, &mut bytes)?;
        Ok(bytes)
    }

    /// Uses another vocabulary from now on, if enough was seen and it does better than the one before. It is on the
    /// disk before anything is stored in its words.
    pub(super) fn learn(&self) -> io::Result<()> {
        let mut storing = self.storing();
        if !storing.learner.is_done() {
            return Ok(());
        }
        let (before, current) = self.latest();
        let words = storing.learner.words();
        let is_better = storing.learner.bytes_with(&words) * 100
            <= storing.learner.bytes_with(&current.words) * WORTH_PERCENT;
        storing.begin_anew(is_better);
        let number = before + 1;
        if !is_better || number > MAX_VOCABULARIES {
            return Ok(());
        }
        fs::create_dir_all(&self.dir)?;
        self.dir.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())?;
        let learnt = Vocabulary::of(words);
        write_durably(&file(&self.dir, number), &learnt.written()?)?;
        tracing::info!(
            number,
            words = learnt.words.len(),
            "what is stored is stored in a new vocabulary from now on"
        );
        self.known.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(learnt));
        Ok(())
    }

    fn latest(&self) -> (usize, Arc<Vocabulary>) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let last = known.len() - 1;
        (last, Arc::clone(&known[last]))
    }

    fn storing(&self) -> MutexGuard<'_, Storing> {
        self.storing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storing {
    fn look_at(&mut self, bytes: &[u8]) {
        if self.until_next > 0 {
            self.until_next -= 1;
        } else if !self.learner.is_done() {
            self.until_next = self.stride - 1;
            self.learner.look_at(&bytes[..bytes.len().min(LOOKED_AT_BYTES)]);
        }
    }

    fn begin_anew(&mut self, was_better: bool) {
        self.learner = Learner::new(self.sample_bytes);
        self.stride =
            if was_better { FIRST_STRIDE } else { (self.stride * 2).clamp(FIRST_STRIDE, LAST_STRIDE) };
    }
}

fn file(dir: &Path, number: usize) -> PathBuf {
    dir.join(number.to_string())
}

fn damaged(dir: &Path, number: usize) -> io::Error {
    let file = file(dir, number);
    io::Error::new(io::ErrorKind::InvalidData, format!("the vocabulary {} is damaged", file.display()))
}

impl Vocabulary {
    fn of(words: Words) -> Self {
        let checksum = crc32fast::hash(&lines(&words));
        Self { words, checksum }
    }

    /// What follows its number in what is stored.
    fn mark(&self) -> [u8; 2] {
        (self.checksum as u16).to_be_bytes()
    }

    /// One line that tells the checksum of the others, then a line for each word.
    fn written(&self) -> io::Result<Vec<u8>> {
        let mut file = Vec::new();
        writeln!(file, "{FORMAT}, crc32 {:08x}", self.checksum)?;
        file.extend_from_slice(&lines(&self.words));
        Ok(file)
    }

    fn read(file: &[u8]) -> Option<Self> {
        let end = file.iter().position(|byte| *byte == b'\n')?;
        let lines = file[end + 1..].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let vocabulary = Self::of(Words::new(lines));
        (vocabulary.written().ok()? == file).then_some(vocabulary)
    }
}

fn lines(words: &Words) -> Vec<u8> {
    let mut lines = Vec::new();
    for word in words.iter() {
        lines.extend_from_slice(word);
        lines.push(b'\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const SAMPLE_BYTES: usize = 4 << 10;

    fn open(dir: &TempDir) -> Vocabularies {
        Vocabularies::open(dir.path().join("vocabularies"), SAMPLE_BYTES).unwrap()
    }

    fn stored(vocabularies: &Vocabularies, text: &str) -> Vec<u8> {
        vocabularies.encode(text.as_bytes(), |bytes, _| bytes.to_vec())
    }

    fn fill_with(vocabularies: &Vocabularies, text: &str) {
        for _ in 0..SAMPLE_BYTES * (LAST_STRIDE as usize) / text.len() {
            stored(vocabularies, text);
        }
        vocabularies.learn().unwrap();
    }

    #[test]
    fn what_was_stored_stays_readable_when_the_words_change() {
        let dir = TempDir::new().unwrap();
        let vocabularies = open(&dir);
        let texts = ["whether the order arrives tomorrow", "ob die Bestellung morgen ankommt", "unheard of"];
        let mut all = Vec::new();
        for text in texts {
            all.push((text, stored(&vocabularies, text)));
            fill_with(&vocabularies, text);
            fill_with(&vocabularies, text);
            all.push((text, stored(&vocabularies, text)));
        }
        assert_eq!(all[0].1, texts[0].as_bytes());
        assert_eq!(all[1].1[0], IN_NUMBERS | 1);
        assert_eq!(all[1].1[3..], [0x84, 0x82, 0x81, 0x80, 0x83]);
        assert_eq!(vocabularies.latest().0, 3, "one for each language, none for the same again");
        let again = open(&dir);
        for (text, bytes) in all {
            assert_eq!(again.decode(bytes).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn what_begins_like_numbers_is_not_taken_for_them() {
        let dir = TempDir::new().unwrap();
        let vocabularies = open(&dir);
        for bytes in [&b"\x81\x80"[..], b"\xff", b"", b"{}"] {
            let stored = vocabularies.encode(bytes, |stored, _| stored.to_vec());
            assert_eq!(vocabularies.decode(stored).unwrap(), bytes);
        }
    }

    #[test]
    fn a_damaged_or_missing_vocabulary_is_an_error() {
        let dir = TempDir::new().unwrap();
        let vocabularies = open(&dir);
        fill_with(&vocabularies, "whether the order arrives tomorrow");
        let bytes = stored(&vocabularies, "the order");
        let file = dir.path().join("vocabularies/1");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("order", "other")).unwrap();
        let opened = Vocabularies::open(dir.path().join("vocabularies"), SAMPLE_BYTES);
        assert!(opened.unwrap_err().to_string().contains("vocabularies/1 is damaged"));
        fs::remove_file(&file).unwrap();
        let without = open(&dir);
        assert!(matches!(without.decode(bytes.clone()), Err(DecodeError::Missing(1))));
        fill_with(&without, "not what it was learnt from before");
        assert!(matches!(without.decode(bytes), Err(DecodeError::Other(1))));
    }
}
