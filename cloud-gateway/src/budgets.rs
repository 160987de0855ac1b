//! The budgets of this gateway's policy, and the leases that devices spend from.
//!
//! Its invariant: a lease is in the database before it leaves, and what was reported is before it
//! counts less.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use router_policy::{Answer, Ask, Budget, Held, Ledger, Micros, Moment, Report};

use crate::store::{Store, StoreError};
use crate::telemetry;

/// The budgets. A clone is another handle to the same.
#[derive(Clone, Debug)]
pub(crate) struct Budgets {
    ledger: Arc<Mutex<Ledger>>,
    store: Store,
}

impl Budgets {
    /// These budgets, and what the database holds of them this month.
    pub(crate) async fn open(budgets: &[Budget], store: Store) -> Result<Self, StoreError> {
        let limits = budgets
            .iter()
            .map(|one| (one.name.clone(), Micros::of(one.per_month)));
        let held = store.leases(now().month).await?;
        let ledger = Arc::new(Mutex::new(Ledger::new(limits, held)));
        Ok(Self { ledger, store })
    }

    /// Takes what a device tells of its leases, and gives what it asks for.
    pub(crate) async fn ask(
        &self,
        device: &str,
        reports: &[Report],
        ask: Option<&Ask>,
    ) -> Result<Option<Answer>, StoreError> {
        let (answer, changed) = self.settle(device, reports, ask);
        self.store.keep_leases(&changed).await?;
        Ok(answer)
    }

    fn settle(
        &self,
        device: &str,
        reports: &[Report],
        ask: Option<&Ask>,
    ) -> (Option<Answer>, Vec<Held>) {
        let now = now();
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.forget_before(now.month);
        let reported = reports
            .iter()
            .filter_map(|report| ledger.report(device, *report));
        let mut changed: Vec<Held> = reported.collect();
        let answer = ask.map(|ask| {
            let (answer, granted) = ledger.ask(device, ask, now);
            if let Some(granted) = granted {
                telemetry::lease_granted();
                changed.push(granted);
            }
            answer
        });
        (answer, changed)
    }
}

fn now() -> Moment {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Moment::at(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
