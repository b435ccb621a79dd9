//! What model calls cost: price rules with validity dates, and the choice among them.

use throughline_model::{Money, Timestamp, Usage};

/// What a price depends on.
#[derive(Debug, Clone, Copy)]
pub struct PricedCall<'a> {
    pub provider: Option<&'a str>,
    pub model: &'a str,
    pub service_tier: Option<&'a str>,
    pub start: Timestamp,
    pub usage: &'a Usage,
}

/// The price rules in force.
#[derive(Debug, Clone, Default)]
pub struct Prices {}

impl Prices {
    /// The table that ships with the binary.
    pub fn builtin() -> Self {
        Self::default()
    }

    /// What the call cost, or `None` if no rule knows the model.
    pub fn cost(&self, _call: &PricedCall<'_>) -> Option<Money> {
        None
    }
}
