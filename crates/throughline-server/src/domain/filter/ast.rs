//! A filter as a tree. Engines translate it; the live stream evaluates it.

use throughline_model::{Level, Money, ObservationType, SessionState, Status, Timestamp};

/// A parsed filter.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Filter {
    /// Everything.
    #[default]
    All,
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    /// A word, or several in quotes, that must all occur in inputs, outputs or messages. Lower case.
    Text(String),
    /// `field:value`, `field:>value`, ...
    Field {
        field: Field,
        comparison: Comparison,
        value: Literal,
    },
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A value, already read as what its field holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Text; `*` at either end matches anything there.
    Text(String),
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
