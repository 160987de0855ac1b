//! What this laptop may spend: its wallet, kept on the disk, and the budgets that are spent as facts.
//!
//! Its invariant: a lease is stored before it is spent from, and what is stored is never less than what
//! was spent. A wallet that cannot be stored or read is an empty one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use placement::{Conditions, Decider, Outcome};
use router_policy::{Answer, Ask, LeaseId, Micros, Report, Wallet};
use tokio::sync::Notify;

use crate::store::StateDir;
use crate::telemetry;

/// The file in the state directory.
const FILE: &str = "budgets.json";

/// What the gateway is told and asked at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) reports: Vec<Report>,
    pub(crate) asks: Vec<Ask>,
}

/// The budgets of the policy in force.
#[derive(Debug)]
pub(crate) struct Budgets {
    wallet: Mutex<Wallet>,
    state: StateDir,
    conditions: Arc<Conditions>,
    decider: Arc<Decider>,
    ran_low: Notify,
}

impl Budgets {
    /// The wallet as it was left.
    pub(crate) fn open(
        state: StateDir,
        conditions: Arc<Conditions>,
        decider: Arc<Decider>,
    ) -> Arc<Self> {
        let wallet = std::fs::read(state.path(FILE)).ok();
        let wallet = wallet.and_then(|bytes| serde_json::from_slice::<Wallet>(&bytes).ok());
        let budgets = Self {
            wallet: Mutex::new(wallet.unwrap_or_default().restored()),
            state,
            conditions,
            decider,
            ran_low: Notify::new(),
        };
        budgets.tell_spent();
        Arc::new(budgets)
    }

    /// Pays for what a request cost, from every budget that it is charged to.
    pub(crate) fn pay(&self, outcome: &Outcome) {
        let charged = outcome.decided.decision.budgets();
        let Some(cost) = outcome.actual.cost.filter(|_| !charged.is_empty()) else {
            return;
        };
        let (cost, now) = (Micros::of(cost), now_ms());
        if cost == Micros::ZERO {
            return;
        }
        let mut wallet = self.lock();
        let mut must_store = false;
        for budget in &charged {
            must_store |= wallet.pay(budget, cost, now);
        }
        if must_store {
            self.keep(&wallet);
        }
        let is_low = !wallet.asks(&charged, now).is_empty();
        drop(wallet);
        if is_low {
            self.tell_spent();
            self.ran_low.notify_one();
        }
    }

    /// What to tell the gateway and ask of it now.
    pub(crate) fn words(&self) -> Words {
        let policy = self.decider.policy();
        let names: Vec<_> = policy
            .budgets()
            .iter()
            .map(|budget| budget.name.clone())
            .collect();
        let now = now_ms();
        let wallet = self.lock();
        Words {
            reports: wallet.reports(now),
            asks: wallet.asks(&names, now),
        }
    }

    /// These reports have left. One that is lost after all leaves its lease counting in whole.
    pub(crate) fn told(&self, reports: &[Report]) {
        let last = reports.iter().filter(|report| report.is_final);
        let told: Vec<LeaseId> = last.map(|report| report.lease).collect();
        if !told.is_empty() {
            let mut wallet = self.lock();
            wallet.forget(&told, now_ms());
            self.keep(&wallet);
        }
    }

    /// Takes what the gateway answers about a budget.
    pub(crate) fn take(&self, budget: &Arc<str>, answer: Answer) {
        let mut wallet = self.lock();
        match answer {
            Answer::Lease(lease) => wallet.take(lease),
            Answer::Spent => wallet.refused(budget, now_ms()),
        }
        self.keep(&wallet);
        drop(wallet);
        self.tell_spent();
    }

    /// Waits until a lease runs low.
    pub(crate) async fn ran_low(&self) {
        self.ran_low.notified().await;
    }

    /// Brings the fact `fleet.spentBudgets` up to date: leases end by time, too.
    pub(crate) fn tell_spent(&self) {
        let policy = self.decider.policy();
        let now = now_ms();
        let wallet = self.lock();
        let names = policy.budgets().iter().map(|budget| &budget.name);
        let spent: Vec<Arc<str>> = names
            .filter(|name| wallet.is_spent(name, now))
            .cloned()
            .collect();
        drop(wallet);
        if self.conditions.get().fleet.spent_budgets != spent {
            self.conditions
                .update(|facts| facts.fleet.spent_budgets.clone_from(&spent));
        }
    }

    fn keep(&self, wallet: &Wallet) {
        let stored = serde_json::to_vec(wallet)
            .map_err(std::io::Error::from)
            .and_then(|bytes| {
                self.state
                    .replace(FILE, &bytes)
                    .map_err(std::io::Error::other)
            });
        if let Err(error) = stored {
            telemetry::wallet_not_stored(&error);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Wallet> {
        self.wallet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
