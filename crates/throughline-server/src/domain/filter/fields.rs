//! The one table of fields: the parser, its error messages, the documentation and the dashboard's help are made of it.

use std::mem::discriminant;

use super::ast::Field;

/// What a list or stream that is filtered consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Session,
    Trace,
    Observation,
    Event,
}

impl Target {
    pub const ALL: [Self; 4] = [Self::Session, Self::Trace, Self::Observation, Self::Event];

    pub const fn plural(self) -> &'static str {
        match self {
            Self::Session => "sessions",
            Self::Trace => "traces",
            Self::Observation => "observations",
            Self::Event => "events",
        }
    }
}

/// What kind of value a field holds, and so how it is written and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Compared whole, `*` at the ends leaves them open.
    Text,
    /// A count; `k` and `m` stand for thousands and millions.
    Number,
    /// `true` or `false`.
    Bool,
    /// Dollars, with or without `$`.
    Money,
    /// `ms`, `s`, `m`, `h`, `d`.
    Duration,
    /// RFC 3339, a date (the whole day, UTC), or how long ago: `-2h`.
    Time,
    Level,
    Type,
    Status,
    State,
    /// Text like [`Kind::Text`], which also finds numbers and booleans written so; a number after `>`, `<`.
    Attribute,
}

impl Kind {
    /// Whether values have an order, so that `>`, `>=`, `<` and `<=` make sense.
    pub const fn is_ordered(self) -> bool {
        !matches!(self, Self::Text | Self::Bool | Self::Type | Self::Status | Self::State)
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct FieldInfo {
    /// As written before the colon. Ends in a dot where a key follows: `attr.some.key:value`.
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// The field; for those with a key, with an empty one.
    pub field: Field,
    pub kind: Kind,
    pub on: &'static [Target],
    pub help: &'static str,
    pub example: &'static str,
}

use Target::{Event, Observation, Session, Trace};

const EVERYTHING: &[Target] = &Target::ALL;
const WORK: &[Target] = &[Session, Trace, Observation];

macro_rules! fields {
    ($($name:literal $aliases:expr, $field:expr, $kind:ident, $on:expr, $help:literal, $example:literal;)*) => {
        /// Every field that a filter can ask for.
        pub static FIELDS: &[FieldInfo] = &[$(FieldInfo {
            name: $name, aliases: &$aliases, field: $field, kind: Kind::$kind, on: $on, help: $help, example: $example,
        }),*];
    };
}

fields! {
    "session" ["sessionId"], Field::Session, Text, EVERYTHING, "session id", "session:sess_01*";
    "trace" ["traceId"], Field::Trace, Text, EVERYTHING, "trace id", "trace:4bf92f35*";
    "user" ["userId"], Field::User, Text, EVERYTHING, "user id", "user:alice";
    "name" [], Field::Name, Text, EVERYTHING, "name of a trace, observation or event", "name:order.*";
    "type" ["kind"], Field::Type, Type, EVERYTHING, "type of observation", "type:generation";
    "model" ["models"], Field::Model, Text, WORK, "model that served a call", "model:gpt-4o,claude-*";
    "provider" [], Field::Provider, Text, WORK, "who served a model call", "provider:openai";
    "tool" ["tools"], Field::Tool, Text, WORK, "name of a tool that was called", "tool:search_orders";
    "tag" ["tags"], Field::Tag, Text, WORK, "label", "tag:conversion";
    "env" ["environment"], Field::Environment, Text, EVERYTHING, "environment", "env:production";
    "service" ["services"], Field::Service, Text, EVERYTHING, "service that took part", "service:checkout";
    "level" [], Field::Level, Level, EVERYTHING, "level of an observation or event", "level:>=warn";
    "status" [], Field::Status, Status, WORK, "how a trace or observation ended", "status:error";
    "error" [], Field::Error, Bool, EVERYTHING, "whether anything failed in it", "error:true";
    "state" [], Field::State, State, &[Session], "whether more is to be expected", "state:live";
    "abandoned" [], Field::Abandoned, Bool, &[Session, Trace],
        "whether it is over and its last turn failed or never ended; of a trace, whether it never ended", "abandoned:true";
    "unfinished" [], Field::Unfinished, Bool, &[Session, Trace], "whether a trace began and has not ended", "unfinished:true";
    "reopened" [], Field::Reopened, Bool, &[Session], "whether it was over and more began after that", "reopened:true";
    "synthetic" [], Field::Synthetic, Bool, &[Session, Trace], "whether its session was formed of a user's traces that name none",
        "synthetic:true";
    "parts" ["partCount"], Field::Parts, Number, &[Session], "parts that pauses and ends split it into, where that is on",
        "parts:>1";
    "cost" ["totalCost"], Field::Cost, Money, WORK, "cost in dollars", "cost:>0.10";
    "tokens" ["totalTokens"], Field::Tokens, Number, WORK, "all tokens together", "tokens:>=20k";
    "duration" [], Field::Duration, Duration, WORK, "time from start to end", "duration:>2m";
    "turns" ["traces", "traceCount"], Field::Turns, Number, &[Session], "number of traces", "turns:>3";
    "errors" ["errorCount"], Field::Errors, Number, &[Session, Trace], "number of failed observations and events", "errors:>=2";
    "start" ["startTime", "time"], Field::Start, Time, EVERYTHING, "when it began", "start:>-2h";
    "end" ["endTime"], Field::End, Time, EVERYTHING, "when it ended", "end:<2024-01-15";
    "attr." ["attribute.", "attributes."], Field::Attribute(String::new()), Attribute, EVERYTHING,
        "attribute of an observation or event", "attr.ctx.order.id:ord_789";
    "metadata." ["meta."], Field::Metadata(String::new()), Attribute, &[Session, Trace], "metadata of a trace or session",
        "metadata.channel:web";
    "score." ["scores."], Field::Score(String::new()), Attribute, &[Session, Trace, Event],
        "score with this name: a number, `true` or `false`, or a category", "score.accuracy:>0.5";
}

impl FieldInfo {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// `sessions, traces and observations`
    pub fn targets(&self) -> String {
        let names: Vec<_> = self.on.iter().map(|target| target.plural()).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => names.concat(),
        }
    }
}

impl Field {
    /// The field's row in the table.
    pub fn info(&self) -> &'static FieldInfo {
        let same = |info: &&FieldInfo| discriminant(&info.field) == discriminant(self);
        FIELDS.iter().find(same).unwrap_or(&FIELDS[0])
    }

    /// The field with this name or alias, upper and lower case alike; keys are taken as they are.
    pub(super) fn named(name: &str) -> Option<Self> {
        FIELDS.iter().find_map(|info| {
            info.names().find_map(|known| match &info.field {
                Self::Attribute(_) => key_after(known, name).map(Self::Attribute),
                Self::Metadata(_) => key_after(known, name).map(Self::Metadata),
                Self::Score(_) => key_after(known, name).map(Self::Score),
                plain => name.eq_ignore_ascii_case(known).then(|| plain.clone()),
            })
        })
    }
}

fn key_after(prefix: &str, name: &str) -> Option<String> {
    let (start, key) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| key.to_owned())
}

/// What to say about a field name that nobody knows.
pub(super) fn suggestion(unknown: &str) -> String {
    let lower = unknown.to_lowercase();
    if let Some(near) =
        nearest(&lower, FIELDS.iter().flat_map(|info| info.names().map(|known| (known, info.name))))
    {
        return format!("did you mean {near}?");
    }
    if unknown.contains('.') {
        return format!("for an attribute write attr.{unknown}:");
    }
    let names: Vec<_> = FIELDS.iter().map(|info| info.name).collect();
    format!("known fields are {}; to search for text with a colon, put it in quotes", names.join(", "))
}

/// The candidate that differs from `word` in the fewest letters, if it is few enough to be a slip. Each candidate is
/// what to compare with and what to answer.
pub(super) fn nearest(
    word: &str,
    candidates: impl IntoIterator<Item = (&'static str, &'static str)>,
) -> Option<&'static str> {
    let allowed = if word.len() < 4 { 1 } else { 2 };
    candidates
        .into_iter()
        .map(|(candidate, answer)| (edits(word, &candidate.to_lowercase()), answer))
        .filter(|(edits, _)| *edits <= allowed && *edits < word.chars().count())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, answer)| answer)
}

/// How many letters must be put in, left out, changed or swapped with their neighbour to make one word of the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(32).collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
