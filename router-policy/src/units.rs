//! Amounts with their units. Each is finite and not negative by construction.

use serde::{Deserialize, Serialize};

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// None of it.
            pub const ZERO: Self = Self(0.0);

            /// The amount, if it is finite and not negative.
            #[must_use]
            pub fn new(amount: f64) -> Option<Self> {
                (amount.is_finite() && amount >= 0.0).then_some(Self(amount))
            }

            /// The amount, as far as it is one: what is not finite or is negative becomes zero.
            #[must_use]
            pub fn clamped(amount: f64) -> Self {
                Self::new(amount).unwrap_or(Self::ZERO)
            }

            /// The bare number.
            #[must_use]
            pub const fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = NotAnAmount;

            fn try_from(amount: f64) -> Result<Self, Self::Error> {
                Self::new(amount).ok_or(NotAnAmount)
            }
        }

        impl From<$name> for f64 {
            fn from(amount: $name) -> Self {
                amount.0
            }
        }
    };
}

/// A number is negative, infinite or not a number at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a finite number that is not negative")]
pub struct NotAnAmount;

amount! {
    /// US dollars.
    Usd
}
amount! {
    /// Seconds.
    Seconds
}
amount! {
    /// Watt-hours, drawn on the device.
    WattHours
}

/// Tokens, as the model counts them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Tokens(u32);

impl Tokens {
    /// That many.
    #[must_use]
    pub const fn new(count: u32) -> Self {
        Self(count)
    }

    /// How many.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A probability, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Probability(f64);

impl Probability {
    /// The nearest probability; what is not a number counts as certain.
    #[must_use]
    pub fn new(p: f64) -> Self {
        Self(if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) })
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl From<f64> for Probability {
    fn from(p: f64) -> Self {
        Self::new(p)
    }
}

impl From<Probability> for f64 {
    fn from(p: Probability) -> Self {
        p.0
    }
}
