//! What really happened to a decided request, told exactly once. Never any content.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use inference_api::{Ending, ErrorKind, Explanation, OutcomeGuard, RequestId, Usage};
use router_policy::{Candidate, Decision, Probability, Tokens, Usd, WattHours};
use ulid::Ulid;

use crate::table::Entry;

/// Identifies one decision; every answer carries it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId(Ulid);

impl DecisionId {
    /// A new one, from the clock and a random source.
    #[must_use]
    pub fn generate() -> Self {
        Self(Ulid::generate())
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A decision with all that it looked at: enough to explain it and to decide it again.
#[derive(Debug)]
pub struct Decided {
    /// Names it.
    pub id: DecisionId,
    /// What came out, with what it looked at and the reasons.
    pub decision: Decision,
}

impl Decided {
    /// As an answer's headers tell it; with the whole decision where the caller asked for it.
    pub(crate) fn explanation(&self, wants_debug: bool) -> Explanation {
        Explanation {
            decision_id: self.id.to_string(),
            reason: self.decision.reason(),
            policy: Some(self.decision.policy_hash().to_string()),
            debug: wants_debug.then(|| self.to_json()),
        }
    }

    /// The whole of it as JSON: facts, candidates, scores, rules. No content.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "id": self.id.to_string(),
            "facts": { "request": self.decision.request(), "slow": self.decision.slow() },
            "mode": self.decision.mode(),
            "decision": self.decision,
        })
    }
}

/// How a decided request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeEnding {
    /// All of its answer was read.
    Completed,
    /// It failed.
    Failed(ErrorKind),
    /// The caller went away.
    Abandoned,
    /// The decision let nothing serve.
    Refused(ErrorKind),
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Actual {
    /// From the parsed request to the end of its answer.
    pub latency: Duration,
    /// From the parsed request to the decision, signals included.
    pub decision_time: Duration,
    /// As counted by what served it; before that, as counted here.
    pub prompt_tokens: Tokens,
    /// Those of them that did not have to be computed again.
    pub cached_tokens: Tokens,
    /// Tokens of the answer.
    pub completion_tokens: Tokens,
    /// `None` when the price is unknown.
    pub cost: Option<Usd>,
    /// Drawn on this device.
    pub energy: WattHours,
}

/// The outcome of one decided request.
#[derive(Debug)]
pub struct Outcome {
    /// The request.
    pub request: RequestId,
    /// When it arrived.
    pub started_at: SystemTime,
    /// What was decided.
    pub decided: Arc<Decided>,
    /// The candidate that served it or was the last to be tried; `None` when nothing could.
    pub served: Option<Candidate>,
    /// How it ended.
    pub ending: OutcomeEnding,
    /// What was measured.
    pub actual: Actual,
    /// What happened to it on its way.
    pub journey: Journey,
}

/// What happened to a request on its way to its answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Journey {
    /// Placements that were tried in vain before its answer began.
    pub failovers: u32,
    /// How often its answer went on elsewhere after it had begun.
    pub continuations: u32,
    /// A cascade's calibrated confidence in the device's answer.
    pub confidence: Option<Probability>,
    /// Whether a cascade had it answered elsewhere, as the device was not sure enough.
    pub has_escalated: bool,
    /// What this device drew for an answer that was not shown, since a cascade escalated it.
    pub energy_in_vain: WattHours,
    /// From the parsed request to the first of a generated text.
    pub first_token: Option<Duration>,
}

/// What serves a request now. Shared by its answer, which may go on elsewhere, and by what reports
/// how it ended.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) entry: Arc<Entry>,
    /// Its place in the decision's table.
    pub(crate) candidate: usize,
    pub(crate) begun: Started,
    pub(crate) journey: Journey,
}

/// Takes outcomes. It is called at the end of every request, on its path: it must be quick and
/// must neither wait nor panic.
pub trait OutcomeSink: Send + Sync + 'static {
    /// Takes one.
    fn record(&self, outcome: &Outcome);
}

/// A decided request under way. It reports one outcome, whatever becomes of it.
pub(crate) struct Underway {
    pub(crate) request: RequestId,
    pub(crate) started: Started,
    pub(crate) decided: Arc<Decided>,
    pub(crate) decision_time: Duration,
    pub(crate) tokens: Tokens,
    pub(crate) sink: Arc<dyn OutcomeSink>,
}

/// When a request arrived, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started {
    pub(crate) at: SystemTime,
    pub(crate) clock: Instant,
}

impl Started {
    pub(crate) fn now() -> Self {
        Self {
            at: SystemTime::now(),
            clock: Instant::now(),
        }
    }
}

impl Underway {
    /// Reports that nothing served it.
    pub(crate) fn refused(self, kind: ErrorKind) {
        self.report(None, OutcomeEnding::Refused(kind), Journey::default(), None);
    }

    /// Reports that every placement failed; `entry` was the last that was tried.
    pub(crate) fn failed(self, entry: &Entry, candidate: usize, kind: ErrorKind, failovers: u32) {
        self.report(
            Some((entry, candidate)),
            OutcomeEnding::Failed(kind),
            Journey {
                failovers,
                ..Journey::default()
            },
            None,
        );
    }

    /// A guard for an answer: it reports how that ends, and teaches the estimate of what served it.
    pub(crate) fn guard(self, serving: Arc<Mutex<Serving>>) -> OutcomeGuard {
        OutcomeGuard::new(move |ending| {
            let serving = serving.lock().unwrap_or_else(PoisonError::into_inner);
            let Serving {
                entry,
                candidate,
                begun,
                journey,
            } = &*serving;
            let (ending, usage) = match ending {
                Ending::Completed(usage) => (OutcomeEnding::Completed, Some(usage)),
                Ending::Failed(kind) => (OutcomeEnding::Failed(kind), None),
                Ending::Abandoned => (OutcomeEnding::Abandoned, None),
            };
            // What was only the rest of an answer says nothing of a whole one.
            if ending == OutcomeEnding::Completed && journey.continuations == 0 {
                entry.estimate.observe(self.tokens, begun.clock.elapsed());
            }
            self.report(Some((entry, *candidate)), ending, *journey, usage);
        })
    }

    fn report(
        self,
        tried: Option<(&Entry, usize)>,
        ending: OutcomeEnding,
        journey: Journey,
        usage: Option<Usage>,
    ) {
        let latency = self.started.clock.elapsed();
        let counted = usage
            .map(|usage| usage.prompt_tokens)
            .filter(|tokens| *tokens > 0);
        let prompt_tokens = counted.map_or(self.tokens, Tokens::new);
        let completion_tokens = usage.map_or(0, |usage| usage.completion_tokens);
        let told = usage.and_then(|usage| usage.cost_usd).and_then(Usd::new);
        let route = tried.map(|(entry, _)| &entry.route);
        // Only an answer is paid for.
        let priced = route
            .filter(|_| ending == OutcomeEnding::Completed)
            .and_then(|route| route.cost(prompt_tokens, Tokens::new(completion_tokens)));
        let served = tried.and_then(|(_, candidate)| self.decided.decision.candidate(candidate));
        let served = served.cloned();
        self.sink.record(&Outcome {
            request: self.request,
            started_at: self.started.at,
            decided: self.decided,
            served,
            ending,
            actual: Actual {
                latency,
                decision_time: self.decision_time,
                prompt_tokens,
                cached_tokens: Tokens::new(usage.map_or(0, |usage| usage.cached_tokens)),
                completion_tokens: Tokens::new(completion_tokens),
                cost: told.or(priced),
                energy: WattHours::clamped(
                    route.map_or(0.0, |route| route.energy(latency).get())
                        + journey.energy_in_vain.get(),
                ),
            },
            journey,
        });
    }
}
