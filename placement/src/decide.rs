//! The built-in policy in force, and what is settled of it under the conditions that hold.

use std::sync::Arc;

use arc_swap::ArcSwap;
use router_policy::{Decision, Policy, Question, Settled, SlowFacts};

/// Decides by the policy in force. A new policy takes effect between two requests.
#[derive(Debug)]
pub struct Decider {
    policy: ArcSwap<Policy>,
    settled: ArcSwap<Option<SettledOn>>,
}

/// A policy with its slow conditions settled, and on what.
#[derive(Debug)]
struct SettledOn {
    policy: Arc<Policy>,
    slow: Arc<SlowFacts>,
    settled: Settled,
}

impl Decider {
    /// Decides by `policy`.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy: ArcSwap::from_pointee(policy),
            settled: ArcSwap::from_pointee(None),
        }
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Puts `policy` in force for the requests that follow.
    pub fn replace(&self, policy: Policy) {
        self.policy.store(Arc::new(policy));
    }

    /// Decides one request under the conditions `slow`.
    pub(crate) fn decide(&self, slow: &Arc<SlowFacts>, question: Question) -> Decision {
        let policy = self.policy.load_full();
        if let Some(kept) = self.settled.load().as_ref()
            && Arc::ptr_eq(&kept.policy, &policy)
            && Arc::ptr_eq(&kept.slow, slow)
        {
            return kept.settled.decide(question);
        }
        // Settled here and not where conditions change: whichever of the two changed last, the
        // next request sees both.
        let settled = policy.settle(slow);
        let decision = settled.decide(question);
        let kept = SettledOn {
            policy,
            slow: slow.clone(),
            settled,
        };
        self.settled.store(Arc::new(Some(kept)));
        decision
    }
}
