//! The slow facts now: device, network, user, fleet. Sensors write them, decisions read them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use router_policy::SlowFacts;

/// A cell that holds the slow facts. Reading never waits for a writer.
#[derive(Debug)]
pub struct Conditions(ArcSwap<SlowFacts>);

impl Conditions {
    /// Starts with `facts`.
    #[must_use]
    pub fn new(facts: SlowFacts) -> Self {
        Self(ArcSwap::from_pointee(facts))
    }

    /// What holds now.
    #[must_use]
    pub fn get(&self) -> Arc<SlowFacts> {
        self.0.load_full()
    }

    /// Changes what holds; `change` may run more than once when writers meet. Facts that stay as
    /// they were are not replaced, so that what was settled on them stays settled.
    pub fn update(&self, change: impl Fn(&mut SlowFacts)) {
        self.0.rcu(|now| {
            let mut next = SlowFacts::clone(now);
            change(&mut next);
            if next == **now {
                Arc::clone(now)
            } else {
                Arc::new(next)
            }
        });
    }
}
