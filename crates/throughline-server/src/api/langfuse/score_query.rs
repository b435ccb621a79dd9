//! Which scores a list is asked for: what the store finds, and what is told of each one by itself.

use std::cmp::Ordering;

use throughline_model::SpanId;

use super::is;
use super::page::Given;
use crate::api::params::refuse;
use crate::domain::filter::{Field, Filter};
use crate::domain::langfuse::{observation_id, trace_id};
use crate::domain::score::{self, Score, ScoreValue};
use crate::http::Error;

/// Parameters that ask for what no score of ours has.
const NEVER: [&str; 5] = ["configId", "queueId", "datasetRunId", "authorUserId", "experimentId"];

/// What the store is asked for.
pub(super) fn filter(given: &Given) -> Filter {
    let is_ours = given.all("source").all(|_| false)
        || given.all("source").any(|source| source.eq_ignore_ascii_case("API"));
    if !is_ours || NEVER.iter().any(|name| given.one(name).is_some()) {
        return Filter::nothing();
    }
    let attribute = |key: &str| Field::Attribute(key.to_owned());
    let id = |id: &str| is(attribute(score::ID), id);
    let conditions = [
        Some(score::standing()),
        given.any_of("name", |name| is(attribute(score::NAME), name)),
        given.any_of("sessionId", |id| is(Field::Session, id)),
        given.any_of("traceId", |id| is(Field::Trace, &trace_id(id).to_string())),
        given.any_of("scoreIds", id),
        given.any_of("id", id),
        given.environment(),
    ];
    Filter::all_of(conditions.into_iter().flatten())
}

/// What a score must say to be listed.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    types: Vec<String>,
    observations: Vec<SpanId>,
    values: Vec<String>,
    bounds: Vec<(Bound, f64)>,
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Wanted {
    pub(super) fn of(given: &Given) -> Result<Self, Error> {
        let types: Vec<String> = given.all("dataType").map(str::to_ascii_uppercase).collect();
        let known = ["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION"];
        if let Some(other) = types.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(refuse("dataType", other, "NUMERIC, BOOLEAN, CATEGORICAL or TEXT"));
        }
        let mut wanted = Self { types, ..Self::default() };
        wanted.observations = given.all("observationId").map(observation_id).collect();
        if let Some(operator) = given.one("operator") {
            let bound = Bound::of(operator)?;
            let value =
                given.number("value")?.ok_or_else(|| refuse("value", "", "a number to compare with"))?;
            wanted.bounds.push((bound, value));
        } else {
            wanted.values = given.all("value").map(str::to_owned).collect();
        }
        for (name, bound) in [("valueMin", Bound::GreaterOrEqual), ("valueMax", Bound::LessOrEqual)] {
            wanted.bounds.extend(given.number(name)?.map(|number| (bound, number)));
        }
        Ok(wanted)
    }

    pub(super) fn allows(&self, score: &Score) -> bool {
        let kind = score.value.data_type();
        (self.types.is_empty() || self.types.iter().any(|name| name == kind))
            && (self.observations.is_empty()
                || score.observation_id.is_some_and(|id| self.observations.contains(&id)))
            && (self.values.is_empty() || self.values.iter().any(|text| says(&score.value, text)))
            && self.bounds.iter().all(|(bound, number)| bound.holds(&score.value, *number))
    }
}

fn says(value: &ScoreValue, text: &str) -> bool {
    match value {
        ScoreValue::Number(number) => text.parse() == Ok(*number),
        ScoreValue::Flag(flag) => text.parse() == Ok(*flag),
        ScoreValue::Category(label) | ScoreValue::Text(label) => label == text,
    }
}

impl Bound {
    fn of(operator: &str) -> Result<Self, Error> {
        Ok(match operator {
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            "=" => Self::Equal,
            "!=" => Self::NotEqual,
            ">=" => Self::GreaterOrEqual,
            ">" => Self::Greater,
            other => return Err(refuse("operator", other, "one of <, <=, =, !=, >=, >")),
        })
    }

    /// Yes and no count as 1 and 0; texts are not compared.
    fn holds(self, value: &ScoreValue, bound: f64) -> bool {
        let number = match value {
            ScoreValue::Number(number) => *number,
            ScoreValue::Flag(flag) => f64::from(u8::from(*flag)),
            ScoreValue::Category(_) | ScoreValue::Text(_) => return false,
        };
        let order = number.partial_cmp(&bound);
        match self {
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => number <= bound,
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::GreaterOrEqual => number >= bound,
            Self::Greater => order == Some(Ordering::Greater),
        }
    }
}
