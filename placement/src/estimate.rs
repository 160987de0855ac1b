//! What is learned about one route, kept up to date by its outcomes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model_runtime::{Precision, VariantReport};
use router_policy::{
    ConfidenceEstimator, Expected, LatencyEstimator, Probability, Seconds, Tokens,
};

use crate::table::Measured;

/// The running estimates of a route: its latency, and what its model's probabilities are worth.
#[derive(Debug)]
pub(crate) struct Estimate {
    latency: Mutex<LatencyEstimator>,
    confidence: Mutex<ConfidenceEstimator>,
}

impl Estimate {
    /// Starts from what was measured or told.
    pub(crate) fn new(measured: Measured) -> Self {
        let latency = LatencyEstimator::new(measured.fixed(), measured.per_token_seconds);
        Self {
            latency: Mutex::new(latency),
            confidence: Mutex::default(),
        }
    }

    pub(crate) fn predict(&self, tokens: Tokens) -> Expected {
        self.latency
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .predict(tokens)
    }

    pub(crate) fn observe(&self, tokens: Tokens, took: Duration) {
        let mut estimator = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        *estimator = estimator.observe(tokens, Seconds::clamped(took.as_secs_f64()));
    }

    /// What answers of this route are worth, as far as it is known.
    pub(crate) fn confidence(&self) -> ConfidenceEstimator {
        *self
            .confidence
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was learned of an answer.
    pub(crate) fn learn(&self, next: impl FnOnce(ConfidenceEstimator) -> ConfidenceEstimator) {
        let mut estimator = self
            .confidence
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *estimator = next(*estimator);
    }
}

/// How often a build's answer is wrong where the full-precision one's is right: an assumption by
/// precision, until outcomes say more, and what its outputs differed from the CPU provider's here.
#[must_use]
pub fn p_error(variant: &VariantReport) -> Probability {
    let by_precision = match variant.precision {
        Precision::Fp32 => 0.0,
        Precision::Fp16 => 0.0002,
        Precision::Int8 => 0.002,
        Precision::Int4 => 0.01,
    };
    let serving = variant
        .attempts
        .iter()
        .find(|attempt| attempt.provider == variant.serving);
    let likeness = serving
        .and_then(|attempt| attempt.outcome.as_ref().ok())
        .map_or(1.0, |figures| figures.likeness);
    Probability::new(by_precision + (1.0 - likeness).max(0.0))
}
