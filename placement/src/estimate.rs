//! What is learned about one route, kept up to date by its outcomes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use router_policy::{Expected, LatencyEstimator, Seconds, Tokens};

use crate::table::Measured;

/// The running estimate of a route's latency.
#[derive(Debug)]
pub(crate) struct Estimate(Mutex<LatencyEstimator>);

impl Estimate {
    /// Starts from what was measured or told.
    pub(crate) fn new(measured: Measured) -> Self {
        let Measured {
            fixed_seconds,
            per_token_seconds,
        } = measured;
        Self(Mutex::new(LatencyEstimator::new(
            fixed_seconds,
            per_token_seconds,
        )))
    }

    pub(crate) fn predict(&self, tokens: Tokens) -> Expected {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .predict(tokens)
    }

    pub(crate) fn observe(&self, tokens: Tokens, took: Duration) {
        let mut estimator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *estimator = estimator.observe(tokens, Seconds::clamped(took.as_secs_f64()));
    }
}
