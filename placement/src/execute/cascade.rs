//! The device answers first, and another place where the device is not sure enough.
//!
//! Nothing is shown until that is settled: the beginning of the device's answer is held back, as many
//! tokens as the policy says, or all of it when nobody reads it before its end. A caller sees one
//! answer. What the device said is kept until the other place has begun, so that it can still be shown
//! when that place fails.
//!
//! How sure it is: the geometric mean of its tokens' probabilities, calibrated per route by whether
//! such answers agreed with the other place's where both answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use inference_api::{Event, InferenceError, InferenceRequest, InferenceStream, Sampling};
use router_policy::{Cascade, Probability};

use super::failover::{Attempt, Ran, another_may_serve};
use crate::table::{Entry, Pair};

/// Longest answer that is held back whole, in tokens.
const MOST_HELD: usize = 4096;

/// What a cascade made of the device's answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weighed {
    /// `None` when the device gave no answer to weigh.
    pub(crate) confidence: Option<Probability>,
    pub(crate) has_escalated: bool,
    /// How long the device worked on an answer that was not shown.
    pub(crate) in_vain: Duration,
}

/// Runs a request at a pair of routes.
pub(super) async fn run(
    attempt: &Attempt<'_>,
    pair: &Pair,
    request: InferenceRequest,
) -> Result<Ran, InferenceError> {
    let Some(terms) = attempt.decided.decision.cascade() else {
        let log = "a cascade was chosen that no rule asked for";
        return Err(InferenceError::internal().with_log(log));
    };
    let begun = Instant::now();
    let held = match weighable(&request) {
        Some(weighable) => answer(attempt, &pair.first, weighable, &terms).await,
        // Calls of tools are not weighed.
        None => Ok(None),
    };
    let held = match held {
        Ok(held) => held,
        Err(error) if another_may_serve(error.kind()) => None,
        Err(error) => return Err(error),
    };
    let took = begun.elapsed();
    let Some(held) = held else {
        let stream = attempt.run_at(&pair.second, request).await?;
        let why = "escalated: the device gave no answer to weigh".to_owned();
        return Ok(attempt.cascaded(stream, &pair.second, &why, escalated(None, took)));
    };
    let (score, needed) = (held.score(), terms.min_confidence);
    let confidence = pair.first.estimate.confidence().confidence(score);
    let is_sure = confidence >= needed;
    pair.first.estimate.learn(|known| known.weighed(!is_sure));
    let (sure, needed) = (confidence.get(), needed.get());
    if is_sure {
        let why = format!("the device is {sure:.2} sure, {needed:.2} is enough");
        let weighed = Weighed {
            confidence: Some(confidence),
            ..Weighed::default()
        };
        return Ok(attempt.cascaded(held.release(), &pair.first, &why, weighed));
    }
    match attempt.run_at(&pair.second, request).await {
        Ok(stream) => {
            let why = format!("escalated: the device is {sure:.2} sure, {needed:.2} is asked for");
            let compared = held.compare(stream, pair.first.clone(), score);
            Ok(attempt.cascaded(
                compared,
                &pair.second,
                &why,
                escalated(Some(confidence), took),
            ))
        }
        Err(error) if another_may_serve(error.kind()) => {
            let code = error.kind().code();
            let why =
                format!("the device is only {sure:.2} sure, but the other place failed: {code}");
            let weighed = Weighed {
                confidence: Some(confidence),
                ..Weighed::default()
            };
            Ok(attempt.cascaded(held.release(), &pair.first, &why, weighed))
        }
        Err(error) => Err(error),
    }
}

const fn escalated(confidence: Option<Probability>, in_vain: Duration) -> Weighed {
    Weighed {
        confidence,
        has_escalated: true,
        in_vain,
    }
}

/// The same request, which tells its tokens' probabilities; `None` for what is not weighed.
fn weighable(request: &InferenceRequest) -> Option<InferenceRequest> {
    let sampling = request.task.sampling()?;
    let told = Sampling {
        logprobs: Some(sampling.logprobs.unwrap_or(0)),
        ..sampling.clone()
    };
    let task = request
        .task
        .is_one_text()
        .then(|| request.task.with_sampling(told))?;
    Some(InferenceRequest {
        task,
        ..request.clone()
    })
}

/// The beginning of an answer, which nobody has seen.
struct Held {
    events: Vec<Event>,
    rest: InferenceStream,
    text: String,
    tokens: usize,
    log_probability: f64,
    has_ended: bool,
}

/// The device's answer, as far as it is held back; `None` when it has no tokens.
async fn answer(
    attempt: &Attempt<'_>,
    first: &Arc<Entry>,
    request: InferenceRequest,
    terms: &Cascade,
) -> Result<Option<Held>, InferenceError> {
    let most = if request.context.wants_whole {
        MOST_HELD
    } else {
        terms.hold_tokens.into()
    };
    let mut held = Held {
        rest: attempt.run_at(first, request).await?,
        events: Vec::new(),
        text: String::new(),
        tokens: 0,
        log_probability: 0.0,
        has_ended: false,
    };
    while held.tokens < most && !held.has_ended {
        let Some(event) = held.rest.next().await else {
            break;
        };
        held.take(event?);
    }
    Ok((held.tokens > 0).then_some(held))
}

impl Held {
    fn take(&mut self, event: Event) {
        match &event {
            Event::Delta(delta) => {
                self.text.push_str(&delta.text);
                self.tokens += delta.tokens.len();
                let each = delta.tokens.iter().map(|token| f64::from(token.logprob));
                self.log_probability += each.sum::<f64>();
            }
            Event::Finished(..) => self.has_ended = true,
            Event::ToolCall(_)
            | Event::Embeddings(_)
            | Event::Outputs(_)
            | Event::Served(_)
            | Event::Usage(_) => {}
        }
        self.events.push(event);
    }

    /// The geometric mean of its tokens' probabilities.
    fn score(&self) -> Probability {
        let tokens = u32::try_from(self.tokens).unwrap_or(u32::MAX).max(1);
        Probability::new((self.log_probability / f64::from(tokens)).exp())
    }

    /// It is shown, and what follows it.
    fn release(self) -> InferenceStream {
        let served = self.rest.served().clone();
        let held = stream::iter(self.events.into_iter().map(Ok));
        InferenceStream::flowing(served, held.chain(self.rest))
    }

    /// The other place's answer; when it ends, `first` learns whether the two agree.
    fn compare(
        self,
        there: InferenceStream,
        first: Arc<Entry>,
        score: Probability,
    ) -> InferenceStream {
        let served = there.served().clone();
        let (mine, has_ended) = (self.text, self.has_ended);
        let mut theirs = String::new();
        let compared = there.inspect(move |event| match event {
            Ok(Event::Delta(delta)) if theirs.len() <= mine.len() => theirs.push_str(&delta.text),
            Ok(Event::Finished(..)) => {
                let agrees = if has_ended {
                    theirs.trim() == mine.trim()
                } else {
                    theirs.starts_with(&mine)
                };
                first.estimate.learn(|known| known.observe(score, agrees));
            }
            Ok(_) | Err(_) => {}
        });
        InferenceStream::flowing(served, compared)
    }
}
