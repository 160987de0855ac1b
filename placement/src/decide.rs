//! The policy in force, what is settled of it under the conditions that hold, and a plug-in beside it.
//!
//! Its invariant: the built-in policy bounds what a plug-in may choose, and a plug-in that is not heard
//! in time narrows the decision to `onError`. It never widens one.

mod breaker;
mod plug_in;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use router_policy::{Decision, Policy, Question, Settled, SlowFacts};

use self::breaker::Breaker;
pub use self::plug_in::{Advising, PlugIn, PlugInConfig, PlugInError};
use crate::outcome::DecisionId;

/// Decides by the policy in force. A new policy takes effect between two requests.
#[derive(Debug)]
pub struct Decider {
    policy: ArcSwap<Policy>,
    settled: ArcSwap<Option<SettledOn>>,
    plug_in: Option<Beside>,
}

/// A policy with its slow conditions settled, and on what.
#[derive(Debug)]
struct SettledOn {
    policy: Arc<Policy>,
    slow: Arc<SlowFacts>,
    settled: Settled,
}

/// A plug-in, and whether it is asked at the moment.
#[derive(Debug)]
struct Beside {
    config: PlugInConfig,
    breaker: Breaker,
}

impl Decider {
    /// Decides by `policy`.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy: ArcSwap::from_pointee(policy),
            settled: ArcSwap::from_pointee(None),
            plug_in: None,
        }
    }

    /// Asks a plug-in too, about what the policy leaves open.
    #[must_use]
    pub fn with_plug_in(self, config: PlugInConfig) -> Self {
        Self {
            plug_in: Some(Beside {
                config,
                breaker: Breaker::default(),
            }),
            ..self
        }
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Whether the policy in force asks for cascades at all.
    pub(crate) fn has_cascades(&self) -> bool {
        self.policy.load().has_cascades()
    }

    /// Puts `policy` in force for the requests that follow.
    pub fn replace(&self, policy: Policy) {
        self.policy.store(Arc::new(policy));
    }

    /// Decides one request under the conditions `slow`.
    pub(crate) async fn decide(
        &self,
        id: DecisionId,
        slow: &Arc<SlowFacts>,
        question: Question,
    ) -> Decision {
        let decision = self.by_policy(slow, question);
        match &self.plug_in {
            // What the policy lets nothing serve is not asked about.
            Some(beside) if decision.chosen().is_ok() => beside.advised(id, decision).await,
            Some(_) | None => decision,
        }
    }

    fn by_policy(&self, slow: &Arc<SlowFacts>, question: Question) -> Decision {
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

impl Beside {
    async fn advised(&self, id: DecisionId, decision: Decision) -> Decision {
        if !self.breaker.lets_through(Instant::now()) {
            return decision.unadvised();
        }
        let asked = self.config.plug_in.advise(id, &decision);
        let answer = tokio::time::timeout(self.config.deadline, asked).await;
        let answer = answer.unwrap_or(Err(PlugInError::TooLate));
        match answer {
            Ok(advice) => {
                self.breaker.succeeded();
                decision.advised(advice)
            }
            Err(error) => {
                let opened = self.breaker.failed(Instant::now());
                if opened {
                    tracing::warn!(%error, "the policy plug-in fails and is left alone for a while; onError decides");
                } else {
                    tracing::debug!(%error, "the policy plug-in did not answer; onError decides");
                }
                decision.unadvised()
            }
        }
    }
}

#[cfg(test)]
mod tests;
