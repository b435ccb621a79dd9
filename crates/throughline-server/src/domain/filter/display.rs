//! Filters as text: what is printed parses back to the same filter.

use std::fmt;

use super::ast::{Comparison, Field, Filter};
use super::literal::write_quoted;

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::And(members) => join(f, members, " "),
            Self::Or(members) if !is_list(members) => write_alternatives(f, members),
            other => write_atom(f, other),
        }
    }
}

/// The filter as one term that can be joined with others.
fn write_atom(f: &mut fmt::Formatter<'_>, filter: &Filter) -> fmt::Result {
    match filter {
        Filter::All => f.write_str("*"),
        Filter::Or(members) if is_list(members) => write_list(f, members),
        Filter::And(members) | Filter::Or(members) if members.is_empty() => {
            f.write_str(if matches!(filter, Filter::And(_)) { "*" } else { "-*" })
        }
        Filter::And(_) | Filter::Or(_) => write!(f, "({filter})"),
        Filter::Not(inner) => match &**inner {
            // `--x` is no filter
            Filter::Not(_) => write!(f, "-({inner})"),
            inner => {
                f.write_str("-")?;
                write_atom(f, inner)
            }
        },
        Filter::Text(words) if words.contains(' ') => write_quoted(f, words),
        Filter::Text(word) => f.write_str(word),
        Filter::Field { field, comparison, value } => write!(f, "{field}:{}{value}", comparison.sign()),
    }
}

/// A space binds closer than `OR`, so that no alternative needs parentheses: what is printed has no more of them than
/// what was read, of which only so many may stand inside each other.
fn write_alternatives(f: &mut fmt::Formatter<'_>, members: &[Filter]) -> fmt::Result {
    members.iter().enumerate().try_for_each(|(index, member)| {
        f.write_str(if index > 0 { " OR " } else { "" })?;
        match member {
            Filter::And(members) if !members.is_empty() => join(f, members, " "),
            other => write_atom(f, other),
        }
    })
}

fn join(f: &mut fmt::Formatter<'_>, members: &[Filter], with: &str) -> fmt::Result {
    members.iter().enumerate().try_for_each(|(index, member)| {
        f.write_str(if index > 0 { with } else { "" })?;
        write_atom(f, member)
    })
}

/// Whether these can be written as `field:a,b`.
fn is_list(members: &[Filter]) -> bool {
    let mut fields = members.iter().map(|member| match member {
        Filter::Field { field, comparison: Comparison::Equal, .. } => Some(field),
        _ => None,
    });
    match fields.next() {
        Some(first @ Some(_)) => fields.all(|field| field == first),
        _ => false,
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, members: &[Filter]) -> fmt::Result {
    members.iter().enumerate().try_for_each(|(index, member)| match member {
        Filter::Field { field, value, .. } if index == 0 => write!(f, "{field}:{value}"),
        Filter::Field { value, .. } => write!(f, ",{value}"),
        _ => Ok(()),
    })
}

impl Comparison {
    /// What stands between the colon and the value.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().name)?;
        match self {
            Self::Attribute(key) | Self::Metadata(key) | Self::Score(key) => {
                let special = |c: char| c.is_whitespace() || c.is_control() || "\"():".contains(c);
                if key.is_empty() || key.contains(special) { write_quoted(f, key) } else { f.write_str(key) }
            }
            _ => Ok(()),
        }
    }
}
