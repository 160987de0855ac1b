//! How sure a model's answer is, told in probabilities that hold: how often such an answer proved right.
//!
//! A model's own probability of its tokens is a score, not a chance of being right, and means another
//! thing for each model, precision and provider. Platt scaling (Platt 1999, "Probabilistic outputs for
//! support vector machines") maps one to the other by two numbers, which are learned here one outcome
//! after the other.

use crate::units::Probability;

/// Maps a score to a calibrated confidence, and learns from whether answers proved right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfidenceEstimator {
    /// `log-odds of being right = offset + slope × log-odds of the score`.
    offset: f64,
    slope: f64,
    outcomes: u32,
    /// Mean squared difference of confidence and what came (Brier 1950), as a running mean.
    brier: f64,
    /// Running mean of how often an answer was not sure enough.
    escalated: f64,
}

/// Step of the first outcomes; later ones count for less.
const FIRST_STEP: f64 = 0.5;
const LEAST_STEP: f64 = 0.02;
/// Weight of a new outcome in the running means, once there are enough.
const MEMORY: f64 = 0.02;
/// The slope stays positive: a surer answer never counts as worse.
const SLOPES: (f64, f64) = (0.1, 10.0);
/// What is expected before anything was learned.
const USUALLY_ESCALATED: f64 = 0.3;

impl Default for ConfidenceEstimator {
    /// Believes scores as they are.
    fn default() -> Self {
        Self {
            offset: 0.0,
            slope: 1.0,
            outcomes: 0,
            brier: 0.25,
            escalated: USUALLY_ESCALATED,
        }
    }
}

impl ConfidenceEstimator {
    /// How often an answer of this score is right.
    #[must_use]
    pub fn confidence(&self, score: Probability) -> Probability {
        let odds = self.offset + self.slope * log_odds(score);
        Probability::new(1.0 / (1.0 + (-odds).exp()))
    }

    /// Takes whether an answer of this score proved right: one step of gradient descent on the log
    /// loss.
    #[must_use]
    pub fn observe(self, score: Probability, was_right: bool) -> Self {
        let x = log_odds(score);
        let error = self.confidence(score).get() - f64::from(u8::from(was_right));
        let outcomes = self.outcomes.saturating_add(1);
        let step = (FIRST_STEP / f64::from(outcomes).sqrt()).max(LEAST_STEP);
        let slope = self.slope - step * error * x / (1.0 + x.abs());
        let weight = (1.0 / f64::from(outcomes)).max(MEMORY);
        Self {
            offset: (self.offset - step * error).clamp(-20.0, 20.0),
            slope: slope.clamp(SLOPES.0, SLOPES.1),
            outcomes,
            brier: self.brier + (error * error - self.brier) * weight,
            ..self
        }
    }

    /// Takes whether an answer was not sure enough.
    #[must_use]
    pub fn weighed(self, has_escalated: bool) -> Self {
        let now = f64::from(u8::from(has_escalated));
        Self {
            escalated: self.escalated + (now - self.escalated) * MEMORY * 2.0,
            ..self
        }
    }

    /// The error of its confidences so far: their mean squared difference to what came, 0.25 for one
    /// who knows nothing.
    #[must_use]
    pub const fn error(&self) -> f64 {
        self.brier
    }

    /// How many outcomes it learned from.
    #[must_use]
    pub const fn outcomes(&self) -> u32 {
        self.outcomes
    }

    /// How often an answer is not sure enough.
    #[must_use]
    pub const fn escalates(&self) -> f64 {
        self.escalated
    }
}

/// Log-odds, bounded so that a certain score stays a number.
fn log_odds(score: Probability) -> f64 {
    let p = score.get().clamp(1e-4, 1.0 - 1e-4);
    (p / (1.0 - p)).ln()
}

#[cfg(test)]
mod tests {
    //! It learns what a score is worth, and says how well it knows.

    use super::*;

    /// Numbers from 0 to 1 that look random and are always the same.
    fn noise() -> impl Iterator<Item = f64> {
        (1..).map(|n| (f64::from(n) * 0.618_033_988_75).fract())
    }

    #[test]
    fn confidence_comes_to_be_how_often_such_an_answer_is_right() {
        // A model that says 0.9 and is right half of the time, and says 0.99 and is right nine times of ten.
        let mut estimator = ConfidenceEstimator::default();
        for (n, chance) in noise().take(4000).enumerate() {
            let (score, right) = if n % 2 == 0 { (0.9, 0.5) } else { (0.99, 0.9) };
            estimator = estimator.observe(Probability::new(score), chance < right);
        }
        let of = |score| estimator.confidence(Probability::new(score)).get();
        assert!((of(0.9) - 0.5).abs() < 0.1, "{}", of(0.9));
        assert!((of(0.99) - 0.9).abs() < 0.1, "{}", of(0.99));
        assert!(of(0.5) < of(0.9) && of(0.99) < of(0.999));
        assert!(estimator.error() < 0.25);
    }

    #[test]
    fn before_anything_was_learned_scores_are_believed() {
        let estimator = ConfidenceEstimator::default();
        for score in [0.01, 0.5, 0.73, 0.99] {
            let confidence = estimator.confidence(Probability::new(score)).get();
            assert!((confidence - score).abs() < 1e-6);
        }
    }

    #[test]
    fn no_outcome_breaks_it() {
        let mut estimator = ConfidenceEstimator::default();
        for n in 0..1000 {
            let score = Probability::new(if n % 3 == 0 { 0.0 } else { 1.0 });
            estimator = estimator.observe(score, n % 2 == 0).weighed(n % 5 == 0);
            let confidence = estimator.confidence(score).get();
            assert!((0.0..=1.0).contains(&confidence));
        }
        assert!(estimator.escalates() < 0.3);
    }
}
