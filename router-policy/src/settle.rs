//! A policy under slow facts that hold for now. Its invariant: it decides as the policy does.

use std::sync::Arc;

use crate::decide::{self, Question};
use crate::decision::Decision;
use crate::facts::SlowFacts;
use crate::index::Index;
use crate::policy::Policy;

/// A policy under slow facts that hold for now: conditions on nothing else are already decided, and
/// the rest is laid out so that few have to be looked at for a request.
#[derive(Debug, Clone)]
pub struct Settled(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    policy: Policy,
    slow: Arc<SlowFacts>,
    index: Index,
}

impl Settled {
    pub(crate) fn new(policy: Policy, slow: Arc<SlowFacts>) -> Self {
        let index = Index::new(policy.0.settled(&slow));
        Self(Arc::new(Inner {
            policy,
            slow,
            index,
        }))
    }

    /// Decides one request.
    #[must_use]
    pub fn decide(&self, question: Question) -> Decision {
        let Inner {
            policy,
            slow,
            index,
        } = &*self.0;
        decide::decide(policy, slow, index, question)
    }
}
