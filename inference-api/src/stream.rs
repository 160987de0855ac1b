//! The answer to a request: what serves it, and its events as they come.
//!
//! Invariant: the stream owns the request's places in queues, its deadline and
//! the duty to report how it ended. They last until the stream ends, and the
//! report happens exactly once, however it ends: completed, failed or dropped.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{BoxStream, FusedStream, Stream, StreamExt};
use smallvec::SmallVec;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use crate::error::InferenceError;
use crate::generation::Generated;
use crate::stream::outcome::Guards;

mod event;
mod outcome;
mod served;

pub use event::{Answer, Event, Output, Usage};
pub use outcome::{Ending, OutcomeGuard};
pub use served::{Explanation, Placement, Served};

/// What serves a request, and the events that answer it. See the module page.
///
/// After an error or the end it yields nothing more.
#[must_use = "dropping the stream abandons the request"]
pub struct InferenceStream {
    served: Arc<Served>,
    events: Events,
    deadline: Option<Deadline>,
    permits: SmallVec<[OwnedSemaphorePermit; 2]>,
    guards: Guards,
    usage: Usage,
    price: Option<Price>,
}

/// What tokens cost, in US dollars each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// One that goes in.
    pub prompt_usd: f64,
    /// One that is generated.
    pub answer_usd: f64,
}

impl Price {
    fn cost(&self, usage: &Usage) -> f64 {
        self.prompt_usd * f64::from(usage.prompt_tokens)
            + self.answer_usd * f64::from(usage.completion_tokens)
    }
}

/// Where the events come from.
enum Events {
    /// All there are, at hand.
    Ready(Option<Output>, Option<Usage>),
    Flowing(BoxStream<'static, Result<Event, InferenceError>>),
    Ended,
}

impl InferenceStream {
    /// An answer that is already complete. Nothing is boxed for it.
    pub fn once(served: Arc<Served>, output: Output, usage: Usage) -> Self {
        Self::of(served, Events::Ready(Some(output), Some(usage)))
    }

    /// An answer whose events are still to come.
    pub fn flowing<S>(served: Arc<Served>, events: S) -> Self
    where
        S: Stream<Item = Result<Event, InferenceError>> + Send + 'static,
    {
        Self::of(served, Events::Flowing(events.boxed()))
    }

    fn of(served: Arc<Served>, events: Events) -> Self {
        Self {
            served,
            events,
            deadline: None,
            permits: SmallVec::new(),
            guards: Guards::default(),
            usage: Usage::default(),
            price: None,
        }
    }

    /// What serves it.
    #[must_use]
    pub fn served(&self) -> &Arc<Served> {
        &self.served
    }

    /// The same answer, told as served by `served`: a router knows more about
    /// a placement than the executor that it chose.
    pub fn with_served(mut self, served: Arc<Served>) -> Self {
        self.served = served;
        self
    }

    /// The same answer, holding a place in a queue until it ends.
    pub fn with_permit(mut self, permit: OwnedSemaphorePermit) -> Self {
        self.permits.push(permit);
        self
    }

    /// The same answer, which fails at `at` unless it has ended. The earliest
    /// deadline counts. What is at hand is delivered even when late.
    pub fn with_deadline(mut self, at: Instant) -> Self {
        let at = self.deadline.map_or(at, |earlier| earlier.at.min(at));
        self.deadline = Some(Deadline { at, timer: None });
        self
    }

    /// The same answer, which tells what it cost at this price where what served it does not.
    pub fn with_price(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }

    /// The same answer, with one more that learns how it ends.
    pub fn with_guard(mut self, guard: OutcomeGuard) -> Self {
        self.guards.push(guard);
        self
    }

    /// Reads it to its end.
    ///
    /// # Errors
    ///
    /// The stream's own error; [`Internal`](crate::ErrorKind::Internal) when it ended without a
    /// result, which is a fault of what served it.
    pub async fn finish(mut self) -> Result<Answer, InferenceError> {
        let mut output = None;
        let mut answers: Vec<Generated> = Vec::new();
        while let Some(event) = self.next().await {
            match event? {
                Event::Embeddings(vectors) => output = Some(Output::Embeddings(vectors)),
                Event::Outputs(tensors) => output = Some(Output::Tensors(tensors)),
                Event::Delta(delta) => answer(&mut answers, delta.choice).push(delta),
                Event::ToolCall(delta) => answer(&mut answers, delta.choice).push_call(delta),
                Event::Finished(choice, reason) => {
                    answer(&mut answers, choice).finish = Some(reason);
                }
                Event::Served(_) | Event::Usage(_) => {}
            }
        }
        let has_ended = !answers.is_empty() && answers.iter().all(|one| one.finish.is_some());
        let output = output.or_else(|| has_ended.then_some(Output::Generated(answers)));
        let output = output.ok_or_else(|| {
            InferenceError::internal().with_log("an answer ended without a result")
        })?;
        Ok(Answer {
            output,
            usage: self.usage,
            served: self.served.clone(),
        })
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, InferenceError>>> {
        match &mut self.events {
            Events::Ready(output, usage) => {
                let output = match output.take() {
                    Some(Output::Embeddings(vectors)) => Some(Event::Embeddings(vectors)),
                    Some(Output::Tensors(tensors)) => Some(Event::Outputs(tensors)),
                    // Generated text flows.
                    Some(Output::Generated(_)) | None => None,
                };
                Poll::Ready(output.or_else(|| usage.take().map(Event::Usage)).map(Ok))
            }
            Events::Flowing(events) => {
                if let Some(deadline) = &mut self.deadline
                    && deadline.has_passed(cx)
                {
                    return Poll::Ready(Some(Err(InferenceError::deadline_exceeded())));
                }
                events.poll_next_unpin(cx)
            }
            Events::Ended => Poll::Ready(None),
        }
    }

    fn end(&mut self, ending: Ending) {
        self.events = Events::Ended;
        self.deadline = None;
        self.permits.clear();
        self.guards.fire(ending);
    }
}

impl Stream for InferenceStream {
    type Item = Result<Event, InferenceError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut polled = self.poll_event(cx);
        match &mut polled {
            Poll::Pending => {}
            Poll::Ready(None) => {
                let usage = self.usage;
                self.end(Ending::Completed(usage));
            }
            Poll::Ready(Some(Err(error))) => self.end(Ending::Failed(error.kind())),
            Poll::Ready(Some(Ok(Event::Usage(usage)))) => {
                if let (None, Some(price)) = (usage.cost_usd, self.price) {
                    usage.cost_usd = Some(price.cost(usage));
                }
                self.usage = *usage;
            }
            Poll::Ready(Some(Ok(Event::Served(served)))) => self.served = served.clone(),
            Poll::Ready(Some(Ok(
                Event::Embeddings(_)
                | Event::Outputs(_)
                | Event::Delta(_)
                | Event::ToolCall(_)
                | Event::Finished(..),
            ))) => {}
        }
        polled
    }
}

/// The answer of that number; those before it are made, too.
fn answer(answers: &mut Vec<Generated>, choice: u8) -> &mut Generated {
    let index = usize::from(choice);
    if answers.len() <= index {
        answers.resize_with(index + 1, Generated::default);
    }
    &mut answers[index]
}

impl FusedStream for InferenceStream {
    fn is_terminated(&self) -> bool {
        matches!(self.events, Events::Ended)
    }
}

impl fmt::Debug for InferenceStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InferenceStream")
            .field("served", &self.served)
            .field("ended", &self.is_terminated())
            .finish_non_exhaustive()
    }
}

/// When the stream fails. The timer is made at the first wait.
struct Deadline {
    at: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    fn has_passed(&mut self, cx: &mut Context<'_>) -> bool {
        let at = self.at;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        timer.as_mut().poll(cx).is_ready()
    }
}

#[cfg(test)]
mod tests;
