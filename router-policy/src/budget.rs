//! Budgets that hold though no two devices ask each other: the gateway keeps a ledger, a device spends
//! from leases, an amount and a time that it may be spent in.
//!
//! Its invariant: at any time, whatever was lost, repeated or forgotten, what all devices have spent of
//! a budget in a month is at most its limit, and beyond it what single leases were overrun by. It holds
//! because a lease counts as spent in whole from the moment it is granted until its device has said
//! how much less it was. A device that is never heard of again keeps its lease until the month is over:
//! rather too little is spent than too much. What can be overrun is what was under way when a lease
//! ran out, since a price is known only afterwards.

mod ledger;
mod month;
mod wallet;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::ledger::{Answer, Ask, Held, Ledger};
pub use self::month::{Moment, Month};
pub use self::wallet::Wallet;
use crate::units::Usd;

/// Money in millionths of a US dollar, so that sums are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(u64);

impl Micros {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// That many millionths of a dollar.
    #[must_use]
    pub const fn new(millionths: u64) -> Self {
        Self(millionths)
    }

    /// The amount, rounded up: a fraction is never spent for nothing.
    #[must_use]
    pub fn of(usd: Usd) -> Self {
        /// Beyond any budget.
        const MOST: f64 = 1e18;
        let millionths = (usd.get() * 1e6).ceil().min(MOST);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to the bound above"
        )]
        Self(millionths as u64)
    }

    /// The amount in dollars.
    #[must_use]
    pub fn usd(self) -> Usd {
        #[expect(
            clippy::cast_precision_loss,
            reason = "budgets are far below 2^53 millionths"
        )]
        Usd::clamped(self.0 as f64 / 1e6)
    }

    /// How many millionths of a dollar.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Names a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub u64);

/// What one device may spend of a budget, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lease {
    /// Names it.
    pub id: LeaseId,
    /// The budget.
    pub budget: Arc<str>,
    /// How much.
    pub amount: Micros,
    /// Milliseconds since 1970, not included.
    pub expires_at_ms: u64,
}

/// What was spent under a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The lease.
    pub lease: LeaseId,
    /// All that was spent under it so far.
    pub spent: Micros,
    /// Whether nothing more will be.
    pub is_final: bool,
}

#[cfg(test)]
mod tests;
