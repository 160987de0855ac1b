//! An answer under way: passed on event by event, and taken elsewhere when what gives it breaks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, Stream};
use inference_api::{ErrorKind, Event, FinishReason, InferenceError, InferenceStream, Usage};
use router_policy::Tokens;
use tokio::time::timeout;

use super::PlacementRouter;
use crate::execute::{After, Attempt, Continuation, Ran, Spent, Told, another_may_serve};
use crate::outcome::{Decided, Journey, Serving, Started, Underway};
use crate::signals::{self, Signals};
use crate::table::Entry;

/// How long an answer that has begun may be silent before it counts as broken.
const SILENCE: Duration = Duration::from_secs(30);

/// An answer that has begun.
pub(super) struct Begun {
    pub(super) ran: Ran,
    /// Where it runs, in the decision's table.
    pub(super) candidate: usize,
    pub(super) begun: Started,
    /// Placements that were tried in vain before.
    pub(super) failovers: u32,
}

impl Begun {
    /// The answer, with the duty to report how it ends; it can go on elsewhere if `continuation` says.
    pub(super) fn answer(
        self,
        router: PlacementRouter,
        continuation: Option<Continuation>,
        entries: Vec<Arc<Entry>>,
        underway: Underway,
    ) -> InferenceStream {
        let Ran {
            stream,
            entry,
            weighed,
        } = self.ran;
        let candidate = entries.get(self.candidate);
        let energy_in_vain = candidate.map(|entry| entry.route.energy(weighed.in_vain));
        let serving = Arc::new(Mutex::new(Serving {
            entry,
            candidate: self.candidate,
            begun: self.begun,
            journey: Journey {
                failovers: self.failovers,
                confidence: weighed.confidence,
                has_escalated: weighed.has_escalated,
                energy_in_vain: energy_in_vain.unwrap_or_default(),
                ..Journey::default()
            },
        }));
        let (decided, started) = (underway.decided.clone(), underway.started);
        let guard = underway.guard(serving.clone());
        let Some(continuation) = continuation else {
            return stream.with_guard(guard);
        };
        let served = stream.served().clone();
        let answer = Answer {
            router,
            continuation,
            entries,
            decided,
            serving,
            started,
            stream,
        };
        InferenceStream::flowing(served, answer.events()).with_guard(guard)
    }
}

/// One answer that can go on elsewhere.
struct Answer {
    router: PlacementRouter,
    continuation: Continuation,
    entries: Vec<Arc<Entry>>,
    decided: Arc<Decided>,
    serving: Arc<Mutex<Serving>>,
    started: Started,
    stream: InferenceStream,
}

struct Going {
    answer: Answer,
    told: Told,
    spent: Spent,
    /// Candidates that are not tried again.
    tried: Vec<usize>,
    next: Option<Event>,
    has_ended: bool,
}

impl Answer {
    /// Its events, wherever they come from.
    fn events(self) -> impl Stream<Item = Result<Event, InferenceError>> + Send + 'static {
        let going = Box::new(Going {
            answer: self,
            told: Told::default(),
            spent: Spent::default(),
            tried: Vec::new(),
            next: None,
            has_ended: false,
        });
        stream::unfold(going, |mut going| async move {
            let next = going.next().await?;
            Some((next, going))
        })
    }
}

impl Going {
    async fn next(&mut self) -> Option<Result<Event, InferenceError>> {
        if let Some(event) = self.next.take() {
            return Some(Ok(event));
        }
        if self.has_ended {
            return None;
        }
        let event = if self.told.has_begun() {
            let event = timeout(SILENCE, self.answer.stream.next()).await;
            event.unwrap_or_else(|_elapsed| Some(Err(silent())))
        } else {
            self.answer.stream.next().await
        };
        match event {
            Some(Ok(Event::Usage(usage))) => Some(Ok(Event::Usage(self.spent.and(usage)))),
            Some(Ok(event)) => {
                self.note(&event);
                Some(Ok(event))
            }
            // Apart, since it is large and seldom: the rest is moved for every event.
            Some(Err(error)) => Some(Box::pin(self.broken(error)).await),
            None => {
                self.has_ended = true;
                None
            }
        }
    }

    fn note(&mut self, event: &Event) {
        let had_begun = self.told.has_begun();
        self.told.take(event);
        if !had_begun && self.told.has_begun() {
            self.serving().journey.first_token = Some(self.answer.started.clock.elapsed());
        }
    }

    /// Goes on elsewhere, or tells the error that broke it.
    async fn broken(&mut self, error: InferenceError) -> Result<Event, InferenceError> {
        if self.told.has_finished {
            // Everything was told but what it took.
            return Ok(self.ended(None));
        }
        let may = another_may_serve(error.kind()) && Continuation::can_follow(&self.told);
        if may && let Some(event) = self.move_on(error.kind()).await {
            return Ok(event);
        }
        self.has_ended = true;
        Err(error)
    }

    /// Its end, where what gave it does not tell any more.
    fn ended(&mut self, reason: Option<FinishReason>) -> Event {
        self.has_ended = true;
        let usage = Event::Usage(Usage {
            prompt_tokens: self.answer.decided.decision.request().tokens.get(),
            completion_tokens: self.told.count(),
            ..Usage::default()
        });
        match reason {
            Some(reason) => {
                self.next = Some(usage);
                Event::Finished(0, reason)
            }
            None => usage,
        }
    }

    /// Tries what is admitted now, best first; gives the word of who serves from here on.
    async fn move_on(&mut self, why: ErrorKind) -> Option<Event> {
        let (broken, candidate) = {
            let serving = self.serving();
            (serving.entry.clone(), serving.candidate)
        };
        self.tried.push(candidate);
        let Some(rest) = self.answer.continuation.rest(&self.told) else {
            // No token was left to draw: it was complete.
            return Some(self.ended(Some(FinishReason::Length)));
        };
        let judged = self.answer.continuation.judged(&self.told)?;
        let entries = &self.answer.entries;
        let Signals { facts, .. } = signals::compute(&judged, entries).await.ok()?;
        let tokens = facts.tokens;
        let decided = Decided {
            id: self.answer.decided.id,
            ..self.answer.router.decide(&judged, facts, entries).await
        };
        for &index in decided.decision.order() {
            let Some(entry) = self.answer.entries.get(index) else {
                continue;
            };
            let is_other = !Arc::ptr_eq(entry, &broken) && !entry.is_cascade();
            if !is_other
                || self.tried.contains(&index)
                || !self.answer.continuation.may_use(entry, &broken)
            {
                continue;
            }
            self.tried.push(index);
            let attempt = Attempt {
                entry,
                candidate: index,
                decided: &decided,
                prepared: None,
                after: Some(After {
                    kind: broken.route.kind,
                    error: why,
                    tokens: self.told.count(),
                }),
            };
            match attempt.run(rest.clone()).await {
                Ok(ran) => return Some(self.moved(ran, index, &broken, tokens)),
                Err(error) => {
                    tracing::debug!(decision = %decided.id, error = error.log(), "an answer could not go on there");
                }
            }
        }
        None
    }

    fn moved(&mut self, ran: Ran, index: usize, broken: &Entry, judged: Tokens) -> Event {
        let count = self.told.count();
        let prompt = Tokens::new(judged.get().saturating_sub(count));
        let cost = broken.route.cost(prompt, Tokens::new(count));
        self.spent
            .left(&self.told, cost.map(router_policy::Usd::get));
        let served = ran.stream.served().clone();
        self.answer.stream = ran.stream;
        let decision = self.answer.decided.id;
        let mut serving = self.serving();
        serving.entry = ran.entry;
        serving.candidate = index;
        serving.journey.continuations += 1;
        drop(serving);
        tracing::warn!(%decision, placement = %served.placement, after_tokens = count, "an answer broke and goes on elsewhere");
        Event::Served(served)
    }

    fn serving(&self) -> std::sync::MutexGuard<'_, Serving> {
        let serving = &self.answer.serving;
        serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn silent() -> InferenceError {
    InferenceError::new(ErrorKind::Unavailable, "the answer fell silent")
}

#[cfg(test)]
mod tests;
