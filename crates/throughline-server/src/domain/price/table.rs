//! The table of prices as people read and write it: comma-separated values, one rule a line.

use std::fmt;

use throughline_model::{Money, Timestamp};

use super::{PriceRule, Rates, Source, Tier, names};

/// A price table that cannot be read: everything that is wrong with it, at least one thing, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPrices {
    pub mistakes: Vec<Mistake>,
}

/// Something wrong in a price table, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{character}: {column}: {message}")]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    /// Where in the line, counted from 1.
    pub character: usize,
    /// The name of the column.
    pub column: String,
    pub message: String,
}

/// Every column that a table may have. `model`, `input` and `output` must be there.
const COLUMNS: [&str; 14] = [
    "model",
    "provider",
    "tier",
    "above",
    "from",
    "before",
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "input_audio",
    "output_audio",
];

pub(super) fn parse(text: &str, source: Source) -> Result<Vec<PriceRule>, InvalidPrices> {
    // Spreadsheets put a byte order mark first.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_row = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let mut lines = text.lines().enumerate().map(|(n, line)| (n + 1, line)).filter(|(_, line)| is_row(line));
    let Some((line, header)) = lines.next() else {
        let mistake = Mistake {
            line: 1,
            character: 1,
            column: "header".to_owned(),
            message: format!("there is none; a table begins with a line such as {NEEDED:?}"),
        };
        return Err(InvalidPrices { mistakes: vec![mistake] });
    };
    let columns = parse_header(line, header)?;
    let (mut rules, mut mistakes) = (Vec::new(), Vec::new());
    for (line, text) in lines {
        let mut row = Row { line, columns: &columns, cells: cells(text), mistakes: Vec::new() };
        let rule = row.rule(source);
        if row.mistakes.is_empty() { rules.extend(rule) } else { mistakes.append(&mut row.mistakes) }
    }
    if mistakes.is_empty() { Ok(rules) } else { Err(InvalidPrices { mistakes }) }
}

/// The header that every table has at least.
const NEEDED: &str = "model, input, output";

/// Part of a line between commas.
#[derive(Debug, Clone, Copy)]
struct Cell<'a> {
    text: &'a str,
    /// Where it begins, counted from 1.
    character: usize,
}

fn cells(line: &str) -> Vec<Cell<'_>> {
    let mut character = 1;
    let cell = |part: &'_ str| {
        let indent = part.chars().take_while(|char| char.is_whitespace()).count();
        let start = character + indent;
        character += part.chars().count() + 1;
        start
    };
    let starts: Vec<usize> = line.split(',').map(cell).collect();
    let texts = line.split(',').map(str::trim);
    texts.zip(starts).map(|(text, character)| Cell { text, character }).collect()
}

fn parse_header(line: usize, header: &str) -> Result<Vec<&str>, InvalidPrices> {
    let cells = cells(header);
    let mut mistakes = Vec::new();
    let mut wrong = |cell: &Cell<'_>, column: &str, message: String| {
        mistakes.push(Mistake { line, character: cell.character, column: column.to_owned(), message });
    };
    for (n, cell) in cells.iter().enumerate() {
        if !COLUMNS.contains(&cell.text) {
            let known = COLUMNS.join(", ");
            wrong(cell, cell.text, format!("unknown column; known are {known}"));
        } else if cells[..n].iter().any(|earlier| earlier.text == cell.text) {
            wrong(cell, cell.text, "there twice".to_owned());
        }
    }
    for needed in NEEDED.split(", ").filter(|needed| cells.iter().all(|cell| cell.text != *needed)) {
        wrong(&cells[0], needed, "column missing".to_owned());
    }
    if mistakes.is_empty() {
        return Ok(cells.into_iter().map(|cell| cell.text).collect());
    }
    Err(InvalidPrices { mistakes })
}

struct Row<'a> {
    line: usize,
    columns: &'a [&'a str],
    cells: Vec<Cell<'a>>,
    mistakes: Vec<Mistake>,
}

impl<'a> Row<'a> {
    /// The rule; nothing of it is to be used if there are mistakes.
    fn rule(&mut self, source: Source) -> Option<PriceRule> {
        if self.cells.len() != self.columns.len() {
            let message = format!("{} cells for {} columns", self.cells.len(), self.columns.len());
            let last = self.cells.get(self.columns.len()).or(self.cells.last())?;
            let (character, column) = (last.character, self.cells.first()?.text.to_owned());
            self.mistakes.push(Mistake { line: self.line, character, column, message });
            return None;
        }
        let (model, is_prefix) = self.model();
        let (from, before) = (self.day("from"), self.day("before"));
        if from.is_some() && before.is_some() && from >= before {
            self.wrong("before", "must be a day after that of `from`");
        }
        Some(PriceRule {
            model,
            is_prefix,
            provider: self.cell("provider").map(names::provider),
            tier: self.tier(),
            above: self.above(),
            from,
            before,
            rates: Rates {
                input: self.needed_price("input"),
                cache_read: self.price("cache_read"),
                cache_write: self.price("cache_write"),
                cache_write_1h: self.price("cache_write_1h"),
                output: self.needed_price("output"),
                reasoning: self.price("reasoning"),
                input_audio: self.price("input_audio"),
                output_audio: self.price("output_audio"),
            },
            source,
            line: self.line,
        })
    }

    fn cell(&self, column: &str) -> Option<&'a str> {
        let n = self.columns.iter().position(|name| *name == column)?;
        Some(self.cells[n].text).filter(|cell| !cell.is_empty())
    }

    fn model(&mut self) -> (String, bool) {
        let Some(given) = self.cell("model") else {
            self.wrong("model", "missing");
            return (String::new(), false);
        };
        let (name, is_prefix) = given.strip_suffix('*').map_or((given, false), |prefix| (prefix, true));
        let model = names::model(name);
        if given.contains('"') {
            self.wrong("model", "must stand without quotes");
        } else if model.is_empty() && given != "*" {
            self.wrong("model", "names no model");
        }
        (model, is_prefix)
    }

    fn tier(&mut self) -> Tier {
        let Some(name) = self.cell("tier") else { return Tier::Default };
        Tier::from_name(name).unwrap_or_else(|| {
            self.wrong("tier", "must be flex, fast or batch");
            Tier::Default
        })
    }

    fn above(&mut self) -> u64 {
        let Some(tokens) = self.cell("above") else { return 0 };
        tokens.parse().unwrap_or_else(|_| {
            self.wrong("above", "must be a number of tokens");
            0
        })
    }

    fn day(&mut self, column: &str) -> Option<Timestamp> {
        let midnight = format!("{}T00:00:00Z", self.cell(column)?).parse();
        if midnight.is_err() {
            self.wrong(column, "must be a day like 2026-08-31");
        }
        midnight.ok()
    }

    fn needed_price(&mut self, column: &str) -> Money {
        if self.cell(column).is_none() {
            self.wrong(column, "missing");
        }
        self.price(column).unwrap_or(Money::ZERO)
    }

    fn price(&mut self, column: &str) -> Option<Money> {
        let price = read_price(self.cell(column)?);
        if price.is_none() {
            self.wrong(column, "must be dollars like 2.50, with at most six places");
        }
        price
    }

    fn wrong(&mut self, column: &str, message: &str) {
        let given = self.cell(column).map_or(String::new(), |cell| format!(", got {cell:?}"));
        let cell = self.columns.iter().position(|name| *name == column).and_then(|n| self.cells.get(n));
        self.mistakes.push(Mistake {
            line: self.line,
            character: cell.map_or(1, |cell| cell.character),
            column: column.to_owned(),
            message: format!("{message}{given}"),
        });
    }
}

/// Dollars per million tokens, to whole picodollars per token.
fn read_price(text: &str) -> Option<Money> {
    let (dollars, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_price = !dollars.is_empty() && dollars.len() <= 6 && digits(dollars) && digits(fraction);
    if !is_price || fraction.len() > 6 {
        return None;
    }
    format!("{dollars}{fraction:0<6}").parse().ok().map(Money::from_picodollars)
}

impl fmt::Display for InvalidPrices {
    /// The first mistake, and how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, more @ ..] = &*self.mistakes else { return f.write_str("invalid") };
        write!(f, "{first}")?;
        match more.len() {
            0 => Ok(()),
            1 => f.write_str(" (and one more mistake)"),
            n => write!(f, " (and {n} more mistakes)"),
        }
    }
}

impl std::error::Error for InvalidPrices {}
