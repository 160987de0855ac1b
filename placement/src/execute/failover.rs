//! One placement after the other: when the best cannot serve after all, the next that was admitted.

use std::sync::Arc;

use inference_api::{
    ErrorKind, Explanation, InferenceError, InferenceRequest, InferenceStream, Placement, Price,
    Served,
};
use router_policy::{PlacementKind, Usd};
use tower::ServiceExt;

use super::Egress;
use super::cascade::{self, Weighed};
use crate::boundary::{boundary_from_policy, placement};
use crate::outcome::Decided;
use crate::signals::Prepared;
use crate::table::{Entry, Executor};

/// One try at one placement.
pub(crate) struct Attempt<'a> {
    pub(crate) entry: &'a Arc<Entry>,
    /// Its place in the decision's table.
    pub(crate) candidate: usize,
    pub(crate) decided: &'a Decided,
    pub(crate) prepared: Option<&'a Prepared>,
    /// What was tried before in vain, and why.
    pub(crate) after: Option<After>,
}

/// What was tried before in vain, and why; and how much of its answer it had told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct After {
    pub(crate) kind: PlacementKind,
    pub(crate) error: ErrorKind,
    pub(crate) tokens: u32,
}

/// An answer that has begun, and which route gives it: a cascade has two.
pub(crate) struct Ran {
    pub(crate) stream: InferenceStream,
    pub(crate) entry: Arc<Entry>,
    pub(crate) weighed: Weighed,
}

impl Attempt<'_> {
    /// Runs `request` at this placement. Beyond this site it goes only with the decision's permit.
    pub(crate) async fn run(self, request: InferenceRequest) -> Result<Ran, InferenceError> {
        if let Executor::Cascade(pair) = &self.entry.route.executor {
            return cascade::run(&self, pair, request).await;
        }
        Ok(Ran {
            stream: self.run_at(self.entry, request).await?,
            entry: self.entry.clone(),
            weighed: Weighed::default(),
        })
    }

    /// Runs `request` at one route.
    pub(super) async fn run_at(
        &self,
        entry: &Arc<Entry>,
        mut request: InferenceRequest,
    ) -> Result<InferenceStream, InferenceError> {
        let decision = &self.decided.decision;
        let boundary = boundary_from_policy(decision.boundary());
        request.context.boundary = request.context.boundary.narrow(boundary);
        let explanation = self.explanation(request.context.wants_debug);
        let stream = match &entry.route.executor {
            Executor::Onnx(executor) => executor.run(request, self.prepared).await?,
            Executor::Stays(executor) => executor.clone().oneshot(request).await?,
            Executor::Leaves(executor) => {
                let permit = decision.permit(self.candidate).ok_or_else(no_permit)?;
                executor
                    .clone()
                    .oneshot(Egress {
                        request,
                        permit,
                        decision: self.decided.id,
                    })
                    .await?
            }
            Executor::Cascade(_) => {
                let log = "a cascade of a cascade was to be run";
                return Err(InferenceError::internal().with_log(log));
            }
        };
        let served = self.served(entry, stream.served(), explanation);
        let stream = stream.with_served(Arc::new(served));
        Ok(match entry.route.price {
            Some(price) => stream.with_price(Price {
                prompt_usd: price.prompt / 1e6,
                answer_usd: price.answer / 1e6,
            }),
            None => stream,
        })
    }

    /// The answer of one of a cascade's routes, told as the cascade's.
    pub(super) fn cascaded(
        &self,
        stream: InferenceStream,
        entry: &Arc<Entry>,
        why: &str,
        weighed: Weighed,
    ) -> Ran {
        let told = stream.served();
        let explanation = told.explanation.clone().map(|explanation| Explanation {
            reason: format!("{}: {why}", Placement::Cascade),
            ..explanation
        });
        let served = Arc::new(Served {
            placement: Placement::Cascade,
            explanation,
            ..Served::clone(told)
        });
        Ran {
            stream: stream.with_served(served),
            entry: entry.clone(),
            weighed,
        }
    }

    /// Why it runs here: as it was decided, or since what was decided could not serve.
    fn explanation(&self, wants_debug: bool) -> Explanation {
        let explanation = self.decided.explanation(wants_debug);
        match self.after {
            None => explanation,
            Some(After {
                kind,
                error,
                tokens,
            }) => {
                let (here, why) = (self.entry.route.kind, error.code());
                let reason = if tokens == 0 {
                    format!("{here}: {kind} was chosen but failed, {why}")
                } else {
                    format!("{here}: goes on after {tokens} tokens, as {kind} failed, {why}")
                };
                Explanation {
                    reason,
                    ..explanation
                }
            }
        }
    }

    /// What the executor says of itself, and what only the decision knows.
    fn served(&self, entry: &Entry, told: &Served, explanation: Explanation) -> Served {
        let candidate = self.decided.decision.candidate(self.candidate);
        let cost = candidate.and_then(|candidate| candidate.prediction.cost);
        Served {
            placement: placement(entry.route.kind),
            cost_usd: cost.map(Usd::get),
            explanation: Some(explanation),
            ..told.clone()
        }
    }
}

fn no_permit() -> InferenceError {
    InferenceError::new(
        ErrorKind::PolicyDenied,
        "the decision does not let this request's content leave",
    )
}

/// Whether another placement may serve what failed at one: the failure was the place's, not the
/// request's.
pub(crate) const fn another_may_serve(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Unavailable
        | ErrorKind::Overloaded
        | ErrorKind::ModelNotReady
        | ErrorKind::ModelNotFound
        | ErrorKind::NoEligibleRoute
        | ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::PolicyDenied
        | ErrorKind::BudgetExceeded
        | ErrorKind::Unsupported
        | ErrorKind::Internal => true,
        ErrorKind::InvalidRequest
        | ErrorKind::ContextLengthExceeded
        | ErrorKind::NotFound
        | ErrorKind::MethodNotAllowed
        | ErrorKind::RequestTimeout
        | ErrorKind::RequestTooLarge
        | ErrorKind::DeadlineExceeded => false,
    }
}
