//! A device's side: the leases that it holds, and what it spent of each.
//!
//! What is stored is never less than what was spent: it runs ahead in steps, so that it has to be
//! written only now and then. No lease, one that ran out and one that is over all count as spent.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ledger::Ask;
use super::{Lease, LeaseId, Micros, Report};

/// Most leases of one budget that are remembered.
const MOST: usize = 8;
/// Steps in which what is stored runs ahead of what was spent, as a part of the lease.
const STEP: u64 = 16;
/// How long after a refusal nothing is asked for.
const REFUSED_MS: u64 = 60_000;

/// What a device may spend.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Wallet {
    purses: BTreeMap<Arc<str>, Vec<Purse>>,
    #[serde(skip)]
    refused_until_ms: BTreeMap<Arc<str>, u64>,
}

/// A lease, and what was spent of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Purse {
    lease: Lease,
    /// Not stored: after a crash all that might have been spent counts.
    #[serde(skip_serializing, default = "Purse::unknown")]
    spent: Micros,
    /// What is stored; never less than what was spent.
    at_most: Micros,
}

impl Purse {
    const fn unknown() -> Micros {
        Micros(u64::MAX)
    }

    fn left(&self, now_ms: u64) -> Micros {
        if now_ms >= self.lease.expires_at_ms {
            return Micros::ZERO;
        }
        self.lease.amount.minus(self.spent)
    }
}

impl Wallet {
    /// The wallet as it was stored: what might have been spent since counts as spent.
    #[must_use]
    pub fn restored(mut self) -> Self {
        for purse in self.purses.values_mut().flatten() {
            purse.spent = purse.spent.min(purse.at_most);
        }
        self
    }

    /// Whether nothing is left of the budget now.
    #[must_use]
    pub fn is_spent(&self, budget: &str, now_ms: u64) -> bool {
        let purses = self.purses.get(budget).into_iter().flatten();
        purses
            .map(|purse| purse.left(now_ms))
            .max()
            .unwrap_or_default()
            == Micros::ZERO
    }

    /// Pays for a request. `true` when the wallet must be stored before the next one.
    pub fn pay(&mut self, budget: &str, cost: Micros, now_ms: u64) -> bool {
        let Some(purses) = self.purses.get_mut(budget) else {
            return false;
        };
        // The oldest that has something left, or else the newest is overrun.
        let usable = purses
            .iter()
            .position(|purse| purse.left(now_ms) > Micros::ZERO);
        let at = usable.unwrap_or(purses.len().saturating_sub(1));
        let Some(purse) = purses.get_mut(at) else {
            return false;
        };
        purse.spent = purse.spent.plus(cost);
        if purse.spent <= purse.at_most {
            return false;
        }
        let step = Micros((purse.lease.amount.0 / STEP).max(1));
        purse.at_most = purse.spent.plus(step);
        true
    }

    /// Takes a lease. It must be stored before it is spent from.
    pub fn take(&mut self, lease: Lease) {
        self.refused_until_ms.remove(&lease.budget);
        let purses = self.purses.entry(lease.budget.clone()).or_default();
        if purses.iter().any(|purse| purse.lease.id == lease.id) {
            return;
        }
        if purses.len() >= MOST {
            // What is not reported any more counts in whole at the gateway.
            purses.remove(0);
        }
        purses.push(Purse {
            lease,
            spent: Micros::ZERO,
            at_most: Micros::ZERO,
        });
    }

    /// Notes that the gateway has nothing left of a budget.
    pub fn refused(&mut self, budget: &Arc<str>, now_ms: u64) {
        let until = now_ms.saturating_add(REFUSED_MS);
        self.refused_until_ms.insert(budget.clone(), until);
    }

    /// What to ask for: of each budget whose newest lease is low, over or past half of its time.
    #[must_use]
    pub fn asks(&self, budgets: &[Arc<str>], now_ms: u64) -> Vec<Ask> {
        let ask = |budget: &Arc<str>| {
            let refused = self.refused_until_ms.get(budget);
            if refused.is_some_and(|until| *until > now_ms) {
                return None;
            }
            let newest = self.purses.get(budget).and_then(|purses| purses.last());
            let is_low = newest.is_none_or(|purse| {
                let half_time = purse.lease.expires_at_ms.saturating_sub(now_ms) < 1_800_000;
                purse.left(now_ms).0 <= purse.lease.amount.0 / 10 * 3 || half_time
            });
            is_low.then(|| Ask {
                budget: budget.clone(),
                newest: newest.map(|purse| purse.lease.id),
            })
        };
        budgets.iter().filter_map(ask).collect()
    }

    /// What to tell of every lease that is remembered. Those that are over are told of as final, and
    /// nothing is paid from them any more.
    #[must_use]
    pub fn reports(&self, now_ms: u64) -> Vec<Report> {
        let mut reports = Vec::new();
        for purses in self.purses.values() {
            for purse in purses {
                let is_newest = purses
                    .last()
                    .is_some_and(|last| last.lease.id == purse.lease.id);
                reports.push(Report {
                    lease: purse.lease.id,
                    spent: purse.spent,
                    // The newest can still be overrun by what is under way.
                    is_final: !is_newest && purse.left(now_ms) == Micros::ZERO,
                });
            }
        }
        reports
    }

    /// Forgets leases that are over and were told of as final.
    pub fn forget(&mut self, told: &[LeaseId], now_ms: u64) {
        for purses in self.purses.values_mut() {
            let newest = purses.last().map(|purse| purse.lease.id);
            purses.retain(|purse| {
                let id = purse.lease.id;
                Some(id) == newest || purse.left(now_ms) > Micros::ZERO || !told.contains(&id)
            });
        }
    }
}
