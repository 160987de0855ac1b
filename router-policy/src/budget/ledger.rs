//! The gateway's side: who holds how much of which budget.
//!
//! Plain data that is stored before an answer leaves, so that a gateway that was killed goes on where
//! it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::month::{Moment, Month};
use super::{Lease, LeaseId, Micros, Report};

/// How long a lease may be spent from.
const LEASE_MS: u64 = 3_600_000;
/// The part of what is left that one lease gets: small enough that many devices find some.
const SHARE: u64 = 20;
/// The part of the limit below which a lease is not worth asking for, unless nothing more is left.
const LEAST: u64 = 500;

/// All budgets of a gateway. Asking costs the same however many leases there were.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    limits: BTreeMap<Arc<str>, Micros>,
    /// The leases that may still be spent from.
    open: BTreeMap<LeaseId, Held>,
    /// The newest open lease of each device, of each budget.
    newest: BTreeMap<Arc<str>, BTreeMap<Arc<str>, LeaseId>>,
    /// What open and closed leases count for.
    counted: BTreeMap<Month, BTreeMap<Arc<str>, Micros>>,
    last: u64,
}

/// A lease as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What was granted.
    pub lease: Lease,
    /// To whom.
    pub device: Arc<str>,
    /// The month whose budget it is of.
    pub month: Month,
    /// What the device has said it spent.
    pub spent: Micros,
    /// Whether it may still be spent from.
    pub is_open: bool,
}

impl Held {
    /// What it counts for: all of it, until the device has said that nothing more will be spent.
    fn counts(&self) -> Micros {
        if self.is_open {
            self.spent.max(self.lease.amount)
        } else {
            self.spent
        }
    }
}

/// What a device asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The budget.
    pub budget: Arc<str>,
    /// The newest lease of it that the device has.
    pub newest: Option<LeaseId>,
}

/// What it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This may be spent.
    Lease(Lease),
    /// Nothing is left this month, or there is no such budget.
    Spent,
}

impl Ledger {
    /// The budgets with their limits a month, and what is held of them.
    #[must_use]
    pub fn new(
        limits: impl IntoIterator<Item = (Arc<str>, Micros)>,
        held: impl IntoIterator<Item = Held>,
    ) -> Self {
        let mut ledger = Self {
            limits: limits.into_iter().collect(),
            ..Self::default()
        };
        for held in held {
            ledger.last = ledger.last.max(held.lease.id.0);
            ledger.count(&held, Micros::ZERO);
            if held.is_open {
                ledger.keep(held);
            }
        }
        ledger
    }

    /// Notes what a device says it spent. Gives what changed, to be stored.
    pub fn report(&mut self, device: &str, report: Report) -> Option<Held> {
        let held = self.open.get_mut(&report.lease)?;
        if *held.device != *device {
            return None;
        }
        let before = held.counts();
        // A report that comes late says less than a later one did.
        if report.spent <= held.spent && !report.is_final {
            return None;
        }
        held.spent = held.spent.max(report.spent);
        held.is_open = !report.is_final;
        let held = held.clone();
        self.count(&held, before);
        if !held.is_open {
            self.close(&held);
        }
        Some(held)
    }

    /// Answers a device. Gives what changed, to be stored before the answer leaves.
    pub fn ask(&mut self, device: &str, ask: &Ask, now: Moment) -> (Answer, Option<Held>) {
        let Some(limit) = self.limits.get(&ask.budget).copied() else {
            return (Answer::Spent, None);
        };
        // An answer that was lost is given again, not another one.
        if let Some(held) = self.newest_of(device, &ask.budget)
            && Some(held.lease.id) != ask.newest
            && held.month == now.month
            && held.lease.expires_at_ms > now.unix_ms
        {
            return (Answer::Lease(held.lease.clone()), None);
        }
        let left = limit.minus(self.counted(&ask.budget, now.month));
        let least = (limit.0 / LEAST).max(1).min(left.0);
        let amount = Micros((left.0 / SHARE).max(least));
        if amount == Micros::ZERO {
            return (Answer::Spent, None);
        }
        self.last += 1;
        let lease = Lease {
            id: LeaseId(self.last),
            budget: ask.budget.clone(),
            amount,
            expires_at_ms: now.unix_ms.saturating_add(LEASE_MS).min(now.month_ends_ms),
        };
        let held = Held {
            lease: lease.clone(),
            device: device.into(),
            month: now.month,
            spent: Micros::ZERO,
            is_open: true,
        };
        self.count(&held, Micros::ZERO);
        self.keep(held.clone());
        (Answer::Lease(lease), Some(held))
    }

    /// What counts as spent of a budget in a month.
    #[must_use]
    pub fn counted(&self, budget: &str, month: Month) -> Micros {
        let of_month = self.counted.get(&month);
        of_month
            .and_then(|budgets| budgets.get(budget).copied())
            .unwrap_or_default()
    }

    /// Forgets the leases of months before this one: their budgets are over.
    pub fn forget_before(&mut self, month: Month) {
        if self
            .counted
            .keys()
            .next()
            .is_none_or(|first| *first >= month)
        {
            return;
        }
        self.counted.retain(|of, _| *of >= month);
        self.open.retain(|_, held| held.month >= month);
        for newest in self.newest.values_mut() {
            newest.retain(|_, id| self.open.contains_key(id));
        }
        self.newest.retain(|_, newest| !newest.is_empty());
    }

    fn newest_of(&self, device: &str, budget: &str) -> Option<&Held> {
        self.open.get(self.newest.get(device)?.get(budget)?)
    }

    fn keep(&mut self, held: Held) {
        let of_device = self.newest.entry(held.device.clone()).or_default();
        let newest = of_device
            .entry(held.lease.budget.clone())
            .or_insert(held.lease.id);
        *newest = held.lease.id.max(*newest);
        self.open.insert(held.lease.id, held);
    }

    /// Nothing more is spent from it.
    fn close(&mut self, held: &Held) {
        self.open.remove(&held.lease.id);
        if let Some(newest) = self.newest.get_mut(&held.device) {
            newest.retain(|_, id| *id != held.lease.id);
        }
    }

    /// Counts a lease, which counted for `before`.
    fn count(&mut self, held: &Held, before: Micros) {
        let of_month = self.counted.entry(held.month).or_default();
        let sum = of_month.entry(held.lease.budget.clone()).or_default();
        *sum = sum.minus(before).plus(held.counts());
    }
}
