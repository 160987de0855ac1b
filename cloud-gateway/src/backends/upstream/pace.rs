//! How fast a model at a service is, learned from its answers: what agents are told to expect.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use inference_api::Usage;
use placement::Measured;
use tokio::time::Instant;

/// How long an answer is remembered: its weight falls to a third in that time.
const MEMORY_SECONDS: f64 = 15.0;
/// The least weight of a new answer, however soon it follows the one before.
const LEAST_WEIGHT: f64 = 0.05;

/// A running mean of the time to the first event, and of the time for each token after it.
#[derive(Debug)]
pub(in crate::backends) struct Pace(Mutex<State>);

#[derive(Debug)]
struct State {
    first: f64,
    each: f64,
    updated: Option<Instant>,
}

impl Pace {
    /// Starts from what is expected, in seconds.
    pub(super) fn new(first: f64, each: f64) -> Self {
        Self(Mutex::new(State {
            first,
            each,
            updated: None,
        }))
    }

    pub(super) fn measured(&self) -> Measured {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Measured {
            fixed_seconds: state.first,
            per_token_seconds: 0.0,
            per_answer_token_seconds: state.each,
        }
    }

    /// Takes an answer that came in pieces: the time to its first, and for the rest with its tokens.
    pub(super) fn flowed(&self, first: Duration, rest: Duration, tokens: u32, now: Instant) {
        let each = (tokens > 1).then(|| rest.as_secs_f64() / f64::from(tokens - 1));
        self.learn(first.as_secs_f64(), each, now);
    }

    /// Takes an answer that came at once: what is known of its parts divides it.
    pub(super) fn whole(&self, took: Duration, usage: Usage, now: Instant) {
        let took = took.as_secs_f64();
        if usage.completion_tokens < 2 {
            return self.learn(took, None, now);
        }
        let Measured {
            fixed_seconds,
            per_answer_token_seconds,
            ..
        } = self.measured();
        let tokens = f64::from(usage.completion_tokens);
        let expected = fixed_seconds + per_answer_token_seconds * tokens;
        let ratio = took / expected.max(1e-9);
        self.learn(
            fixed_seconds * ratio,
            Some(per_answer_token_seconds * ratio),
            now,
        );
    }

    fn learn(&self, first: f64, each: Option<f64>, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = state.updated.map_or(1.0, |then| {
            let quiet = now.saturating_duration_since(then).as_secs_f64();
            (1.0 - (-quiet / MEMORY_SECONDS).exp()).max(LEAST_WEIGHT)
        });
        state.first += (first - state.first) * weight;
        if let Some(each) = each {
            state.each += (each - state.each) * weight;
        }
        state.updated = Some(now);
    }
}
