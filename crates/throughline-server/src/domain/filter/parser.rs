//! Reading filters.

use std::ops::Range;

use throughline_model::Timestamp;

use super::ast::{Comparison, Field, Filter, Literal, Pattern};
use super::error::FilterError;
use super::fields::{Kind, Target, suggestion};
use super::literal::{BadValue, When, read, when};
use super::words::words;

/// The longest filter that is read.
pub const MAX_BYTES: usize = 8192;
const MAX_DEPTH: usize = 32;
const MAX_TERMS: usize = 256;

impl Filter {
    /// Reads a filter on a list of `targets`; times like `-2h` count from `now`.
    pub fn parse(text: &str, targets: &[Target], now: Timestamp) -> Result<Self, FilterError> {
        if text.len() > MAX_BYTES {
            let message = format!("the filter is {} bytes long, more than {MAX_BYTES}", text.len());
            return Err(FilterError::at(text, 0..0, message));
        }
        let mut parser = Parser { text, targets, now, at: 0, depth: 0, terms: 0 };
        parser.skip_space();
        if parser.rest().is_empty() {
            return Ok(Self::All);
        }
        let filter = parser.alternatives()?;
        match parser.peek() {
            None => Ok(filter),
            // alternatives stop early only at a closing parenthesis
            Some(_) => Err(parser.error(parser.at..parser.at + 1, "nothing was opened that this closes")),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    targets: &'a [Target],
    now: Timestamp,
    at: usize,
    depth: usize,
    terms: usize,
}

/// A value as written.
struct Value {
    range: Range<usize>,
    text: String,
    quoted: bool,
    open_start: bool,
    open_end: bool,
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '"')
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += if found { c.len_utf8() } else { 0 };
        found
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Everything up to the first character that `stop` names.
    fn run(&mut self, stop: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let run = &rest[..rest.find(stop).unwrap_or(rest.len())];
        self.at += run.len();
        run
    }

    fn error(&self, range: Range<usize>, message: impl Into<String>) -> FilterError {
        FilterError::at(self.text, range, message)
    }

    fn at_keyword(&self, keyword: &str) -> bool {
        self.rest().strip_prefix(keyword).is_some_and(|rest| rest.chars().next().is_none_or(ends_word))
    }

    fn eat_keyword(&mut self, keyword: &str) -> bool {
        let found = self.at_keyword(keyword);
        if found {
            self.at += keyword.len();
            self.skip_space();
        }
        found
    }

    fn alternatives(&mut self) -> Result<Filter, FilterError> {
        let mut members = vec![self.conjunction()?];
        while self.eat_keyword("OR") {
            members.push(self.conjunction()?);
        }
        Ok(Filter::any_of(members))
    }

    fn conjunction(&mut self) -> Result<Filter, FilterError> {
        let mut members = vec![self.negatable()?];
        loop {
            self.skip_space();
            let and = self.eat_keyword("AND");
            if !and && (matches!(self.peek(), None | Some(')')) || self.at_keyword("OR")) {
                return Ok(Filter::all_of(members));
            }
            members.push(self.negatable()?);
        }
    }

    fn negatable(&mut self) -> Result<Filter, FilterError> {
        let mut negated = false;
        while self.eat_keyword("NOT") {
            negated = !negated;
        }
        if self.eat('-') {
            negated = !negated;
            if self.peek().is_none_or(|c| c.is_whitespace() || matches!(c, '-' | ')')) {
                let range = self.at - 1..self.at;
                return Err(self.error(range, "nothing to exclude").hint(
                    "write - directly before what must not match; to search for a dash, put it in quotes",
                ));
            }
        }
        let term = self.term()?;
        Ok(if negated { term.negate() } else { term })
    }

    fn term(&mut self) -> Result<Filter, FilterError> {
        let start = self.at;
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(self.error(start..start, format!("more than {MAX_TERMS} terms")));
        }
        for keyword in ["AND", "OR"] {
            if self.at_keyword(keyword) {
                let range = start..start + keyword.len();
                let hint = format!("to search for the word, write it in lower case or \"{keyword}\"");
                return Err(self.error(range, format!("{keyword} needs a term on both sides")).hint(hint));
            }
        }
        match self.peek() {
            None | Some(')') => Err(self.error(start..start, "a term is missing here")),
            Some('(') => self.group(),
            Some('"') => {
                let text = self.quoted()?;
                self.text_filter(start, &text)
            }
            Some(_) => self.word_or_field(),
        }
    }

    fn group(&mut self) -> Result<Filter, FilterError> {
        let open = self.at;
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(
                self.error(open..self.at, format!("more than {MAX_DEPTH} parentheses inside each other"))
            );
        }
        self.skip_space();
        let filter = self.alternatives()?;
        if !self.eat(')') {
            return Err(self.error(open..open + 1, "this parenthesis is never closed"));
        }
        self.depth -= 1;
        Ok(filter)
    }

    fn quoted(&mut self) -> Result<String, FilterError> {
        let open = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            let start = self.at;
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(text),
                '\\' => {
                    let escaped = self.peek();
                    self.at += escaped.map_or(0, char::len_utf8);
                    text.push(match escaped {
                        Some(c @ ('"' | '\\')) => c,
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        _ => {
                            return Err(self.error(start..self.at, "unknown escape").hint(
                                r#"in quotes a backslash is written \\; \" \n \r \t are the other escapes"#,
                            ));
                        }
                    });
                }
                c => text.push(c),
            }
        }
        Err(self.error(open..open + 1, "this quote is never closed"))
    }

    /// Words to search for, cut as the index cuts them.
    fn text_filter(&self, start: usize, text: &str) -> Result<Filter, FilterError> {
        let mut found: Vec<String> = Vec::new();
        for word in words(text) {
            if !found.contains(&word) {
                found.push(word);
            }
        }
        if found.is_empty() {
            return Err(self
                .error(start..self.at, "nothing to search for")
                .hint("text is found by its letters and digits, and there is none here"));
        }
        Ok(Filter::Text(found.join(" ")))
    }

    fn word_or_field(&mut self) -> Result<Filter, FilterError> {
        let start = self.at;
        let word = self.run(|c| ends_word(c) || c == ':');
        let is_prefix = Field::named(word).is_some_and(|field| field.has_empty_key());
        if is_prefix && self.peek() == Some('"') {
            let key = self.quoted()?;
            return self.field(start, &format!("{word}{key}"));
        }
        if self.peek() == Some(':') {
            return self.field(start, word);
        }
        if word == "*" {
            return Ok(Filter::All);
        }
        if let Some((name, value)) = word.split_once(['>', '<', '='])
            && Field::named(name).is_some()
        {
            let sign = &word[name.len()..word.len() - value.len()];
            let sign = if sign == "=" { "" } else { sign };
            let error =
                self.error(start + name.len()..start + name.len(), "a colon is missing after the field");
            return Err(error.hint(format!("write {name}:{sign}{value}")));
        }
        if word.starts_with('!') {
            let error = self.error(start..start + 1, "! has no meaning here");
            return Err(error.hint("to exclude something, write - or NOT before it"));
        }
        if word.starts_with('*') || word.ends_with('*') {
            let error =
                self.error(start..self.at, "* works in values of fields, words are searched for whole");
            return Err(error.hint(format!("search for {0}, or ask for name:{word}", word.trim_matches('*'))));
        }
        self.text_filter(start, word)
    }

    /// From the colon on.
    fn field(&mut self, start: usize, name: &str) -> Result<Filter, FilterError> {
        let name_range = start..self.at;
        let field = self.known_field(name, name_range)?;
        if !self.eat(':') {
            return Err(
                self.error(self.at..self.at, format!("a colon and a value are missing after {field}"))
            );
        }
        let sign = self.at;
        let comparison = self.comparison();
        let signs = sign..self.at;
        let info = field.info();
        if comparison != Comparison::Equal && !info.kind.is_ordered() {
            let error = self.error(
                signs,
                format!("{field} has no order, so it cannot be compared with {}", comparison.sign()),
            );
            return Err(error.hint(format!("write it as in {}", info.example)));
        }
        let mut members = Vec::new();
        loop {
            let value = self.value(&field)?;
            members.push(self.comparison_with(&field, comparison, value)?);
            self.terms += 1;
            if self.terms > MAX_TERMS {
                return Err(self.error(start..self.at, format!("more than {MAX_TERMS} terms")));
            }
            if !self.eat(',') {
                return Ok(Filter::any_of(members));
            }
            if comparison != Comparison::Equal {
                let error = self
                    .error(signs, format!("{} compares with one value, not with a list", comparison.sign()));
                return Err(error.hint(format!("for a range write two terms: {field}:>a {field}:<b")));
            }
        }
    }

    fn known_field(&self, name: &str, range: Range<usize>) -> Result<Field, FilterError> {
        if name.is_empty() {
            let error =
                self.error(range.start..range.end + 1, "the name of a field is missing before the colon");
            return Err(error.hint("to search for text with a colon, put it in quotes"));
        }
        let Some(field) = Field::named(name) else {
            return Err(self.error(range, format!("unknown field {name:?}")).hint(suggestion(name)));
        };
        let info = field.info();
        if field.has_empty_key() {
            let error = self.error(range, format!("a key is missing after {}", info.name));
            return Err(error.hint(format!("write it as in {}", info.example)));
        }
        if !info.on.iter().any(|target| self.targets.contains(target)) {
            let here: Vec<_> = self.targets.iter().map(|target| target.plural()).collect();
            let message = format!("{field} applies to {}, not to {}", info.targets(), here.join(" and "));
            return Err(self.error(range, message));
        }
        Ok(field)
    }

    fn comparison(&mut self) -> Comparison {
        if self.eat('>') {
            if self.eat('=') { Comparison::GreaterOrEqual } else { Comparison::Greater }
        } else if self.eat('<') {
            if self.eat('=') { Comparison::LessOrEqual } else { Comparison::Less }
        } else {
            Comparison::Equal
        }
    }

    fn value(&mut self, field: &Field) -> Result<Value, FilterError> {
        let start = self.at;
        let open_start = self.rest().starts_with("*\"") && self.eat('*');
        if self.peek() == Some('"') {
            let text = self.quoted()?;
            let open_end = self.eat('*');
            if self.peek().is_some_and(|c| !c.is_whitespace() && c != ',' && c != ')') {
                return Err(self.error(self.at..self.at, "the value goes on after its quotes"));
            }
            return Ok(Value { range: start..self.at, text, quoted: true, open_start, open_end });
        }
        let written = self.run(|c| ends_word(c) || c == ',');
        if let Some(c @ ('(' | '"')) = self.peek() {
            let error = self.error(self.at..self.at + 1, format!("{c} inside a value"));
            return Err(error.hint(format!("put the whole value in quotes; for several write {field}:a,b")));
        }
        if written.is_empty() {
            let error = self.error(self.at..self.at, format!("a value is missing for {field}"));
            return Err(
                error.hint(format!("write it directly after the colon, as in {}", field.info().example))
            );
        }
        let inner = written.strip_prefix('*').unwrap_or(written);
        let text = inner.strip_suffix('*').unwrap_or(inner);
        let (open_start, open_end) = (inner.len() < written.len(), text.len() < inner.len());
        Ok(Value { range: start..self.at, text: text.to_owned(), quoted: false, open_start, open_end })
    }

    fn comparison_with(
        &self,
        field: &Field,
        comparison: Comparison,
        value: Value,
    ) -> Result<Filter, FilterError> {
        let kind = field.info().kind;
        let is_text = kind == Kind::Text || kind == Kind::Attribute && comparison == Comparison::Equal;
        let range = value.range.clone();
        let bad = |BadValue(message, hint)| self.error(range.clone(), message).hint(hint);
        let literal = if is_text {
            Literal::Text(self.pattern(field, value)?)
        } else if value.open_start || value.open_end {
            let error = self.error(range, format!("* works in text, and {field} is not text"));
            return Err(error.hint(format!("write it as in {}", field.info().example)));
        } else if kind == Kind::Time {
            return self.time(field, comparison, when(&value.text, self.now).map_err(bad)?, range.clone());
        } else {
            read(kind, &value.text).map_err(bad)?
        };
        Ok(Filter::field(field.clone(), comparison, literal))
    }

    fn pattern(&self, field: &Field, value: Value) -> Result<Pattern, FilterError> {
        if !value.quoted && value.text.contains('*') {
            let error = self.error(value.range, "* works only at the beginning and end of a value");
            return Err(error.hint("to find a * itself, put the value in quotes"));
        }
        let Value { mut text, open_start, open_end, .. } = value;
        if *field == Field::Trace {
            text.make_ascii_lowercase();
        }
        // `*`, `**` and `*""` are all the same
        let any = text.is_empty() && (open_start || open_end);
        Ok(Pattern { text, open_start: open_start || any, open_end: open_end || any })
    }

    /// A day is all of its moments: after a day is after its end.
    fn time(
        &self,
        field: &Field,
        comparison: Comparison,
        when: When,
        range: Range<usize>,
    ) -> Result<Filter, FilterError> {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        let is = |comparison, time| Filter::field(field.clone(), comparison, Literal::Time(time));
        Ok(match (when, comparison) {
            (When::Ago(_), Equal) => {
                let error = self.error(range, "a moment that depends on now cannot be equal to anything");
                return Err(error.hint(format!("write {field}:>-2h for the last two hours")));
            }
            (When::At(time) | When::Ago(time), comparison) => is(comparison, time),
            (When::Day { start, .. }, GreaterOrEqual | Less) => is(comparison, start),
            (When::Day { end, .. }, Greater) => is(GreaterOrEqual, end),
            (When::Day { end, .. }, LessOrEqual) => is(Less, end),
            (When::Day { start, end }, Equal) => Filter::all_of([is(GreaterOrEqual, start), is(Less, end)]),
        })
    }
}

impl Field {
    fn has_empty_key(&self) -> bool {
        matches!(self, Self::Attribute(key) | Self::Metadata(key) | Self::Score(key) if key.is_empty())
    }
}
