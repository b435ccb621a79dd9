//! Exact money.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// US dollars, kept as whole picodollars (10⁻¹² $) so that sums are exact; JSON shows dollars as a number.
///
/// A price per million tokens in dollars, times 10⁶, is picodollars per token.
///
/// ```
/// # use throughline_model::Money;
/// let per_token = Money::from_picodollars(2_500_000); // $2.50 per million tokens
/// assert_eq!((per_token * 3).picodollars(), 7_500_000);
/// assert_eq!(serde_json::to_string(&(per_token * 400_000)).unwrap(), "1.0");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Money(i128);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// This many picodollars.
    pub const fn from_picodollars(picodollars: i128) -> Self {
        Self(picodollars)
    }

    /// The nearest picodollar to this many dollars; `None` for NaN, infinities and what no i64 of picodollars can hold ten times over.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let picodollars = (dollars * 1e12).round();
        (picodollars.abs() < 9e19).then_some(Self(picodollars as i128))
    }

    /// Whole picodollars.
    pub const fn picodollars(self) -> i128 {
        self.0
    }

    /// Dollars, to the precision of an `f64`.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e12
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Mul<u64> for Money {
    type Output = Self;
    fn mul(self, tokens: u64) -> Self {
        Self(self.0 * i128::from(tokens))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::ZERO, Add::add)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        Self::from_dollars(dollars).ok_or_else(|| serde::de::Error::custom("amount of money out of range"))
    }
}
