//! What is wrong with a filter, and where.

use std::fmt;

/// A filter that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// Where the trouble begins, in characters from the start.
    pub position: usize,
    /// The same in bytes.
    pub byte: usize,
    /// How many characters are meant; 0 where something is missing.
    pub length: usize,
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl FilterError {
    pub(super) fn at(text: &str, range: std::ops::Range<usize>, message: impl Into<String>) -> Self {
        Self {
            position: text[..range.start].chars().count(),
            byte: range.start,
            length: text[range].chars().count(),
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// For a terminal: the filter, marks under the place, and what is wrong.
    ///
    /// ```text
    /// cost:>ten user:alice
    ///       ^^^ not an amount of money: "ten"
    ///       write dollars, as in cost:>0.10
    /// ```
    pub fn render(&self, filter: &str) -> String {
        let line: String = filter.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let (indent, marks) = (" ".repeat(self.position), "^".repeat(self.length.max(1)));
        let hint = self.hint.as_ref().map(|hint| format!("\n{indent}{hint}"));
        format!("{line}\n{indent}{marks} {}{}", self.message, hint.unwrap_or_default())
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at character {}", self.message, self.position + 1)?;
        self.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for FilterError {}
