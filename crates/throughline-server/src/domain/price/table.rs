//! The table of prices as people read and write it: comma-separated values, one rule a line.

use throughline_model::{Money, Timestamp};

use super::{PriceRule, Rates, Tier, names};

/// A price table that cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("price table, line {line}, {column}: {message}")]
pub struct InvalidPrices {
    /// Counted from 1.
    pub line: usize,
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

pub(super) fn parse(text: &str) -> Result<Vec<PriceRule>, InvalidPrices> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let Some((line, header)) = lines.next() else {
        return Err(invalid(1, "header", "there is none".to_owned()));
    };
    let columns = parse_header(line, header)?;
    lines.map(|(line, cells)| Row::new(line, &columns, cells)?.rule()).collect()
}

fn parse_header(line: usize, header: &str) -> Result<Vec<&str>, InvalidPrices> {
    let columns: Vec<&str> = header.split(',').map(str::trim).collect();
    for (n, column) in columns.iter().enumerate() {
        if !COLUMNS.contains(column) {
            let known = COLUMNS.join(", ");
            return Err(invalid(line, column, format!("unknown column; known are {known}")));
        }
        if columns[..n].contains(column) {
            return Err(invalid(line, column, "there twice".to_owned()));
        }
    }
    match ["model", "input", "output"].iter().find(|needed| !columns.contains(needed)) {
        Some(missing) => Err(invalid(line, missing, "column missing".to_owned())),
        None => Ok(columns),
    }
}

struct Row<'a> {
    line: usize,
    columns: &'a [&'a str],
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn new(line: usize, columns: &'a [&'a str], cells: &'a str) -> Result<Self, InvalidPrices> {
        let cells: Vec<&str> = cells.split(',').map(str::trim).collect();
        if cells.len() != columns.len() {
            let message = format!("{} cells for {} columns", cells.len(), columns.len());
            return Err(invalid(line, cells[0], message));
        }
        Ok(Self { line, columns, cells })
    }

    fn rule(&self) -> Result<PriceRule, InvalidPrices> {
        let name = self.cell("model").ok_or_else(|| self.invalid("model", "missing"))?;
        let (name, is_prefix) = name.strip_suffix('*').map_or((name, false), |prefix| (prefix, true));
        Ok(PriceRule {
            model: names::model(name),
            is_prefix,
            provider: self.cell("provider").map(names::provider),
            tier: self.tier()?,
            above: self.above()?,
            from: self.day("from")?,
            before: self.day("before")?,
            rates: Rates {
                input: self.price("input")?.ok_or_else(|| self.invalid("input", "missing"))?,
                cache_read: self.price("cache_read")?,
                cache_write: self.price("cache_write")?,
                cache_write_1h: self.price("cache_write_1h")?,
                output: self.price("output")?.ok_or_else(|| self.invalid("output", "missing"))?,
                reasoning: self.price("reasoning")?,
                input_audio: self.price("input_audio")?,
                output_audio: self.price("output_audio")?,
            },
            line: self.line,
        })
    }

    fn cell(&self, column: &str) -> Option<&'a str> {
        let n = self.columns.iter().position(|name| *name == column)?;
        Some(self.cells[n]).filter(|cell| !cell.is_empty())
    }

    fn tier(&self) -> Result<Tier, InvalidPrices> {
        let Some(name) = self.cell("tier") else { return Ok(Tier::Default) };
        Tier::from_name(name).ok_or_else(|| self.invalid("tier", "must be flex, fast or batch"))
    }

    fn above(&self) -> Result<u64, InvalidPrices> {
        let Some(tokens) = self.cell("above") else { return Ok(0) };
        tokens.parse().map_err(|_| self.invalid("above", "must be a number of tokens"))
    }

    fn day(&self, column: &str) -> Result<Option<Timestamp>, InvalidPrices> {
        let Some(day) = self.cell(column) else { return Ok(None) };
        let midnight = format!("{day}T00:00:00Z").parse();
        midnight.map(Some).map_err(|_| self.invalid(column, "must be a day like 2026-08-31"))
    }

    /// Dollars per million tokens, to whole picodollars per token.
    fn price(&self, column: &str) -> Result<Option<Money>, InvalidPrices> {
        let Some(price) = self.cell(column) else { return Ok(None) };
        let (dollars, fraction) = price.split_once('.').unwrap_or((price, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_price = !dollars.is_empty() && dollars.len() <= 6 && digits(dollars) && digits(fraction);
        if !is_price || fraction.len() > 6 {
            return Err(self.invalid(column, "must be dollars like 2.50, with at most six places"));
        }
        let picodollars = format!("{dollars}{fraction:0<6}").parse();
        picodollars
            .map(|picodollars| Some(Money::from_picodollars(picodollars)))
            .map_err(|_| self.invalid(column, "must be dollars like 2.50"))
    }

    fn invalid(&self, column: &str, message: &str) -> InvalidPrices {
        let given = self.cell(column).map_or(String::new(), |cell| format!(", got {cell:?}"));
        invalid(self.line, column, format!("{message}{given}"))
    }
}

fn invalid(line: usize, column: &str, message: String) -> InvalidPrices {
    InvalidPrices { line, column: column.to_owned(), message }
}
