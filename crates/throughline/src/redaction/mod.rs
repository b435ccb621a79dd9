//! What leaves the process, and in which form.

mod hashing;
mod keys;
mod text;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use self::hashing::KeyHashing;
use self::keys::{Patterns, words};
use crate::event::Extra;
use crate::observation::{Rare, Said};
use crate::pipeline::{Piece, Scalar};
use crate::{Attributes, Callsite, Error, ErrorInfo, SessionState};

/// Removes, hashes and shortens values before anything leaves the process.
///
/// Keys match without regard to case, by whole segments between dots: `password` covers `password`,
/// `ctx.user.password` and `password.hint`, not `password_hint` (unless words are split). A pattern may have several
/// segments: `user.email`. Covered are attributes and tags, nested ones too, error texts, and what traces take in and give
/// out. In the texts of errors, inputs and outputs `password=...` and `"password": "..."` lose their values too.
///
/// The default denies the usual names of secrets and shortens texts beyond 5000 characters.
///
/// ```
/// use throughline::{Redaction, Telemetry, emit, testing::Memory};
///
/// let memory = Memory::new();
/// let telemetry = Telemetry::builder("shop")
///     .environment("test")
///     .redaction(Redaction::default().deny(["card"]).max_text(10))
///     .transport(memory.clone())
///     .build()?;
/// emit!(telemetry, "user.signed_up", "ctx.user.password" => "hunter2", "ctx.card" => 4111, "note" => "far too long");
/// telemetry.flush(std::time::Duration::from_secs(1));
/// assert_eq!(serde_json::to_string(&memory.events()[0].attributes).unwrap(), r#"{"note":"far too l…"}"#);
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Redaction {
    deny: Vec<String>,
    hash: Vec<String>,
    hash_key: Option<Vec<u8>>,
    max_text: usize,
    split_words: bool,
}

/// Names under which secrets travel.
const DEFAULT_DENY: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "client_secret",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "auth_token",
    "api_key",
    "apikey",
    "api-key",
    "x-api-key",
    "private_key",
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "credentials",
    "card_number",
    "credit_card",
    "cvv",
    "cvc",
    "ssn",
];

impl Default for Redaction {
    fn default() -> Self {
        Self::none().deny(DEFAULT_DENY.iter().copied()).max_text(5000)
    }
}

impl Redaction {
    /// Lets everything through.
    pub const fn none() -> Self {
        Self { deny: Vec::new(), hash: Vec::new(), hash_key: None, max_text: usize::MAX, split_words: false }
    }

    /// Keys that are removed with their values. Adds to those denied before.
    pub fn deny<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.deny.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Keys whose values are replaced by `sha256:` and the first 32 hexadecimal digits of their SHA-256, so that equal
    /// values can still be told to be equal. Numbers and booleans are hashed as the text they have in JSON; arrays and
    /// maps value by value. A hash of something guessable (an e-mail address, a phone number) can be found by guessing,
    /// unless [`hash_key`](Self::hash_key) is set.
    #[cfg(feature = "hash")]
    pub fn hash<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.hash.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Hashes with this key (HMAC-SHA-256, written `hmac-sha256:`).
    #[cfg(feature = "hash")]
    pub fn hash_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.hash_key = Some(key.into());
        self
    }

    /// The most characters a text may have; a longer one is cut to that, the last character being `…`.
    pub const fn max_text(mut self, characters: usize) -> Self {
        self.max_text = characters;
        self
    }

    /// Whether keys are split at `_`, `-` and capitals too, so that `password` covers `user_password` and
    /// `userPassword`.
    pub const fn split_words(mut self, split: bool) -> Self {
        self.split_words = split;
        self
    }

    pub(crate) fn compile(&self) -> Result<Redactor, Error> {
        if self.max_text == 0 {
            return Err(Error::configuration("redaction.max_text", "must be at least 1"));
        }
        Ok(Redactor {
            deny: Patterns::parse("redaction.deny", &self.deny, self.split_words)?,
            hash: Patterns::parse("redaction.hash", &self.hash, self.split_words)?,
            #[cfg(feature = "hash")]
            hasher: hash::Hasher::new(self.hash_key.as_deref()),
            max_text: self.max_text,
            split_words: self.split_words,
            actions: HashMap::default(),
            sites: Vec::new(),
            places: HashMap::default(),
            last_site: 0,
        })
    }
}

impl fmt::Debug for Redaction {
    /// Without the hash key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction")
            .field("deny", &self.deny)
            .field("hash", &self.hash)
            .field("keyed", &self.hash_key.is_some())
            .field("max_text", &self.max_text)
            .field("split_words", &self.split_words)
            .finish()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Keep,
    Hash,
    Deny,
}

/// How many keys are remembered: programs have few, and one that makes keys up must not fill the memory.
const REMEMBERED_KEYS: usize = 4096;

/// Redaction, checked and ready. Used by one thread, and remembers what it decided about a key.
pub(crate) struct Redactor {
    deny: Patterns,
    hash: Patterns,
    #[cfg(feature = "hash")]
    hasher: hash::Hasher,
    max_text: usize,
    split_words: bool,
    actions: HashMap<String, Action, KeyHashing>,
    /// What was decided about the keys of places in the code, of which there are only so many.
    sites: Vec<(&'static Callsite, Box<[Action]>)>,
    /// Where they are in `sites`, by address.
    places: HashMap<usize, usize, KeyHashing>,
    last_site: usize,
}

impl Redactor {
    /// The values of an `emit!`, whose texts are pieces of `text`.
    #[inline]
    pub(crate) fn values(&mut self, site: &'static Callsite, values: &mut [Scalar], text: &mut String) {
        if !self.sites.get(self.last_site).is_some_and(|(last, _)| std::ptr::eq(*last, site)) {
            self.last_site = self.place(site);
        }
        for (at, value) in values.iter_mut().enumerate() {
            let action = self.sites[self.last_site].1[at];
            if !self.leaves(action, value) {
                let key = site.keys.get(at).copied().unwrap_or_default();
                self.scalar(key, action, value, text);
            }
        }
    }

    fn place(&mut self, site: &'static Callsite) -> usize {
        let address = std::ptr::from_ref(site).addr();
        if let Some(place) = self.places.get(&address) {
            return *place;
        }
        let actions = site.keys.iter().map(|key| self.action(key)).collect();
        self.sites.push((site, actions));
        self.places.insert(address, self.sites.len() - 1);
        self.sites.len() - 1
    }

    pub(crate) fn extra(&mut self, extra: &mut Extra) {
        self.attributes(&mut extra.attributes);
        let actor_tags = extra.actor.as_mut().map(|actor| &mut actor.tags);
        let scope_tags = extra.scope.as_mut().map(|scope| &mut scope.tags);
        actor_tags.into_iter().chain(scope_tags).for_each(|tags| self.attributes(tags));
        if let Some(error) = &mut extra.error {
            self.error(error);
        }
    }

    pub(crate) fn session(&mut self, session: &mut SessionState) {
        self.attributes(&mut session.attributes);
        let actor_tags = session.actor.as_mut().map(|actor| &mut actor.tags);
        let scope_tags = session.scope.as_mut().map(|scope| &mut scope.tags);
        actor_tags.into_iter().chain(scope_tags).for_each(|tags| self.attributes(tags));
    }

    /// The attribute of a span; its key and text are pieces of `text`.
    #[inline]
    pub(crate) fn said(&mut self, said: &mut Said, text: &mut String) {
        let action = self.action(said.key.of(text));
        if !self.leaves(action, &said.value) {
            let key = said.key.of(text).to_owned();
            self.scalar(&key, action, &mut said.value, text);
        }
    }

    /// What else a span says.
    pub(crate) fn rare(&mut self, rare: &mut Rare) {
        if let Some(described) = &mut rare.described {
            self.attributes(described);
        }
        for (key, value) in [("input", &mut rare.input), ("output", &mut rare.output)] {
            match (self.action(key), value) {
                (Action::Deny, value) => *value = None,
                (_, Some(Value::String(text))) => self.free_text(text),
                (action, Some(value)) => {
                    self.value(key, action, value);
                    self.free_texts(value);
                }
                (_, None) => {}
            }
        }
        if let Some(message) = &mut rare.status_message {
            self.free_text(message);
        }
        if let Some(error) = &mut rare.error {
            self.error(error);
        }
    }

    fn error(&self, error: &mut ErrorInfo) {
        self.free_text(&mut error.message);
        if let Some(stack) = &mut error.stack {
            self.free_text(stack);
        }
    }

    /// Whether it is clear at once that a value stays as it is.
    #[inline]
    fn leaves(&self, action: Action, value: &Scalar) -> bool {
        let is_short = match value {
            // A text has at most as many characters as bytes.
            Scalar::Text(piece) => piece.len() <= self.max_text,
            Scalar::Json(_) => false,
            _ => true,
        };
        is_short && action == Action::Keep
    }

    fn scalar(&mut self, key: &str, action: Action, value: &mut Scalar, text: &mut String) {
        if action == Action::Deny {
            *value = Scalar::Removed;
            return;
        }
        if let Scalar::Json(value) = value {
            return self.value(key, action, value);
        }
        #[cfg(feature = "hash")]
        if let (Scalar::Text(piece), Action::Hash) = (&value, action) {
            let hashed = self.hasher.hash(piece.of(text));
            *value = Scalar::Text(Piece::new(text.len(), hashed.len()));
            text.push_str(&hashed);
            return;
        }
        let mut new = value.to_json(text);
        self.value(key, action, &mut new);
        if let Value::String(new) = new {
            *value = Scalar::Text(Piece::new(text.len(), new.len()));
            text.push_str(&new);
        }
    }

    pub(crate) const fn max_text(&self) -> usize {
        self.max_text
    }

    pub(crate) fn attributes(&mut self, attributes: &mut Attributes) {
        attributes.retain(|key, value| match self.action(key) {
            Action::Deny => false,
            action => {
                self.value(key, action, value);
                true
            }
        });
    }

    /// Text that no key says anything about: an error's message, what a user typed.
    pub(crate) fn free_text(&self, text: &mut String) {
        if let Some(scrubbed) = text::scrub(text, &self.deny, self.split_words) {
            *text = scrubbed;
        }
        text::shorten(text, self.max_text);
    }

    /// The same of every text in a value: messages of a chat, calls of tools with their arguments as text.
    fn free_texts(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.free_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.free_texts(item)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.free_texts(value)),
            _ => {}
        }
    }

    fn action(&mut self, key: &str) -> Action {
        if let Some(action) = self.actions.get(key) {
            return *action;
        }
        let words = words(key, self.split_words);
        let action = match () {
            () if self.deny.cover(&words) => Action::Deny,
            () if self.hash.cover(&words) => Action::Hash,
            () => Action::Keep,
        };
        if self.actions.len() < REMEMBERED_KEYS {
            self.actions.insert(key.to_owned(), action);
        }
        action
    }

    /// What is inside a value belongs to the key it is under: `user: {email: ...}` is `user.email`.
    fn value(&mut self, path: &str, action: Action, value: &mut Value) {
        match (value, action) {
            (Value::Object(fields), _) => fields.retain(|key, value| {
                let path = format!("{path}.{key}");
                match (self.action(&path), action) {
                    (Action::Deny, _) => false,
                    (own, outer) => {
                        self.value(&path, if outer == Action::Hash { outer } else { own }, value);
                        true
                    }
                }
            }),
            (Value::Array(items), _) => items.iter_mut().for_each(|item| self.value(path, action, item)),
            (Value::Null, _) => {}
            #[cfg(feature = "hash")]
            (value, Action::Hash) => {
                let hashed = match &*value {
                    Value::String(text) => self.hasher.hash(text),
                    scalar => self.hasher.hash(&scalar.to_string()),
                };
                *value = Value::String(hashed);
            }
            (Value::String(text), _) => text::shorten(text, self.max_text),
            _ => {}
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

#[cfg(feature = "hash")]
mod hash {
    use sha2::{Digest, Sha256};

    /// SHA-256, or HMAC-SHA-256 (RFC 2104) with a key.
    pub(super) struct Hasher {
        /// The states after the inner and outer padded key.
        keyed: Option<(Sha256, Sha256)>,
    }

    /// SHA-256 works on blocks of so many bytes.
    const BLOCK: usize = 64;

    impl Hasher {
        pub(super) fn new(key: Option<&[u8]>) -> Self {
            let keyed = key.map(|key| {
                let mut block = [0u8; BLOCK];
                if key.len() > BLOCK {
                    block[..32].copy_from_slice(&Sha256::digest(key));
                } else {
                    block[..key.len()].copy_from_slice(key);
                }
                let padded = |pad: u8| Sha256::new_with_prefix(block.map(|byte| byte ^ pad));
                (padded(0x36), padded(0x5c))
            });
            Self { keyed }
        }

        pub(super) fn hash(&self, text: &str) -> String {
            let (prefix, digest) = match &self.keyed {
                None => ("sha256:", Sha256::digest(text)),
                Some((inner, outer)) => {
                    let inner = inner.clone().chain_update(text).finalize();
                    ("hmac-sha256:", outer.clone().chain_update(inner).finalize())
                }
            };
            let mut hashed = String::with_capacity(prefix.len() + 32);
            hashed.push_str(prefix);
            let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
            hashed.extend(digest[..16].iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
            hashed
        }
    }
}
