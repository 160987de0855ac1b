//! The way of a request: signals, candidates, estimate, decide, execute, outcome.

mod answer;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use inference_api::{ErrorKind, Fallback, InferenceError, InferenceRequest, InferenceStream};
use router_policy::{Nothing, Question, RequestFacts};
use tower::Service;

use self::answer::Begun;
use crate::boundary::{boundary_to_policy, mode_to_policy};
use crate::conditions::Conditions;
use crate::decide::Decider;
use crate::execute::{After, Attempt, Continuation, another_may_serve, narrower};
use crate::outcome::{Decided, DecisionId, OutcomeSink, Started, Underway};
use crate::signals::{self, Prepared, Signals};
use crate::table::{Entry, RouteTable};

/// What a router is made of. The program keeps its own handles on the first three and changes them
/// as it learns.
pub struct Parts {
    /// What could serve.
    pub routes: Arc<RouteTable>,
    /// The state of device, network, user and fleet.
    pub conditions: Arc<Conditions>,
    /// Who decides.
    pub decider: Arc<Decider>,
    /// Where outcomes go.
    pub outcomes: Arc<dyn OutcomeSink>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

/// Places requests: decides where each runs, and runs it there. A clone shares everything.
#[derive(Clone)]
pub struct PlacementRouter(Arc<Parts>);

impl PlacementRouter {
    /// A router over these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Decides where `request` would run, and runs it nowhere. Nothing is recorded.
    ///
    /// # Errors
    /// When it could not be placed for what it is: an unknown model, say.
    pub(crate) async fn decide_only(
        &self,
        request: InferenceRequest,
    ) -> Result<Decided, InferenceError> {
        let entries = self.fitting(&request)?;
        let Signals { facts, .. } = signals::compute(&request, &entries).await?;
        Ok(self.decide(&request, facts, &entries).await)
    }

    /// Decides where `request` runs, and runs it there.
    async fn place(self, request: InferenceRequest) -> Result<InferenceStream, InferenceError> {
        let started = Started::now();
        let entries = self.fitting(&request)?;

        let Signals { facts, prepared } = signals::compute(&request, &entries).await?;
        let tokens = facts.tokens;
        let decided = Arc::new(self.decide(&request, facts, &entries).await);
        let underway = Underway {
            request: request.id,
            started,
            decision_time: started.clock.elapsed(),
            decided: decided.clone(),
            tokens,
            sink: self.0.outcomes.clone(),
        };
        let wants_debug = request.context.wants_debug;
        let placing = Placing {
            router: self,
            request,
            entries,
            prepared,
            underway,
        };
        placing
            .run()
            .await
            .map_err(|error| error.with_explanation(decided.explanation(wants_debug)))
    }

    /// The routes that do this task with this model.
    fn fitting(&self, request: &InferenceRequest) -> Result<Vec<Arc<Entry>>, InferenceError> {
        let task = request.task.kind();
        let mut entries = self.0.routes.fitting(task, &request.model);
        if !self.0.decider.has_cascades() {
            entries.retain(|entry| !entry.is_cascade());
        }
        if !entries.is_empty() {
            return Ok(entries);
        }
        Err(match request.model.name() {
            None => InferenceError::new(ErrorKind::NoEligibleRoute, "no model here does this task"),
            Some(name) if self.0.routes.knows(name) => {
                let message = format!("the model `{name}` does not do the task `{}`", task.name());
                InferenceError::invalid(message).with_param("model")
            }
            Some(name) => InferenceError::model_not_found(name.as_str()),
        })
    }

    async fn decide(
        &self,
        request: &InferenceRequest,
        facts: RequestFacts,
        entries: &[Arc<Entry>],
    ) -> Decided {
        let tokens = facts.tokens;
        let candidates = entries.iter().map(|entry| entry.candidate(tokens));
        let slow = self.0.conditions.get();
        let mode = mode_to_policy(request.context.mode);
        let boundary = boundary_to_policy(request.context.boundary);
        let question = Question {
            request: facts,
            mode,
            boundary,
            candidates: candidates.collect(),
        };
        let id = DecisionId::generate();
        let decision = self.0.decider.decide(id, &slow, question).await;
        Decided { id, decision }
    }
}

/// A decided request that is being run.
struct Placing {
    router: PlacementRouter,
    request: InferenceRequest,
    entries: Vec<Arc<Entry>>,
    prepared: Option<Prepared>,
    underway: Underway,
}

impl Placing {
    /// Tries what was admitted, best first, until one serves. Whatever happens, one outcome is told.
    async fn run(self) -> Result<InferenceStream, InferenceError> {
        let Self {
            router,
            request,
            entries,
            prepared,
            underway,
        } = self;
        let decided = underway.decided.clone();
        if let Err(nothing) = decided.decision.chosen() {
            let error = refusal(nothing, &decided.decision.reason());
            underway.refused(error.kind());
            return Err(error);
        }
        let mut failovers = 0;
        let mut after = None;
        let order = tried_in_order(&decided, &request);
        let continuation = Continuation::of(&request, decided.decision.fallback());
        let mut request = Some(request);
        for (tried, &index) in order.iter().enumerate() {
            let Some(entry) = entries.get(index) else {
                continue;
            };
            let is_last = tried + 1 == order.len();
            // The last attempt takes the request; those before leave it for the next.
            let sent = if is_last {
                request.take()
            } else {
                request.clone()
            };
            let Some(sent) = sent else { break };
            let deadline = sent.context.deadline;
            let attempt = Attempt {
                entry,
                candidate: index,
                decided: &decided,
                prepared: prepared.as_ref(),
                after,
            };
            let begun = Started::now();
            match attempt.run(sent).await {
                Ok(ran) => {
                    let begun = Begun {
                        ran,
                        candidate: index,
                        begun,
                        failovers,
                    };
                    let stream = begun.answer(router, continuation, entries, underway);
                    return Ok(stream.with_deadline(deadline));
                }
                Err(error) if !is_last && another_may_serve(error.kind()) => {
                    let placement = entry.route.kind;
                    tracing::warn!(decision = %decided.id, %placement, error = error.log(), "a placement failed, the next is tried");
                    failovers += 1;
                    after = Some(After {
                        kind: placement,
                        error: error.kind(),
                        tokens: 0,
                    });
                }
                Err(error) => {
                    underway.failed(entry, index, error.kind(), failovers);
                    return Err(error);
                }
            }
        }
        Err(InferenceError::internal().with_log("a decision's order names no route"))
    }
}

/// What is tried, best first: the best alone where nothing else may serve in its place.
fn tried_in_order<'d>(decided: &'d Decided, request: &InferenceRequest) -> &'d [usize] {
    let order = decided.decision.order();
    match narrower(request.context.fallback, decided.decision.fallback()) {
        Fallback::None => order.get(..1).unwrap_or(order),
        Fallback::SameModel | Fallback::AnyModel => order,
    }
}

/// What a caller is told when nothing can serve.
fn refusal(nothing: Nothing, reason: &str) -> InferenceError {
    match nothing {
        Nothing::Denied => InferenceError::new(
            ErrorKind::PolicyDenied,
            format!("the policy lets nothing serve this request: {reason}"),
        ),
        Nothing::Unavailable => InferenceError::new(
            ErrorKind::NoEligibleRoute,
            format!("nothing can serve this request now: {reason}"),
        ),
    }
}

impl Service<InferenceRequest> for PlacementRouter {
    type Response = InferenceStream;
    type Error = InferenceError;
    type Future = BoxFuture<'static, Result<InferenceStream, InferenceError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), InferenceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: InferenceRequest) -> Self::Future {
        Box::pin(self.clone().place(request))
    }
}

impl fmt::Debug for PlacementRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlacementRouter")
            .field("routes", &self.0.routes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
