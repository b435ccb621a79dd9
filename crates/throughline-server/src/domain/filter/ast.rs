//! A filter as a tree. Engines translate it; the live stream evaluates it.

use throughline_model::{Level, Money, ObservationType, SessionState, Status, Timestamp};

/// A parsed filter. What the parser and the constructors below make is in normal form: no `And` or `Or` with less than
/// two members or directly inside its like, no `All` beside or below anything but one `Not` that means nothing at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Filter {
    /// Everything.
    #[default]
    All,
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    /// Words (see [`super::words`]) that must all occur in the text of one observation or event: lower case, each
    /// once, separated by single spaces, never none.
    Text(String),
    /// `field:value`, `field:>value`, ...
    Field {
        field: Field,
        comparison: Comparison,
        value: Literal,
    },
}

impl Filter {
    /// What matches nothing.
    pub fn nothing() -> Self {
        Self::Not(Box::new(Self::All))
    }

    pub fn field(field: Field, comparison: Comparison, value: Literal) -> Self {
        Self::Field { field, comparison, value }
    }

    /// What all of these match; without any, everything.
    pub fn all_of(filters: impl IntoIterator<Item = Self>) -> Self {
        let mut members = Vec::new();
        for filter in filters {
            match filter {
                Self::All => {}
                Self::And(inner) => members.extend(inner),
                other if other == Self::nothing() => return other,
                other => members.push(other),
            }
        }
        if members.len() > 1 { Self::And(members) } else { members.pop().unwrap_or(Self::All) }
    }

    /// What any of these matches; without any, nothing.
    pub fn any_of(filters: impl IntoIterator<Item = Self>) -> Self {
        let mut members = Vec::new();
        for filter in filters {
            match filter {
                Self::All => return Self::All,
                Self::Or(inner) => members.extend(inner),
                other if other == Self::nothing() => {}
                other => members.push(other),
            }
        }
        if members.len() > 1 { Self::Or(members) } else { members.pop().unwrap_or_else(Self::nothing) }
    }

    /// What this one does not match.
    #[must_use]
    pub fn negate(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }
}

/// What a filter can look at. On sessions and traces a field of an observation means "of any observation in it".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// `session:` session id
    Session,
    /// `trace:` trace id
    Trace,
    /// `user:`
    User,
    /// `name:` name of the trace, observation or event
    Name,
    /// `type:` observation type
    Type,
    /// `model:`
    Model,
    /// `provider:`
    Provider,
    /// `tool:`
    Tool,
    /// `tag:`
    Tag,
    /// `env:`
    Environment,
    /// `service:`
    Service,
    /// `level:`
    Level,
    /// `status:`
    Status,
    /// `error:true`
    Error,
    /// `state:live`
    State,
    /// `abandoned:` of a session whether it is over and its last turn failed or never ended; of a trace whether it began,
    /// and nothing was heard of it for long
    Abandoned,
    /// `unfinished:` whether it, or a trace of it, began and has not ended
    Unfinished,
    /// `reopened:` whether it was over and more began after that
    Reopened,
    /// `synthetic:` whether its session is made of what one user did in traces that name none
    Synthetic,
    /// `parts:` number of parts that pauses and ends split it into
    Parts,
    /// `cost:` dollars
    Cost,
    /// `tokens:`
    Tokens,
    /// `duration:` with a unit: `>2m`, `<300ms`
    Duration,
    /// `turns:` number of traces
    Turns,
    /// `errors:` number of errors
    Errors,
    /// `start:` time
    Start,
    /// `end:` time
    End,
    /// `attr.some.key:`
    Attribute(String),
    /// `metadata.some.key:`
    Metadata(String),
    /// `score.some.name:`; without a name, of any score whether there is one
    Score(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// Text to compare with, upper and lower case told apart. `gpt-4*` is the text `gpt-4` with an open end; `*` alone
/// is the empty text open at both ends, which any value matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pattern {
    pub text: String,
    /// Anything may come before the text.
    pub open_start: bool,
    /// Anything may come after the text.
    pub open_end: bool,
}

impl Pattern {
    /// This text and nothing else.
    pub fn exact(text: impl Into<String>) -> Self {
        Self { text: text.into(), open_start: false, open_end: false }
    }

    pub fn is_exact(&self) -> bool {
        !self.open_start && !self.open_end
    }

    /// Whether it asks only that there be a value.
    pub fn is_any(&self) -> bool {
        self.text.is_empty() && (self.open_start || self.open_end)
    }

    pub fn matches(&self, value: &str) -> bool {
        match (self.open_start, self.open_end) {
            (false, false) => value == self.text,
            (false, true) => value.starts_with(&self.text),
            (true, false) => value.ends_with(&self.text),
            (true, true) => value.contains(&self.text),
        }
    }
}

/// A value, already read as what its field holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Text(Pattern),
    Number(f64),
    Bool(bool),
    Money(Money),
    /// Nanoseconds.
    Duration(i64),
    Time(Timestamp),
    Level(Level),
    Type(ObservationType),
    Status(Status),
    State(SessionState),
}
